/**
 * What a proof costs in a long journal: rows read are counted, not time. A proof
 * reads the tiles of its path, two a level, and the one line, however long the
 * journal is; adding to the log reads its last tiles.
 */
import type { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "#kernel";
import { createLogSigner } from "#settlement";
import { signCheckpoint } from "../../src/settlement/checkpoints.ts";
import { createJournalLog } from "../../src/settlement/journal-log.ts";
import { LogAppender, logRootAt } from "../../src/settlement/log-tiles.ts";
import { connect, startLedger, type TestLedger } from "../support/ledger.ts";

const LONG = 70_000;
const SHORT = 300;
const signer = createLogSigner("log.example/long", new Uint8Array(32).fill(9));
/** Rows at the ends of an index that the planner may look at to know a range. */
const LOOKS = 4;
const LINE_TABLES = ["transfer", "position_change", "account_closing"];
const LOG_TABLES = ["log_tile", "log_checkpoint", "log_cosignature"];

let books: TestLedger;
let client: Client;

async function grow(lines: number): Promise<void> {
  await client.query("BEGIN");
  await client.query("SELECT take_head()");
  await client.query(
    `INSERT INTO transfer (seq, id, debit_account, credit_account, asset, amount, code, phase, effective_at, time)
     SELECT h.next_seq + n - 1, gen_random_uuid(), md5('1')::uuid, md5('2')::uuid, 'USD', 1, 'often', 'single', h.time, h.time
     FROM journal_head h, generate_series(1, $1::int) AS n ORDER BY n`,
    [lines],
  );
  await client.query("COMMIT");
}

async function close(size: number): Promise<void> {
  await (await LogAppender.resume(client)).upTo(size);
  const root = await logRootAt(client, BigInt(size));
  await signCheckpoint(client, signer, { size: BigInt(size), root, now: 0 });
}

beforeAll(async () => {
  books = await startLedger();
  client = await connect(books.database.ownerUrl, books.database);
  await client.query(
    `INSERT INTO account (id, asset, role, created_at)
     SELECT md5(n::text)::uuid, 'USD', 'general', 0 FROM generate_series(1, 2) AS n`,
  );
  await grow(SHORT);
  await close(SHORT);
  await grow(LONG - SHORT);
  // So many epochs that no planner takes their tables for small ones.
  await client.query(
    `INSERT INTO log_checkpoint (size, root, note, verifier_key, signed_at)
     SELECT n, root, note, verifier_key, 0 FROM log_checkpoint, generate_series(1000, 9000) AS n`,
  );
  await client.query(
    `INSERT INTO log_cosignature (size, name, key_id, time, line)
     SELECT n, 'w', '\\x00000000', 0, '' FROM generate_series(1000, 9000) AS n`,
  );
  await close(LONG);
  await client.query("ANALYZE");
}, 120_000);
afterAll(async () => {
  await client?.end();
  await books?.close();
});

interface Reads {
  readonly scanned: number;
  readonly lines: number;
  readonly log: number;
}

/** Rows that this session has read, by table; nothing else reads in it. */
async function readSoFar(): Promise<Map<string, { scanned: number; fetched: number }>> {
  const { rows } = await client.query(
    `SELECT relname AS name, coalesce(seq_tup_read, 0)::int AS scanned, coalesce(idx_tup_fetch, 0)::int AS fetched
     FROM pg_stat_xact_user_tables WHERE relname = ANY ($1)`,
    [[...LINE_TABLES, ...LOG_TABLES]],
  );
  return new Map(rows.map(({ name, scanned, fetched }) => [name, { scanned, fetched }]));
}

async function readsOf(work: () => Promise<unknown>): Promise<Reads> {
  await client.query("BEGIN");
  const before = await readSoFar();
  await work();
  const after = await readSoFar();
  await client.query("ROLLBACK");
  const sum = (tables: readonly string[], kind: "scanned" | "fetched") =>
    tables.reduce(
      (total, name) => total + (after.get(name)?.[kind] ?? 0) - (before.get(name)?.[kind] ?? 0),
      0,
    );
  return {
    scanned: sum([...LINE_TABLES, ...LOG_TABLES], "scanned"),
    lines: sum(LINE_TABLES, "fetched"),
    log: sum(LOG_TABLES, "fetched"),
  };
}

const log = () => createJournalLog({ db: client, signer, witnesses: [], clock: systemClock });

test("a proof of one line reads that line, and two tiles a level", async () => {
  for (const index of [0, 17, 255, 256, 33_333, 65_535, 65_536, LONG - 1]) {
    const reads = await readsOf(() => log().inclusion(index, null));
    expect(reads.scanned, `line ${index}`).toBe(0);
    expect(reads.lines, `line ${index}`).toBeLessThanOrEqual(1 + LOOKS);
    // Three levels, and two looks at a checkpoint.
    expect(reads.log, `line ${index}`).toBeLessThanOrEqual(3 * 2 + 2 + LOOKS);
  }
  const short = await readsOf(() => log().inclusion(17, SHORT));
  expect(short.scanned).toBe(0);
  expect(short.log).toBeLessThanOrEqual(2 * 2 + 2 + LOOKS);
});

test("a proof of continuity reads no line, and three tiles a level", async () => {
  for (const from of [1, SHORT, 256, 65_536, 69_999, LONG]) {
    const reads = await readsOf(() => log().consistency(from, null));
    expect(reads, `from ${from}`).toMatchObject({ scanned: 0, lines: 0 });
    expect(reads.log, `from ${from}`).toBeLessThanOrEqual(3 * 3 + 3 + LOOKS);
  }
});

test("a tile is one row, a bundle its 256 lines, a checkpoint one row", async () => {
  const tile = await readsOf(() => log().tile({ level: 0, index: 200n }, 256));
  expect(tile).toMatchObject({ scanned: 0, lines: 0 });
  expect(tile.log).toBeLessThanOrEqual(2 + LOOKS);
  const bundle = await readsOf(() => log().entries(200n, 256));
  expect(bundle.scanned).toBe(0);
  expect(bundle.lines).toBeLessThanOrEqual(256 + LOOKS);
  for (const read of [() => log().latest(), () => log().checkpoint(SHORT)]) {
    const checkpoint = await readsOf(read);
    expect(checkpoint).toMatchObject({ scanned: 0, lines: 0 });
    expect(checkpoint.log).toBeLessThanOrEqual(1 + LOOKS);
  }
});

test("adding to the log reads its last tiles and the new lines", async () => {
  await grow(10);
  const reads = await readsOf(async () => (await LogAppender.resume(client)).upTo(LONG + 10));
  expect(reads.scanned).toBe(0);
  expect(reads.lines).toBeLessThanOrEqual(10 + LOOKS);
  // The end, the last tile of each level, and the ones that are written again.
  expect(reads.log).toBeLessThanOrEqual(1 + 3 + 3 + LOOKS);
});

test("a write of the log that fails ends the adding: no later one leaves a hole", async () => {
  const { size: before } = await LogAppender.resume(client);
  const refused = Math.floor(before / 256) + 3;
  await grow(20_000);
  await client.query(
    `CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$;
     CREATE TRIGGER no_room BEFORE INSERT ON log_tile FOR EACH ROW
       WHEN (NEW.level = 0 AND NEW.index = ${refused}) EXECUTE FUNCTION no_room()`,
  );
  await expect((await LogAppender.resume(client)).upTo(before + 20_000)).rejects.toThrow("no room");
  const behind = await client.query("SELECT 1 FROM log_tile WHERE level = 0 AND index > $1", [refused]);
  expect(behind.rowCount).toBe(0);
  await client.query("DROP TRIGGER no_room ON log_tile; DROP FUNCTION no_room()");
  await (await LogAppender.resume(client)).upTo(before + 20_000);
  expect(await logRootAt(client, BigInt(before + 20_000))).toMatch(/^0x[0-9a-f]{64}$/);
});
