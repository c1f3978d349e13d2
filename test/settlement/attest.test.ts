/** Attesters as they run: they audit, sign what agrees, each number once, and nothing at a lie; also across a veto. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Wallet } from "ethers";
import { afterAll, describe, expect, it } from "vitest";
import { contractArtifact } from "#infra";
import { ZERO_WORD } from "#proof";
import { Auditor } from "../../src/cli/audit/run-audit.ts";
import { startLyingApi } from "../support/lying-proxy.ts";
import { type AttestAnswer, createAttestWorld, epochsOf, until } from "./attest-world.ts";
import { createParties, passTime, sendAs } from "./attesters.ts";
import { cli } from "./audit-world.ts";

const WINDOW_SECONDS = 3_600;
const parties = createParties({ windowSeconds: WINDOW_SECONDS, attesters: 3, threshold: 2 });
const [first, second, third] = parties.attesters as [Wallet, Wallet, Wallet];

const { world, watched, contracts, attest, stateOf, ofAttester, settleMore, close } =
  await createAttestWorld(parties);
afterAll(close);

const finalizeOf = async (epoch: bigint) => (await contracts.readFinalized(epoch))?.txHash;

/** That a run which ends at a lie does not say what an earlier one of the same auditor found to stop the book. */
async function expectForgotten(stopped: string): Promise<void> {
  let lying = false;
  const proxy = await startLyingApi(world.api.url, (path, body) =>
    lying && path.endsWith("/contracts") ? body.replace(/"chain_id":\d+/, '"chain_id":1') : body,
  );
  const trust = { logKeys: [], witnesses: [], quorum: 0 };
  const nodes = [{ name: "node", chain: world.chain }];
  const told = { answerSeconds: 60, onCheck: () => {}, onProgress: () => {} };
  const request = { nodes, api: proxy.url, registry: world.record.registry, trust, depth: 64, ...told };
  const auditor = new Auditor(request, null);
  expect(await auditor.run()).toMatchObject({ valid: true, stopped });
  lying = true;
  const lie = await auditor.run();
  await proxy.close();
  expect(lie).toMatchObject({ valid: false, stopped: null, checks: [{ name: "contracts", ok: false }] });
}

describe("anchorbook attest", () => {
  it("signs every committed epoch that agrees, so that the server makes it final", async () => {
    expect([await settleMore(), await settleMore()]).toEqual([1, 2]);
    const found = await attest(first);
    expect(found).toMatchObject({ code: 0, valid: true, refused: [] });
    expect(epochsOf(found)).toEqual([1, 2]);
    expect(found.signed.map(({ again }) => again)).toEqual([false, false]);
    expect(epochsOf(await attest(second))).toEqual([1, 2]);
    // The server is given it once more; nothing new is signed.
    const again = await attest(second);
    expect(again.signed).toEqual(
      [1, 2].map((epoch) => expect.objectContaining({ epoch: `${epoch}`, again: true })),
    );
    const { out } = await cli("attest", "--api", world.api.url, ...ofAttester(second));
    expect(out).toMatch(
      /\nepoch 1 is signed already: 0x[0-9a-f]{64}; handed in again\nepoch 2 is signed already/,
    );
    await passTime(world, WINDOW_SECONDS);
    await world.settlement.advance();
    expect(await contracts.lastFinal()).toBe(2n);
    expect(await attest(first)).toMatchObject({ code: 0, signed: [], refused: [] });
    const audited = await world.audit("--registry", world.record.registry);
    expect(audited).toMatchObject({ code: 0, valid: true });
    expect(audited.checks.at(-1)).toMatchObject({ name: "attestations", ok: true });
    expect(audited.checks.at(-1)?.detail).toContain(
      "4 signatures of attesters hold; no epoch waits for more (2 of 3 must sign)",
    );
  });

  it("signs nothing at a lie, and says which", async () => {
    const epoch = await settleMore();
    const waiting = (await world.audit()).checks.at(-1);
    expect(waiting?.detail).toContain(`; epoch ${epoch} has 0 of 2 signatures so far`);
    const liar = await startLyingApi(world.api.url, (path, body) =>
      path.includes("section=balances")
        ? body.replace(/"amount":"(\d)/, (_, digit) => `"amount":"${digit === "7" ? 8 : 7}`)
        : body,
    );
    const found = await attest(first, "--api", liar.url);
    await liar.close();
    expect(found).toMatchObject({ code: 1, valid: false, signed: [] });
    expect(found.checks.at(-1)).toMatchObject({ name: "leaves", epoch });
    expect((await world.settlement.attestations(epoch)).attestations).toEqual([]);
    // The lie was the server's, not the epoch's: from an honest one it is signed.
    expect(epochsOf(await attest(first))).toEqual([epoch]);
  });

  it("signs no second header for a number, but after a veto", async () => {
    const epoch = await contracts.lastCommitted();
    const path = join(stateOf(third), "attestations.json");
    await attest(third);
    const signed = JSON.parse(readFileSync(path, "utf8"));
    const own = signed.signed.find((one: { epoch: string }) => one.epoch === `${epoch}`);
    const forged = { ...own, header_hash: `0x${"ab".repeat(32)}` };
    // As it stood before it had a digest.
    const { sha256: _, ...old } = { ...signed, format: "anchorbook-attestations/1", signed: [forged] };
    writeFileSync(path, JSON.stringify(old));
    // What comes behind it rests on it, and is not signed either.
    await settleMore();
    const refused = await attest(third);
    expect(refused).toMatchObject({ code: 1, valid: true, signed: [] });
    expect(refused.refused[0]).toContain(`epoch ${epoch} is signed already with the header 0xabab`);
    writeFileSync(path, `${JSON.stringify(signed, null, 2)}\n`);

    const registry = contractArtifact("SettlementRegistry").abi;
    const veto = registry.encodeFunctionData("veto", [epoch, own.header_hash]);
    await sendAs(world, parties.guardian, world.record.registry, veto);
    // The audit takes the vetoed epoch back, and signs the one that takes its number.
    const vetoedIn = await world.chain.provider.getBlockNumber();
    // The server has not seen it so far, which is no lie.
    const early = await attest(third);
    expect(early).toMatchObject({ code: 1, signed: [], checks: [] });
    expect(early.err).toContain(
      `says that epoch ${epoch + 1n} is committed, but it was vetoed in block ${vetoedIn}: the server is behind the chain, as it may be before block ${vetoedIn + 64}. Try again in a minute, or run with --follow`,
    );
    await world.settlement.advance();
    const stopped = await attest(third);
    expect(stopped).toMatchObject({ code: 0, valid: true, signed: [] });
    expect(stopped.stopped).toContain(`epoch ${epoch} was vetoed in block ${vetoedIn}`);
    const told = `; epoch ${epoch} was vetoed in block ${vetoedIn} by ${parties.guardian.address.toLowerCase()}, and its number was not committed again: nothing settles until it is`;
    const chainOf = ({ checks }: Pick<AttestAnswer, "checks">) =>
      checks.find(({ name }) => name === "header_chain")?.detail;
    expect(chainOf(stopped)).toMatch(new RegExp(`${told}$`));
    const vetoed = await world.audit();
    expect(vetoed).toMatchObject({ code: 0, valid: true, stopped: told.slice("; ".length) });
    expect(chainOf(vetoed)).toContain(told);
    await expectForgotten(told.slice("; ".length));
    await passTime(world, 1);
    await world.settlement.release();
    expect(await settleMore()).toBe(Number(epoch));
    for (const attester of [first, third]) {
      const found = await attest(attester);
      expect(found).toMatchObject({ code: 0, valid: true, refused: [] });
      expect(epochsOf(found)).toEqual([Number(epoch)]);
    }
    const audited = await world.audit();
    expect(audited.valid).toBe(true);
    expect(audited.stopped).toBe(null);
    expect(chainOf(audited)).not.toContain("vetoed");
    expect(audited.checks.at(-1)?.detail).toBe(
      "6 signatures of attesters hold; no epoch waits for more (2 of 3 must sign)",
    );
  });

  it("makes epochs final itself where it is asked to and nobody else did, and else says what they wait for", async () => {
    const { provider } = world.chain;
    await provider.send("anvil_setBalance", [first.address, "0x8ac7230489e80000"]);
    const before = await contracts.lastFinal();
    const epoch = before + 1n;
    const view = await world.settlement.epoch(Number(epoch));
    const window_until = new Date((view?.windowUntil as number) * 1_000).toISOString().replace(".000Z", "Z");
    const waits = { epoch: `${epoch}`, window_until, attestations: { given: 2, needed: 2 } };
    const early = await attest(first, "--finalize");
    expect(early).toMatchObject({ code: 0, not_final: { ...waits, is_window_open: true } });
    expect((await attest(first)).not_final).toBe(null);
    const plain = () => cli("attest", "--finalize", "--api", world.api.url, ...ofAttester(first));
    expect((await plain()).out).toContain(
      `\nepoch ${epoch} is not final yet: its window until ${window_until} by the chain's clock\n`,
    );
    expect(await contracts.lastFinal()).toBe(before);
    await passTime(world, WINDOW_SECONDS);
    const made = await attest(first, "--finalize");
    const sent = { epoch: `${epoch}`, tx_hash: await finalizeOf(epoch) };
    expect(made).toMatchObject({ code: 0, not_final: null, finalized: [sent] });
    expect(await contracts.lastFinal()).toBe(epoch);
    expect(await attest(first)).toMatchObject({ finalized: [] });
    const unsigned = await settleMore();
    expect((await attest(first, "--finalize")).not_final).toMatchObject({
      ...{ epoch: `${unsigned}`, is_window_open: true, attestations: { given: 1, needed: 2 } },
    });
    await attest(second);
    await passTime(world, WINDOW_SECONDS);
    const { out } = await plain();
    expect(out).toContain(`\nmade epoch ${unsigned} final: ${await finalizeOf(BigInt(unsigned))}\n`);
    expect((await world.audit()).valid).toBe(true);
  });

  it("goes on for ever, signs what comes, says once what an epoch waits for, and ends at the first lie", async () => {
    let lying = false;
    let rounds = 0;
    const proxy = await startLyingApi(world.api.url, (path, body) => {
      if (path.includes("/settlement/contracts")) rounds++;
      return lying && path.includes("/leaves") ? "" : body;
    });
    try {
      await world.chain.provider.send("anvil_setBalance", [second.address, "0x8ac7230489e80000"]);
      const ended = attest(second, "--finalize", "--api", proxy.url, "--follow", "--every", "1");
      const attested = async (epoch: number) =>
        (await world.settlement.attestations(epoch)).attestations.map(({ attester }) => attester);
      const epoch = await settleMore();
      await until(async () => (await attested(epoch)).includes(second.address.toLowerCase() as never));
      const signedAt = rounds;
      await until(async () => rounds > signedAt + 3);
      lying = true;
      const unsigned = await settleMore();
      const { code, out } = await ended;
      expect(code).toBe(1);
      const told = out
        .trimEnd()
        .split("\n")
        .flatMap((line) => (JSON.parse(line) as AttestAnswer).not_final ?? []);
      expect(told.map(({ is_window_open }) => is_window_open)).toEqual([true]);
      expect(await attested(unsigned)).toEqual([]);
    } finally {
      await proxy.close();
    }
  });

  it("signs on after hours without server or node, where no epoch closed meanwhile", async () => {
    const HOUR = 3_600;
    const finalAtOnce = ["--finality-depth", "0"];
    // The chain went ahead of the ledger's clock above.
    const { timestamp } = (await world.chain.provider.getBlock("latest")) as { timestamp: number };
    const [{ now }] = (await watched.rows<{ now: number }>("SELECT ledger_now() AS now")) as [
      { now: number },
    ];
    await watched.advance(timestamp - now, 0);
    const before = await settleMore();
    const cancel = contractArtifact("SettlementRegistry").abi.encodeFunctionData("cancelWallet", [ZERO_WORD]);
    await sendAs(world, parties.guardian, world.record.registry, cancel);
    await watched.advance(5 * HOUR);
    const after = await settleMore();
    const found = await attest(first, ...finalAtOnce);
    expect(found).toMatchObject({ code: 0, valid: true, refused: [] });
    expect(epochsOf(found)).toEqual(expect.arrayContaining([before, after]));
    expect(found.checks.find(({ name }) => name === "chain_lines")?.detail).toBe(
      "1 chain events have their line, 0 wait for it",
    );
    let writtenAt = 0;
    for await (const text of await world.settlement.journal(0, Number.MAX_SAFE_INTEGER))
      for (const one of text.split("\n").filter((json) => json.includes("WalletCancelled")))
        writtenAt = Number(JSON.parse(one).time);
    expect(writtenAt).toBeGreaterThanOrEqual(timestamp + 5 * HOUR);
  });

  it("says who is no attester, what is damaged, and what it is called without", async () => {
    const state = stateOf(parties.guardian);
    const stranger = await attest(parties.guardian);
    expect(stranger.code).toBe(1);
    expect(stranger.err).toContain("is none of the registry's attesters");
    // Before the audit, which takes long, and keeps what it checked.
    const isAudited = (folder: string) => existsSync(join(folder, "audit-state"));
    expect([state, stateOf(first)].map(isAudited)).toEqual([false, true]);
    const path = join(stateOf(second), "attestations.json");
    writeFileSync(path, readFileSync(path, "utf8").slice(0, 40));
    expect((await attest(second)).err).toMatch(/is damaged: .*nothing more is signed with this key/);
    const named = ["--key-file", "x", "--state", "y", "--registry", world.record.registry];
    for (const length of [0, 2, 4, 6]) expect((await cli("attest", ...named.slice(0, length))).code).toBe(2);
    // Whoever asks the operator's node hears what the operator likes.
    expect((await cli("attest", ...named)).err).toContain("--rpc is needed");
  });
});
