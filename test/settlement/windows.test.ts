import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Book, contractArtifact, createMetrics, finalizeCalldata } from "#infra";
import type { EpochView } from "#settlement";
import { advanceLedgerClock } from "../../src/test-clock.ts";
import { attest, createParties, passTime, sendAs, signHeader } from "./attesters.ts";
import { createWorld, TST, type World } from "./world.ts";

const WINDOW_SECONDS = 3_600;
const parties = createParties({ windowSeconds: WINDOW_SECONDS, attesters: 3, threshold: 2 });
const [first, second, third] = parties.attesters as [
  (typeof parties.attesters)[number],
  (typeof parties.attesters)[number],
  (typeof parties.attesters)[number],
];

let world: World;
let contracts: Book;

beforeAll(async () => {
  world = await createWorld(undefined, parties.deploy);
  contracts = new Book(world.chain, world.record);
});
afterAll(() => world?.close());

async function settleMore(): Promise<EpochView> {
  await world.grant("user_a", TST);
  const { epoch } = await world.settlement.run();
  if (!epoch) throw new Error("nothing was settled");
  return epoch;
}

async function statuses(): Promise<string[]> {
  return (await world.settlement.epochs(null, 100)).map(({ status }) => status).toReversed();
}

describe("epochs that wait for their window and their attesters", () => {
  it("hold up no commit", async () => {
    for (const number of [1, 2, 3])
      expect(await settleMore()).toMatchObject({
        ...{ epoch: number, status: "committed", finalizeTxHash: null },
        attestations: { given: 0, needed: 2, attesters: 3 },
      });
    expect(await contracts.lastCommitted()).toBe(3n);
  });

  it("become final only when the window is over and enough have signed, in order", async () => {
    await attest(world, 1, [third, first]);
    await world.settlement.advance();
    expect(await contracts.lastFinal()).toBe(0n);
    await passTime(world, WINDOW_SECONDS);
    await attest(world, 2, [second]);
    await attest(world, 3, [second, third]);
    const { ownerUrl, schema } = world.database;
    await advanceLedgerClock(ownerUrl, schema, WINDOW_SECONDS);
    const metrics = createMetrics();
    await (await world.open({ metrics })).advance();
    expect(await statuses()).toEqual(["final", "committed", "committed"]);
    expect(await world.settlement.epoch(2)).toMatchObject({ attestations: { given: 1, needed: 2 } });
    expect(await metrics.registry.metrics()).toMatch(/^anchorbook_attestations_missing 1$/m);
  });

  it("become final by what was signed for them, though another attester signs meanwhile", async () => {
    await attest(world, 2, [second, first]);
    const dying = await world.open({
      faults: (point, epoch) => {
        if (point === "finalize-signed" && epoch === 3) throw new Error("died");
      },
    });
    await expect(dying.advance()).rejects.toThrow("died");
    const signed = async () =>
      (await world.pool.query("SELECT hash FROM settlement_tx WHERE kind = 'finalize' AND epoch = 3")).rows;
    const before = await signed();
    // Of lower address than the two who signed, and so in their place in what would be signed now.
    await attest(world, 3, [first]);
    await world.settlement.advance();
    expect(await statuses()).toEqual(["final", "final", "final"]);
    expect(before.length).toBe(1);
    expect(await signed()).toEqual(before);
  });

  it("may be made final by anybody, which is recognised", async () => {
    const { epoch, header, headerHash } = await settleMore();
    await passTime(world, WINDOW_SECONDS);
    const signatures = await Promise.all(
      [first, third].map((attester) => signHeader(attester, world.record, headerHash)),
    );
    const data = finalizeCalldata(header as never, signatures as never);
    await sendAs(world, second, world.record.registry, data);
    const nonce = await world.chain.signer?.getNonce();
    await world.settlement.advance();
    const event = await contracts.readFinalized(BigInt(epoch));
    expect(await world.settlement.epoch(epoch)).toMatchObject({
      ...{ status: "final", finalizeTxHash: event?.txHash },
      attestations: { given: 0 },
    });
    expect(await world.chain.signer?.getNonce()).toBe(nonce);
  });

  it("may be so many and no more: then what is written waits for the next epoch", async () => {
    const careful = await world.open({ mostWaiting: 2 });
    for (let waiting = 0; waiting < 2; waiting++) await settleMore();
    await world.grant("user_a", TST);
    await expect(careful.run()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("2 epochs wait to become final"),
    });
    await careful.settle();
    expect(await statuses()).toEqual(["final", "final", "final", "final", "committed", "committed"]);
    await attest(world, 5, [first, second]);
    await passTime(world, WINDOW_SECONDS);
    await careful.advance();
    expect((await careful.run()).epoch).toMatchObject({ epoch: 7, status: "committed" });
  });
});

describe("an attester's signature", () => {
  it("is kept once, and shown", async () => {
    const { headerHash } = (await world.settlement.epoch(7)) as EpochView;
    const signature = await signHeader(first, world.record, headerHash);
    const kept = await world.settlement.attest(7, signature);
    expect(await world.settlement.attest(7, signature)).toEqual(kept);
    const { attestations, epoch } = await world.settlement.attestations(7);
    expect(attestations).toEqual([
      { attester: first.address.toLowerCase(), signature, receivedAt: expect.any(Number) },
    ]);
    expect(epoch.attestations).toEqual({ given: 1, needed: 2, attesters: 3 });
  });

  it("is refused where it is a stranger's, of another header, or not as the registry wants it", async () => {
    const { headerHash } = (await world.settlement.epoch(7)) as EpochView;
    const other = (await world.settlement.epoch(6)) as EpochView;
    const good = await signHeader(second, world.record, headerHash);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const highS = (order - BigInt(`0x${good.slice(66, 130)}`)).toString(16).padStart(64, "0");
    const flipped = `${good.slice(0, 66)}${highS}${good.endsWith("1b") ? "1c" : "1b"}`;
    for (const [code, signature] of [
      ["forbidden", await signHeader(parties.guardian, world.record, headerHash)],
      ["forbidden", await signHeader(second, world.record, other.headerHash)],
      ["forbidden", await signHeader(second, { ...world.record, chain_id: 1 }, headerHash)],
      ["forbidden", `0x${"ff".repeat(32)}${"11".repeat(32)}1b`],
      ["invalid_request", flipped],
      ["invalid_request", `${good.slice(0, -2)}00`],
      ["invalid_request", good.slice(0, -2)],
      ["invalid_request", ""],
    ] as const)
      await expect(world.settlement.attest(7, signature), signature).rejects.toMatchObject({ code });
    await expect(world.settlement.attest(99, good)).rejects.toMatchObject({ code: "not_found" });
    expect((await world.settlement.attestations(7)).attestations.length).toBe(1);
  });
});

describe("attesters that change while epochs wait", () => {
  it("no longer count, and the new ones do, also where a finalize was signed with the old ones' signatures", async () => {
    await passTime(world, WINDOW_SECONDS);
    await attest(world, 6, [first, second]);
    const dying = await world.open({
      faults: (point) => {
        if (point === "finalize-signed") throw new Error("died");
      },
    });
    await expect(dying.advance()).rejects.toThrow("died");
    const { abi } = contractArtifact("SettlementRegistry");
    const change = abi.encodeFunctionData("setAttesters", [
      [third.address, parties.attesters[1]?.address],
      2,
    ]);
    const { registry } = world.record;
    await sendAs(world, parties.admin, registry, abi.encodeFunctionData("scheduleChange", [change]));
    await passTime(world, 14 * 86_400);
    await sendAs(world, parties.admin, registry, abi.encodeFunctionData("executeChange", [change]));
    await world.settlement.advance();
    // Two had signed, of whom one counts now.
    expect(await world.settlement.epoch(6)).toMatchObject({
      ...{ status: "committed", attestations: { given: 1, needed: 2, attesters: 2 } },
    });
    const { headerHash } = (await world.settlement.epoch(6)) as EpochView;
    const late = await world.open();
    await expect(late.attest(7, await signHeader(first, world.record, headerHash))).rejects.toMatchObject({
      code: "forbidden",
    });
    await attest(world, 6, [third]);
    await attest(world, 7, [second, third]);
    await world.settlement.advance();
    expect((await statuses()).slice(5)).toEqual(["final", "final"]);
    const { rows } = await world.pool.query(
      `SELECT nonce, max_fee_per_gas AS fee, max_priority_fee_per_gas AS tip FROM settlement_tx
       WHERE kind = 'finalize' AND epoch = 6 ORDER BY max_fee_per_gas`,
    );
    expect(rows.map(({ nonce }) => nonce)).toEqual([rows[0]?.nonce, rows[0]?.nonce]);
    // A node that has the first takes another for an eighth more alone.
    expect(rows[1].fee * 8n).toBeGreaterThan(rows[0].fee * 9n);
    expect(rows[1].tip * 8n).toBeGreaterThan(rows[0].tip * 9n);
  });
});

describe("a window", () => {
  it("is over in the very second in which it ends, and not before", async () => {
    const { provider } = world.chain;
    const { epoch, windowUntil } = await settleMore();
    await attest(world, epoch, [second, third]);
    const blockAt = async (second: number) => {
      await provider.send("evm_setNextBlockTimestamp", [second]);
      await provider.send("evm_mine", []);
    };
    await blockAt((windowUntil ?? 0) - 1);
    await world.settlement.advance();
    expect(await contracts.lastFinal()).toBe(BigInt(epoch - 1));
    await blockAt(windowUntil ?? 0);
    await world.settlement.advance();
    expect(await contracts.lastFinal()).toBe(BigInt(epoch));
  });
});

describe("a chain with a window that went back", () => {
  const hashes = async () =>
    (await world.settlement.epochs(null, 3)).map(({ txHash, finalizeTxHash }) => [txHash, finalizeTxHash]);

  it("gets the same transactions again under the same nonces, as long as the window lets them", async () => {
    const { provider } = world.chain;
    const oldest = await settleMore();
    const snapshot = await provider.send("evm_snapshot", []);
    await settleMore();
    await passTime(world, WINDOW_SECONDS);
    await attest(world, oldest.epoch, [second, third]);
    await world.settlement.advance();
    await settleMore();
    const before = await hashes();
    const signed = async () => (await world.pool.query("SELECT hash FROM settlement_tx")).rowCount;
    const count = await signed();
    await provider.send("evm_revert", [snapshot]);
    await passTime(world, WINDOW_SECONDS);
    await world.settlement.advance();
    expect(await hashes()).toEqual(before);
    expect(await signed()).toBe(count);
    expect((await statuses()).slice(-3)).toEqual(["final", "committed", "committed"]);
  });

  it("takes what it may take where a finalize has to wait again, and in the end has all of it", async () => {
    const { provider } = world.chain;
    const last = (await world.settlement.latestEpoch())?.epoch ?? 0;
    await passTime(world, WINDOW_SECONDS);
    for (const epoch of [last - 1, last]) await attest(world, epoch, [second, third]);
    await world.settlement.advance();
    const snapshot = await provider.send("evm_snapshot", []);
    const { epoch } = await settleMore();
    await attest(world, epoch, [second, third]);
    await passTime(world, WINDOW_SECONDS);
    await world.settlement.advance();
    expect((await settleMore()).epoch).toBe(epoch + 1);
    await provider.send("evm_revert", [snapshot]);
    await world.settlement.advance();
    // The finalize stood between the two commits.
    expect((await statuses()).slice(-2)).toEqual(["committed", "committed"]);
    await passTime(world, WINDOW_SECONDS);
    await attest(world, epoch + 1, [second, third]);
    await world.settlement.advance();
    expect((await statuses()).slice(-2)).toEqual(["final", "final"]);
    expect((await contracts.committedEpochs()).map((one) => Number(one.epoch))).toEqual(
      Array.from({ length: epoch + 1 }, (_, place) => place + 1),
    );
  });
});
