import { AbiCoder, id, keccak256, solidityPackedKeccak256 } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Book, finalSectionOf } from "#infra";
import { headerSection, type ProofDocument, proofToJson, SECTIONS, type Section } from "#proof";
import type { PositionName, Settlement } from "#settlement";
import { verifyProof } from "#verifier";
import { plainDomain, plainHeaderHash, plainTree } from "../support/plain-sum-tree.ts";
import { heldPool } from "./held-pool.ts";
import { createWorld, TST, type World } from "./world.ts";

let world: World;
let contracts: Book;

beforeAll(async () => {
  world = await createWorld();
  contracts = new Book(world.chain, world.record);
});
afterAll(() => world?.close());

function proofOf(
  settlement: Settlement,
  section: Section,
  position: PositionName,
  epoch: number | null = null,
): Promise<ProofDocument> {
  return settlement.proof({ section, position, epoch, withOpening: true });
}

/** The fold of the settlement format once more, by ethers alone. */
function foldByEthers(proof: ProofDocument): { root: string; sum: bigint; key: string } {
  const { leaf } = proof;
  const types = ["uint8", "bytes32", "uint64", "address", "bytes32", "uint128", "uint64", "uint32", "uint32"];
  const domain = keccak256(
    AbiCoder.defaultAbiCoder().encode(
      ["bytes32", "uint256", "address", "address", "bytes32"],
      [id("anchorbook.leaf.v1"), proof.chainId, proof.custodian, proof.asset, id(proof.section)],
    ),
  );
  let hash = solidityPackedKeccak256(types, [
    ...[0, domain, leaf.index, leaf.owner, leaf.key],
    ...[leaf.amount, leaf.validUntil, leaf.kind, leaf.quantity],
  ]);
  let sum = leaf.amount;
  for (const [level, sibling] of proof.siblings.entries()) {
    const isRight = ((leaf.index >> BigInt(level)) & 1n) === 1n;
    const [left, right] = isRight ? [sibling, { hash, sum }] : [{ hash, sum }, sibling];
    hash = solidityPackedKeccak256(
      ["uint8", "bytes32", "uint128", "bytes32", "uint128"],
      [1, left.hash, left.sum, right.hash, right.sum],
    );
    sum += sibling.sum;
  }
  const parts = (proof.opening?.parts ?? []).map((part) => `${part}\0`).join("");
  const key = solidityPackedKeccak256(["bytes32", "string"], [proof.opening?.salt, parts]);
  return { root: hash, sum, key };
}

async function expectHolds(proof: ProofDocument): Promise<void> {
  expect(verifyProof(JSON.stringify(proofToJson(proof)))).toMatchObject({ valid: true });
  const stated = headerSection(proof.header, proof.section);
  expect(foldByEthers(proof)).toEqual({ root: stated.root, sum: stated.sum, key: proof.leaf.key });
  expect(plainHeaderHash(proof.header)).toBe(proof.headerHash);
  expect(await contracts.verifyIn(proof.header, proof.section, proof.leaf, proof.siblings)).toBe(true);
}

describe("a proof", () => {
  it("of a lock, a stake and a balance holds offline, by ethers alone, and on the chain", async () => {
    await world.grant("user_a", 500n * TST);
    await world.lock("user_a", "agreement-1", 60n * TST);
    await world.lock("user_a", "agreement-2", 10n * TST);
    await world.stake("user_a", "strategy-1", 25n * TST);
    await world.settlement.run();
    for (const [section, position, amount] of [
      ["locks", world.position("locks", "user_a", "agreement-2"), 10n],
      ["stakes", world.position("stakes", "user_a", "strategy-1"), 25n],
      ["balances", world.position("balances", "user_a"), 405n],
    ] as const) {
      const proof = await proofOf(world.settlement, section, position);
      expect(proof.leaf.amount).toBe(amount * TST);
      expect(proof.txHash).toBe((await contracts.readCommitted(1n))?.txHash);
      await expectHolds(proof);
      expect(await contracts.verify(section, proof.leaf, proof.siblings)).toBe(true);
      const more = { ...proof.leaf, amount: proof.leaf.amount + 1n };
      expect(await contracts.verifyIn(proof.header, section, more, proof.siblings)).toBe(false);
    }
  });

  it("is the same when its epoch was asked for before, by its number or as the newest", async () => {
    const settlement = await world.open();
    const lock = world.position("locks", "user_a", "agreement-1");
    const balance = world.position("balances", "user_a");
    const first = await proofOf(settlement, "locks", lock);
    const epoch = Number(first.epoch);
    for (const again of [null, epoch, epoch, null])
      expect(await proofOf(settlement, "locks", lock, again)).toEqual(first);
    await world.grant("user_a", TST);
    await world.settlement.run();
    const newer = await proofOf(settlement, "balances", balance);
    expect(newer.epoch).toBe(first.epoch + 1n);
    await expectHolds(newer);
    expect(await proofOf(settlement, "locks", lock, epoch)).toEqual(first);
  });

  it("carries no opening where none was asked for", async () => {
    const position = world.position("locks", "user_a", "agreement-1");
    const proof = await world.settlement.proof({
      section: "locks",
      position,
      epoch: null,
      withOpening: false,
    });
    expect(proofToJson(proof)).not.toHaveProperty("opening");
  });

  it("is not there before its epoch is, nor for another section, nor for nobody", async () => {
    await world.lock("user_a", "agreement-3", 1n * TST);
    const fresh = world.position("locks", "user_a", "agreement-3");
    await expect(proofOf(world.settlement, "locks", fresh)).rejects.toMatchObject({ code: "not_found" });
    await expect(
      proofOf(world.settlement, "stakes", world.position("locks", "user_a", "agreement-1")),
    ).rejects.toMatchObject({ code: "not_found" });
    await expect(
      proofOf(world.settlement, "balances", world.position("balances", "nobody")),
    ).rejects.toMatchObject({ code: "not_found" });
    await world.settlement.run();
    await expect(proofOf(world.settlement, "locks", fresh, 1)).rejects.toMatchObject({ code: "not_found" });
    const { epoch: newest } = (await world.settlement.latestEpoch()) ?? {};
    await expect(proofOf(world.settlement, "locks", fresh, 99)).rejects.toMatchObject({
      ...{ code: "not_found", message: `Epoch 99 is not committed; the newest that is: ${newest}` },
    });
    await expectHolds(await proofOf(world.settlement, "locks", fresh));
  });
});

describe("epochs built step by step", () => {
  it("have the roots of a full rebuild, in memory, from Postgres anew, and by ethers alone", async () => {
    const first = (await world.settlement.latestEpoch())?.epoch ?? 0;
    for (let round = 0; round < 6; round++) {
      for (let user = 0; user <= round; user++) await world.grant(`user_${user}`, BigInt(20 + round) * TST);
      await world.lock(`user_${round}`, `of-round-${round}`, 7n * TST);
      if (round > 1) await world.release(`user_${round - 1}`, `of-round-${round - 1}`, 7n * TST);
      await world.settlement.run();
    }
    const epochs = await world.settlement.epochs(null, 6);
    expect(epochs[5]?.epoch).toBe(first + 1);
    // Two memories: one that starts here and keeps almost nothing, one that starts cold for each epoch.
    const forgetful = await world.open({ keepEpochs: 1 });
    const { accountId } = world.position("locks", "user_0", "of-round-0");
    expect(accountId).toBeDefined();
    for (const { epoch, header } of epochs) {
      for (const section of SECTIONS) {
        const leaves = [];
        for await (const text of await world.settlement.leaves(epoch, section, true))
          for (const line of String(text).split("\n").filter(Boolean)) leaves.push(JSON.parse(line));
        const tree = plainTree(
          plainDomain(world.record, section),
          leaves.map((leaf) => ({
            ...leaf,
            index: BigInt(leaf.index),
            amount: BigInt(leaf.amount),
            validUntil: BigInt(leaf.valid_until),
            kind: Number(leaf.kind),
            quantity: Number(leaf.quantity),
          })),
        );
        expect(headerSection(header, section)).toEqual(tree.section);
      }
      for (const settlement of [world.settlement, forgetful, await world.open()])
        await expectHolds(await proofOf(settlement, "balances", world.position("balances", "user_0"), epoch));
    }
    const finals = await Promise.all(SECTIONS.map((section) => contracts.finalSection(section)));
    const newest = epochs[0]?.header;
    expect(finals).toEqual(newest?.sections.map(finalSectionOf));
  });

  it("are built one at a time where they are too old for memory, and few are waited for", async () => {
    const position = world.position("balances", "user_a");
    const newest = (await world.settlement.latestEpoch())?.epoch ?? 0;
    for (let more = 0; more < 4; more++) {
      await world.grant("user_0", TST);
      await world.settlement.run();
    }
    const old = Array.from({ length: 10 }, (_, place) => newest + 2 - place);
    const held = heldPool(world.pool, /A section's leaves as they were/);
    const forgetful = await world.open({ pool: held.pool, keepEpochs: 1, proofPatienceMs: 60_000 });
    await proofOf(forgetful, "balances", position);
    held.hold();
    held.counts.most = 0;
    const refused: unknown[] = [];
    // Each twice: who asks for what is being built already waits for that.
    const asked = [...old, ...old].map((epoch) =>
      proofOf(forgetful, "balances", position, epoch).catch((error: unknown) => {
        refused.push(error);
        return null;
      }),
    );
    await expect.poll(() => refused.length, { timeout: 10_000 }).toBe(4);
    held.release();
    const proofs = (await Promise.all(asked)).filter((proof) => proof !== null);
    expect(refused[0]).toMatchObject({ code: "unavailable", retryAfterSeconds: 5 });
    expect(new Set(proofs.map(({ epoch }) => epoch)).size).toBe(8);
    for (const proof of proofs) await expectHolds(proof);
    expect(held.counts.most).toBe(1);
  });

  it("of an epoch whose trees take long are to be asked for later, and are there then", async () => {
    const position = world.position("balances", "user_a");
    const newest = (await world.settlement.latestEpoch())?.epoch ?? 0;
    const held = heldPool(world.pool, /A section's leaves as they were/);
    const busy = await world.open({ pool: held.pool, keepEpochs: 1, proofPatienceMs: 100 });
    const asked = (epoch: number) => proofOf(busy, "balances", position, epoch).catch(({ code }) => code);
    await expect.poll(() => asked(newest), { timeout: 20_000 }).toMatchObject({ epoch: BigInt(newest) });
    held.hold();
    await expect(proofOf(busy, "balances", position, newest - 3)).rejects.toMatchObject({
      ...{ code: "unavailable", retryAfterSeconds: 30 },
      message: `The trees of epoch ${newest - 3} are being made; ask again shortly`,
    });
    // Epochs in memory do not wait for it.
    await expect.poll(() => asked(newest), { timeout: 20_000 }).toMatchObject({ epoch: BigInt(newest) });
    held.release();
    await expect
      .poll(() => asked(newest - 3), { timeout: 20_000 })
      .toMatchObject({ epoch: BigInt(newest - 3) });
  });

  it("go on after a closing that failed, with the same roots", async () => {
    const before = (await world.settlement.latestEpoch())?.epoch ?? 0;
    let failures = 2;
    const flaky = await world.open({
      faults: (point) => {
        if (point === "before-commit-of-transaction" && failures-- > 0) throw new Error("the disk is gone");
      },
    });
    await flaky.run();
    await world.grant("user_0", TST);
    await expect(flaky.run()).rejects.toThrow("the disk is gone");
    await world.grant("user_9", TST);
    await expect(flaky.run()).rejects.toThrow("the disk is gone");
    const { epoch } = await flaky.run();
    expect(epoch).toMatchObject({ epoch: before + 1, status: "final" });
    await expectHolds(await proofOf(world.settlement, "balances", world.position("balances", "user_9")));
  });
});
