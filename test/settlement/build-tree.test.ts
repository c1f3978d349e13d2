/** Whole trees built at once, from bytes and by threads, against trees grown leaf by leaf and the plain one. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Hex,
  keccak256,
  LEAF_RECORD_BYTES,
  type Leaf,
  leafDomain,
  RUN_LEAVES,
  SumTree,
  toHex,
  writeLeafRecord,
  ZERO_ADDRESS,
} from "#proof";
import { buildTree } from "../../src/settlement/build-tree.ts";
import { recordsIn, unpack } from "../../src/settlement/leaf-packing.ts";
import { sectionRecords } from "../../src/settlement/leaf-records.ts";
import { sectionAtEpoch } from "../../src/settlement/leaf-rows.ts";
import { plainTree } from "../support/plain-sum-tree.ts";
import { createWorld, TST, type World } from "./world.ts";

const domain = leafDomain({
  chainId: 31337n,
  custodian: `0x${"a1".repeat(20)}`,
  token: `0x${"b2".repeat(20)}`,
  section: "stakes",
});
const options = { epoch: 9n };

function leafAt(index: number): Leaf {
  const name = Uint8Array.of(index & 255, (index >> 8) & 255, index >> 16);
  return {
    index: BigInt(index),
    owner: index % 3 === 0 ? ZERO_ADDRESS : toHex(keccak256(name).subarray(12)),
    key: toHex(keccak256(name)),
    amount: BigInt(index) ** 5n,
    validUntil: BigInt(index) * 86_400n,
    kind: index % 5,
    quantity: index,
  };
}

function recordsOf(leaves: readonly Leaf[]): Uint8Array {
  const records = new Uint8Array(leaves.length * LEAF_RECORD_BYTES);
  leaves.forEach((leaf, place) => {
    writeLeafRecord(records, place * LEAF_RECORD_BYTES, domain, leaf);
  });
  return records;
}

function runsOf(leaves: readonly Leaf[]): Uint8Array[] {
  const runs = Math.ceil(leaves.length / RUN_LEAVES);
  return Array.from({ length: runs }, (_, run) =>
    recordsOf(leaves.slice(run * RUN_LEAVES, (run + 1) * RUN_LEAVES)),
  );
}

describe("a tree built at once", () => {
  test("of few leaves is the plain one", async () => {
    for (const count of [1, 2, 3, 4, 5, 31, 33, 64, 70]) {
      const leaves = Array.from({ length: count }, (_, index) => leafAt(index));
      const view = (await buildTree({ domain, count, options, runs: runsOf(leaves) })).at(9n);
      const plain = plainTree(domain, leaves);
      expect({ root: view?.root, sum: view?.sum, count: view?.count }).toEqual(plain.section);
      for (let index = 0; index < count; index += 7)
        expect(view?.proof(BigInt(index))).toEqual(plain.proof(index));
    }
  });

  test.each([0, 2])("by %i threads is the one grown by epochs, and goes on as it does", async (threads) => {
    for (const count of [RUN_LEAVES, 2 * RUN_LEAVES + 77]) {
      const leaves = Array.from({ length: count }, (_, index) => leafAt(index));
      const grown = new SumTree(domain, { epoch: 8n });
      grown.apply(9n, leaves);
      const built = await buildTree({ domain, count, options, runs: runsOf(leaves), threads });
      expect(built.newest().root).toBe(grown.newest().root);
      const next = [{ ...leafAt(0), amount: 5n }, ...[0, 1, 2].map((more) => leafAt(count + more))];
      expect(built.apply(10n, next).root).toBe(grown.apply(10n, next).root);
      expect(built.at(9n)?.proof(BigInt(count - 1))).toEqual(grown.at(9n)?.proof(BigInt(count - 1)));
      expect(built.rollback()).toBe(true);
      expect(built.newest().root).toBe(grown.at(9n)?.root);
    }
  });

  test.each([0, 2])("by %i threads is refused where a sum overflows or a run is missing", async (threads) => {
    const [small, large] = [leafAt(1), { ...leafAt(0), amount: 2n ** 128n - 1n }];
    const runs = [recordsOf([large, small])];
    await expect(buildTree({ domain, count: 2, options, runs, threads })).rejects.toThrow(/overflow/);
    const missing = { domain, count: RUN_LEAVES + 1, options, threads };
    await expect(buildTree({ ...missing, runs: [recordsOf([small])] })).rejects.toThrow(/1 runs/);
  });

  test("whose leaves cannot be read ends its threads, from when they begin to load, and says why", async () => {
    async function* away(rounds: number): AsyncGenerator<Uint8Array> {
      for (let round = 0; round < rounds; round++) await new Promise((resolve) => setImmediate(resolve));
      throw new Error("the database is away");
    }
    for (const rounds of [0, 1, 100])
      await expect(buildTree({ domain, count: 5, options, runs: away(rounds), threads: 2 })).rejects.toThrow(
        "the database is away",
      );
  });
});

describe("leaves out of Postgres as bytes", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world?.close());

  test("are the leaves that are read one by one, at every epoch", async () => {
    for (let round = 1; round <= 3; round++) {
      for (let user = 0; user < 3 * round; user++)
        await world.grant(`user_${user}`, BigInt(round * 7 + user) * TST + 1n);
      await world.lock("user_0", `agreement-${round}`, BigInt(round));
      await world.settlement.run();
    }
    for (const epoch of [1, 2, 3])
      for (const [section, name] of (["balances", "locks"] as const).entries()) {
        const leaves: Leaf[] = [];
        for await (const page of sectionAtEpoch(world.pool, 1, name, epoch)) leaves.push(...page);
        const found: number[] = [];
        for await (const run of sectionRecords(world.pool, { book: 1, section, epoch, count: leaves.length }))
          found.push(...recordsIn(0, run));
        expect(leaves.length).toBeGreaterThan(epoch - 1);
        expect(Uint8Array.from(found)).toEqual(recordsOf(leaves));
      }
  });

  const hex = (byte: string, length: number): Hex => `0x${byte.repeat(length)}`;

  const PACKED = `
    SELECT int8send($1) || decode(repeat('ab', 20), 'hex') || decode(repeat('cd', 32), 'hex')
      || int8send($2) || int8send($3) || int8send($4) || numeric_send($5::numeric) AS packed`;
  const packed = async (...values: unknown[]): Promise<Buffer> =>
    (await world.pool.query<{ packed: Buffer }>(PACKED, values)).rows[0]?.packed ?? Buffer.alloc(0);

  test("carry every amount, whatever its digits", async () => {
    const amounts = [
      0n,
      1n,
      9_999n,
      10_000n,
      10_001n,
      10n ** 8n,
      12_345_678_901_234_567_890n,
      10n ** 38n,
      2n ** 64n,
    ];
    for (const amount of [...amounts, 2n ** 128n - 1n]) {
      const leaf = {
        ...{ index: 4n, owner: hex("ab", 20), key: hex("cd", 32), amount },
        ...{ validUntil: 2n ** 40n, kind: 7, quantity: 2 ** 32 - 1 },
      } as const;
      const bytes = await packed(4, `${2n ** 40n}`, 7, 2 ** 32 - 1, `${amount}`);
      expect(unpack(bytes, 4, 1)).toEqual(recordsOf([leaf]));
    }
  });

  test("are refused where one is missing, too many, of another index, too large, or no whole number", async () => {
    const good = await packed(0, 0, 0, 0, "5");
    expect(() => unpack(good, 0, 2)).toThrow("leaf 1 is missing");
    expect(() => unpack(Buffer.concat([good, good]), 0, 1)).toThrow("a leaf after 0 came unasked");
    expect(() => unpack(good, 1, 1)).toThrow("leaf 1 is missing");
    expect(() => unpack(good.subarray(0, good.length - 1), 0, 1)).toThrow(/cut off/);
    expect(() => unpack(Buffer.alloc(0), 0, 1)).toThrow("leaf 0 is missing");
    const refused = async (pattern: RegExp, ...values: unknown[]) => {
      const bytes = await packed(0, ...values);
      expect(() => unpack(bytes, 0, 1)).toThrow(pattern);
    };
    await refused(/32 bits/, 0, `${2 ** 32}`, 0, "5");
    await refused(/32 bits/, 0, 0, `${2 ** 32}`, "5");
    await refused(/128 bits/, 0, 0, 0, `${2n ** 128n}`);
    await refused(/whole/, 0, 0, 0, "0.5");
    await refused(/whole/, 0, 0, 0, "-5");
    await refused(/whole/, 0, 0, 0, "NaN");
  });
});
