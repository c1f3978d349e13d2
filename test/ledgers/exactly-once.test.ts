/**
 * Transfers between two ledgers, each in a database of its own: exactly once,
 * wherever a process is killed, whoever else delivers, and while the other
 * database is away.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createClient, createMetrics, silentLog } from "#infra";
import type { InterLedger, Step } from "#inter-ledger";
import { systemClock } from "#kernel";
import { createQuota } from "#quota";
import { checkBooks } from "../../jobs/check-books.ts";
import { expectCoherent } from "../support/coherence.ts";
import { startLedger, type TestLedger, transfer } from "../support/ledger.ts";
import { openPair, type PairPlaces, type SendWork } from "./open-pair.ts";

const SCRIPT = new URL("send-child.ts", import.meta.url).pathname;
const FUNDS = 100_000n;

interface Side {
  readonly books: TestLedger;
  readonly purse: string;
}
let north: Side;
let south: Side;
let places: PairPlaces;

beforeAll(async () => {
  [north, south] = await Promise.all([openSide(), openSide()]);
  places = { north: placeOf(north), south: placeOf(south) };
});

afterAll(async () => {
  await north.books.close();
  await south.books.close();
});

async function openSide(): Promise<Side> {
  const books = await startLedger();
  const [source, purse] = [await books.open(), await books.open({ debitAllowance: 0n })];
  expect(await books.send(transfer(source, purse, FUNDS))).toEqual(["ok"]);
  return { books, purse };
}

function placeOf({ books: { database } }: Side) {
  return { url: database.appUrl, schema: database.schema };
}

async function startChild(work: Pick<SendWork, "ids" | "killAt" | "afterTicks">): Promise<string> {
  const task: SendWork = { ...places, ...work, fromAccount: north.purse, toAccount: south.purse };
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify(task)], { stdio: "inherit" });
  const [code, signal] = await once(child, "exit");
  return signal ?? `exit ${code}`;
}

const fresh = (count: number) => Array.from({ length: count }, () => randomUUID());

async function balanceOf({ books, purse }: Side): Promise<bigint> {
  const account = await books.queries.account(purse);
  return account ? account.creditsPosted - account.debitsPosted - account.debitsPending : 0n;
}

async function asked(side: Side, sql: string, values: readonly unknown[] = []) {
  return (await side.books.asOwner(sql, values)).map((row) => Object.values(row)[0]);
}

/** Brings everything to its end, and checks that each of the ids that were accepted acted once, and the others never. */
async function assertOnce(ids: readonly string[], before: { north: bigint; south: bigint }): Promise<number> {
  const pair = await openPair(places);
  try {
    await pair.north.deliver();
    await pair.idle();
    const compared = await pair.north.compare();
    expect(compared).toMatchObject([{ ledger: "south", asset: "USD", pending: 0n, difference: 0n }]);
    expect(compared[0]?.sent).toBe(compared[0]?.credited);
  } finally {
    await pair.close();
  }
  const sent = await asked(north, "SELECT id FROM inter_ledger_transfer WHERE id = ANY ($1)", [ids]);
  const states = await asked(north, "SELECT state FROM inter_ledger_transfer WHERE id = ANY ($1)", [ids]);
  expect(states).toEqual(sent.map(() => "posted"));
  const arrived =
    "SELECT transfer_id FROM inter_ledger_arrival WHERE transfer_id = ANY ($1) AND refusal IS NULL";
  expect((await asked(south, arrived, [ids])).sort()).toEqual([...sent].sort());
  const told =
    "SELECT data ->> 'transfer_id' FROM event WHERE type = $1 AND data ->> 'transfer_id' = ANY ($2) ORDER BY 1";
  for (const type of ["inter_ledger.sent", "inter_ledger.posted"])
    expect(await asked(north, told, [type, ids])).toEqual([...sent].sort());
  expect(await asked(south, told, ["inter_ledger.arrived", ids])).toEqual([...sent].sort());
  const moved = 100n * BigInt(sent.length);
  expect(await balanceOf(north)).toBe(before.north - moved);
  expect(await balanceOf(south)).toBe(before.south + moved);
  await expectCoherent(north.books);
  await expectCoherent(south.books);
  return sent.length;
}

const balances = async () => ({ north: await balanceOf(north), south: await balanceOf(south) });

/** At least so many are written down when the third of six passes the step. */
const STEPS: readonly [Step, number][] = [
  ["sending", 2],
  ["sent", 3],
  ["receiving", 3],
  ["received", 3],
  ["resolving", 3],
  ["resolved", 3],
];

test.each(STEPS)("killed at the step %s it goes on, and nothing happens twice", async (killAt, least) => {
  const before = await balances();
  const ids = fresh(6);
  expect(await startChild({ ids, killAt, afterTicks: 0 })).toBe("SIGKILL");
  expect(await assertOnce(ids, before)).toBeGreaterThanOrEqual(least);
});

test("four processes at once, killed while a step is under way, and nothing happens twice", async () => {
  const before = await balances();
  const kills: readonly [Step, number][] = [
    ["sending", 3],
    ["receiving", 4],
    ["resolving", 9],
    ["receiving", 40],
  ];
  const work = kills.map(([killAt, afterTicks]) => ({ ids: fresh(12), killAt, afterTicks }));
  const ends = await Promise.all(work.map(startChild));
  expect(ends).toEqual(kills.map(() => "SIGKILL"));
  await assertOnce(
    work.flatMap(({ ids }) => ids),
    before,
  );
});

test("two processes and this one deliver the same at once, once", async () => {
  const before = await balances();
  const ids = fresh(80);
  await holdWithoutDelivery(ids);
  const pair = await openPair(places);
  const others = [1, 2].map(() => startChild({ ids: [], killAt: null, afterTicks: 0 }));
  await pair.north.deliver();
  expect(await Promise.all(others)).toEqual(["exit 0", "exit 0"]);
  await pair.idle();
  await pair.close();
  expect(await assertOnce(ids, before)).toBe(ids.length);
});

test("while the other database is away they wait, and none is lost when it is back", async () => {
  const before = await balances();
  const ids = fresh(20);
  const pair = await openPair(places);
  try {
    await withoutSouth(async () => {
      for (const id of ids) await pair.north.send(requestOf(id), undefined);
      await pair.idle();
      const waiting = await pair.north.waiting();
      expect(waiting).toMatchObject([{ toLedger: "south", count: ids.length }]);
      // The same again is answered the same, and held once.
      expect((await pair.north.send(requestOf(ids[0] ?? ""), undefined)).value.id).toBe(ids[0]);
      await pair.idle();
      await expect(pair.north.compare()).rejects.toThrow();
    });
  } finally {
    await pair.close();
  }
  expect(await assertOnce(ids, before)).toBe(ids.length);
});

test("a stranger under the name of a ledger gets nothing of what was sent to that one", async () => {
  const before = await balances();
  const ids = fresh(3);
  await holdWithoutDelivery(ids);
  const stranger = await startLedger();
  try {
    const pair = await openPair({
      ...places,
      south: { url: stranger.database.appUrl, schema: stranger.database.schema },
    });
    await pair.north.deliver();
    await pair.idle();
    expect(await pair.north.waiting()).toMatchObject([{ count: ids.length }]);
    expect(await pair.north.list({ state: "pending", beforeSeq: null, limit: 10 })).toHaveLength(ids.length);
    await pair.close();
    expect(await stranger.asOwner("SELECT FROM inter_ledger_arrival")).toEqual([]);
  } finally {
    await stranger.close();
  }
  expect(await assertOnce(ids, before)).toBe(ids.length);
});

test("the comparison tells of a ledger that forgot what it credited, and of one that forgot what it sent", async () => {
  const pair = await openPair(places);
  try {
    const [sound] = await pair.north.compare();
    const change = (side: Side, column: string, amount: number) =>
      side.books.asOwner(
        `WITH head AS (SELECT take_head()) UPDATE account SET ${column} = ${column} + ${amount} FROM head WHERE role = 'clearing'`,
      );
    await change(south, "debits_posted", -7);
    expect(await pair.north.compare()).toMatchObject([{ difference: -7n, sent: sound?.sent }]);
    expect(await figures(pair.north)).toContain(
      'anchorbook_inter_ledger_difference{to="south",asset="USD"} -7',
    );
    await change(south, "debits_posted", 7);
    await change(north, "credits_posted", -5);
    expect(await pair.north.compare()).toMatchObject([{ difference: 5n }]);
    await change(north, "credits_posted", 5);
    expect(await pair.north.compare()).toEqual([sound]);
    expect(await figures(pair.north)).toContain(
      'anchorbook_inter_ledger_difference{to="south",asset="USD"} 0',
    );
  } finally {
    await pair.close();
  }
});

/** What the job that checks the books makes of it. */
async function figures(interLedger: InterLedger): Promise<string> {
  const { ledger, source: dataSource, queries: books } = north.books;
  const [metrics, log, clock] = [createMetrics(), silentLog(), systemClock];
  const quota = await createQuota({ ledger, redis: null, dataSource, clock, log, metrics });
  try {
    await checkBooks({ books, interLedger, quota, clock, log, metrics });
    return await metrics.registry.metrics();
  } finally {
    quota.close();
  }
}

function requestOf(id: string) {
  return {
    ...{ id, fromAccount: north.purse, toLedger: "south", toAccount: south.purse },
    ...{ amount: 100n, reference: null },
  };
}

/** As a process leaves them that ends right after it answered. */
async function holdWithoutDelivery(ids: readonly string[]): Promise<void> {
  const pair = await openPair(places);
  await pair.north.stop();
  await Promise.all(ids.map((id) => pair.north.send(requestOf(id), undefined)));
  await pair.close();
}

async function withoutSouth(task: () => Promise<void>): Promise<void> {
  const { adminUrl, name } = south.books.database;
  const admin = createClient({ url: adminUrl.replace(`/${name}`, "/postgres"), applicationName: "test" });
  await admin.connect();
  try {
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [name]);
    try {
      await task();
    } finally {
      await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    }
  } finally {
    await admin.end();
  }
}
