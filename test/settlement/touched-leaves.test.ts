/** What an epoch's lines touched, as it travels, and what of it becomes a leaf. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemIds } from "#kernel";
import { encodeLeafLine, type Hex, LEAF_RECORD_BYTES, type Leaf, SECTIONS, writeLeafRecord } from "#proof";
import type { EpochView } from "#settlement";
import { lineOfRecord } from "../../src/settlement/leaf-files.ts";
import { changedLeaves } from "../../src/settlement/leaf-rows.ts";
import { SectionTrees } from "../../src/settlement/section-trees.ts";
import { type TouchedRow, touchedOf } from "../../src/settlement/touched-leaves.ts";
import { createWorld, TST, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

const hex = (byte: string, length: number): Hex => `0x${byte.repeat(length)}`;
const COLUMNS = `
  SELECT $1::smallint AS section, array_send(array_agg(index)) AS index,
    array_send(array_agg(decode(repeat('ab', 20), 'hex'))) AS owner,
    array_send(array_agg(decode(repeat('cd', 32), 'hex'))) AS key, array_send(array_agg(amount)) AS amount,
    array_send(array_agg($2::bigint)) AS valid_until, array_send(array_agg($3::bigint)) AS kind,
    array_send(array_agg($4::bigint)) AS quantity
  FROM unnest($5::bigint[], $6::numeric[]) AS t (index, amount)`;
async function columns(
  section: number,
  rest: readonly unknown[],
  amounts: readonly unknown[],
): Promise<TouchedRow> {
  const values = [section, ...rest, amounts.map((_, place) => place), amounts.map(String)];
  return (await world.pool.query<TouchedRow>(COLUMNS, values)).rows[0] as TouchedRow;
}

test("columns of leaves become the bytes that are hashed and the lines that are published, whatever their amounts", async () => {
  const amounts = [
    0n,
    1n,
    9_999n,
    10_000n,
    10n ** 8n + 1n,
    10n ** 12n,
    12_345_678_901_234_567_890n,
    10n ** 38n,
  ];
  const all = [...amounts, 2n ** 128n - 1n];
  const { section, count, records } = touchedOf(await columns(3, [`${2n ** 40n}`, 7, `${2 ** 32 - 1}`], all));
  expect({ section, count }).toEqual({ section: "compute", count: all.length });
  const rest = {
    owner: hex("ab", 20),
    key: hex("cd", 32),
    validUntil: 2n ** 40n,
    kind: 7,
    quantity: 2 ** 32 - 1,
  };
  const leaves = all.map((amount, place): Leaf => ({ index: BigInt(place), amount, ...rest }));
  const expected = new Uint8Array(all.length * LEAF_RECORD_BYTES);
  leaves.forEach((leaf, place) => {
    writeLeafRecord(expected, place * LEAF_RECORD_BYTES, `0x${"00".repeat(32)}`, leaf);
  });
  expect(Uint8Array.from(records)).toEqual(expected);
  leaves.forEach((leaf, place) => {
    expect(lineOfRecord(records, place * LEAF_RECORD_BYTES)).toBe(`${encodeLeafLine(leaf)}\n`);
  });
});

test("what is cut off, too large, of no section or no whole number is refused", async () => {
  const good = await columns(0, [0, 0, 0], [5]);
  expect(() => touchedOf({ ...good, amount: good.amount.subarray(0, -1) })).toThrow(/cut off/);
  expect(() => touchedOf({ ...good, amount: Buffer.concat([good.amount, Buffer.alloc(4)]) })).toThrow(
    /another length/,
  );
  expect(() => touchedOf({ ...good, key: good.key.subarray(0, -1) })).toThrow(/another length/);
  expect(() => touchedOf({ ...good, section: 5 })).toThrow(/no section 5/);
  const refused = async (pattern: RegExp, rest: readonly unknown[], amount: readonly unknown[]) => {
    const row = await columns(0, rest, amount);
    expect(() => touchedOf(row)).toThrow(pattern);
  };
  await refused(/32 bits/, [0, `${2 ** 32}`, 0], [5]);
  await refused(/32 bits/, [0, 0, `${2 ** 32}`], [5]);
  for (const amount of ["0.5", "-5", "NaN"]) await refused(/whole/, [0, 0, 0], [amount]);
  await refused(/128 bits/, [0, 0, 0], [`${2n ** 128n}`]);
});

const leavesIn = async (epoch: number): Promise<string[]> => {
  const found: string[] = [];
  for (const section of SECTIONS)
    for await (const page of changedLeaves(world.pool, 1, epoch, section))
      found.push(...page.map(({ index, amount }) => `${section} ${index} ${amount}`));
  return found;
};

test("a position that lines touched and left as it was is no leaf of the epoch", async () => {
  await world.grant("ann", 50n * TST);
  await world.lock("ann", "a-1", 10n * TST);
  await world.settlement.run();
  await world.lock("ann", "a-1", 5n * TST);
  await world.release("ann", "a-1", 5n * TST);
  await world.grant("bob", 7n * TST);
  await world.settlement.run();
  const changed = await leavesIn(2);
  expect(changed).toHaveLength(2);
  expect(changed[0]).toMatch(/^balances 0 /);
  expect(changed[1]).toBe(`balances 2 ${7n * TST}`);
});

test("what is only held is no change of a leaf; posted, it is one on both sides", async () => {
  const { ledger } = world;
  const debitAccount = ledger.accountId({ asset: "TST", role: "available", owner: "ann" });
  const creditAccount = ledger.accountId({ asset: "TST", role: "locked", owner: "ann", reference: "a-1" });
  const held = { id: systemIds.uuid(), debitAccount, creditAccount, amount: TST, phase: "pending" as const };
  const post = { id: systemIds.uuid(), phase: "post" as const, pendingId: held.id };
  for (const request of [held, post]) {
    await ledger.submit({
      name: "test.two-phase",
      reads: { accounts: [debitAccount, creditAccount], pendings: [held.id], transfers: [request.id] },
      decide: (view) => view.tryTransfers([request], "program").map(({ code }) => code),
    });
    await world.settlement.run();
  }
  const epoch = (await world.settlement.latestEpoch())?.epoch ?? 0;
  expect(await leavesIn(epoch - 1)).toEqual([]);
  expect(await leavesIn(epoch)).toEqual([`balances 1 ${39n * TST}`, `locks 0 ${11n * TST}`]);
});

test("more leaves than travel in a row are all there, and lead to the header", async () => {
  const before = (await world.settlement.latestEpoch())?.epoch ?? 0;
  await grantToMany();
  await world.settlement.run();
  const [balances] = (await world.settlement.latestEpoch())?.header.sections ?? [];
  const changed = await leavesIn(before + 1);
  expect(changed).toHaveLength(1_101);
  expect(new Set(changed).size).toBe(1_101);
  const trees = new SectionTrees({ book: { ...(await bookRow()), id: 1 }, db: world.pool });
  const { root, sum, count } = await trees.at(world.pool, "balances", before + 1);
  expect({ root, sum, count }).toEqual(balances);
  trees.stop();
});

test("trees that were gone back to show every epoch as the trees that went through them do", async () => {
  await grantToMany();
  for (let round = 6; round <= 10; round++) {
    await world.grant(`user-${round}`, BigInt(round) * TST);
    await world.stake("ann", `s-${round % 2}`, BigInt(round));
    await world.settlement.run();
  }
  const book = { ...(await bookRow()), id: 1 };
  const last = (await world.settlement.latestEpoch())?.epoch ?? 0;
  const applied = new SectionTrees({ book, db: world.pool });
  // The many leaves of an epoch above in more than one go.
  const goneBack = new SectionTrees({
    ...{ book, db: world.pool, mostApplied: 0, keepEpochs: last - 2, pagesAtOnce: 1 },
  });
  // The newest first, as after a start; then from the oldest, which has to be waited for.
  for (const epoch of [last, ...Array.from({ length: last }, (_, place) => place + 1)])
    for (const section of SECTIONS) {
      const [one, other] = [
        await applied.at(world.pool, section, epoch),
        await goneBack.at(world.pool, section, epoch),
      ].map((view) => ({ root: view.root, sum: view.sum, count: view.count }));
      expect(other, `${section} at ${epoch}`).toEqual(one);
    }
  for (const section of ["balances", "stakes"] as const)
    expect((await goneBack.at(world.pool, section, last - 1)).proof(1n)).toEqual(
      (await applied.at(world.pool, section, last - 1)).proof(1n),
    );
  goneBack.stop();
});

test("an epoch that is closed while older ones are gone back to has its own roots", async () => {
  const book = { ...(await bookRow()), id: 1 };
  const { epoch: last, header } = (await world.settlement.latestEpoch()) as EpochView;
  const trees = new SectionTrees({ ...{ book, db: world.pool, mostApplied: 0 }, keepEpochs: last - 2 });
  await trees.exclusively(world.pool, header, async (open) => {
    const views = await open.begin(last + 1).write();
    // Those before are all readable then.
    await trees.at(world.pool, "balances", 2);
    for (const [number, section] of SECTIONS.entries()) {
      const { root, sum, count } = views[section];
      expect({ root, sum, count }, section).toEqual(header.sections[number]);
    }
    open.rollback();
  });
  trees.stop();
});

async function grantToMany(): Promise<void> {
  const places = Array.from({ length: 1_100 }, (_, place) => place);
  await Promise.all(places.map((place) => world.grant(`one-of-many-${place}`, BigInt(place + 1))));
}

async function bookRow() {
  const { record } = world;
  const { balances, locks, stakes, compute, payouts } = record.custodians;
  return {
    ...{ asset: "TST", chainId: record.chain_id, deployedBlock: record.deployed_block },
    ...{ registry: record.registry.toLowerCase() as Hex, token: record.token.toLowerCase() as Hex },
    custodians: [balances, locks, stakes, compute, payouts].map((address) => address.toLowerCase() as Hex),
  };
}
