/**
 * The writer on a ledger with a long history against an empty one: the same ledger
 * before, and another one after, because ten minutes lie between and a shared
 * machine is not as fast all that time. The history is made by sets, as the owner of the tables, and goes
 * through the tables' own triggers, constraints and indexes: balances, holds,
 * journal and events are what they would be had the writer written it.
 */
import { createClient } from "#infra";
import { type BenchContext, type BenchResult, choose, resultOf } from "./benchmark.ts";
import { type LedgerBook, measureTransfers, openLedgerBook, uniformPair } from "./ledger-book.ts";

const SIZES = {
  full: {
    accounts: 100_000,
    history: 10_000_000,
    clients: 8_192,
    warmUpMs: 5_000,
    emptyMs: 15_000,
    fullMs: 60_000,
  },
  quick: { accounts: 1_000, history: 20_000, clients: 64, warmUpMs: 100, emptyMs: 500, fullMs: 1_000 },
} as const;
/** Many, because each statement updates each of its accounts once: a quarter of the time of 5,000. */
const LINES_A_STATEMENT = 100_000;
const LINES_BETWEEN_REPORTS = 500_000;
/** Into the measured time, the checkpoint is asked for after this share of it. */
const CHECKPOINT_AFTER = 1 / 3;

/** In random order, so that indexes on accounts grow as they do; ids of version 7, as the server makes them. */
const FILL = `
  INSERT INTO transfer (seq, id, debit_account, credit_account, asset, amount, code, phase, effective_at, time)
  SELECT $1::bigint + n, uuidv7(), ($3::uuid[])[1 + debit], ($3::uuid[])[1 + (debit + step) % cardinality($3::uuid[])],
    'BENCH', 1, 'history', 'single', $2, $2
  FROM (
    SELECT n, floor(random() * cardinality($3::uuid[]))::int AS debit,
      1 + floor(random() * (cardinality($3::uuid[]) - 1))::int AS step
    FROM generate_series(0, $4::int - 1) AS n
  ) AS line`;

export async function benchLedgerHistory(context: BenchContext): Promise<BenchResult[]> {
  const sizes = choose(context, SIZES);
  const history = context.history ?? sizes.history;
  const book = await openLedgerBook(context, sizes.accounts);
  const load = { clients: sizes.clients, warmUpMs: sizes.warmUpMs };
  const pair = () => uniformPair(book.accounts);
  const empty = await measureTransfers(book, { ...load, durationMs: sizes.emptyMs }, pair);
  context.log(`empty: ${empty.perSecond.toFixed(0)} transfers/s`);
  const fillSeconds = await fill(context, book, history);
  const checkpoint = checkpointAfter(context, book, sizes.warmUpMs + sizes.fullMs * CHECKPOINT_AFTER);
  const full = await measureTransfers(book, { ...load, durationMs: sizes.fullMs }, pair);
  const checkpointSeconds = await checkpoint;
  context.log(`after ${history.toLocaleString("en-US")} more: ${full.perSecond.toFixed(0)} transfers/s`);
  await book.assertCoherent();
  const fresh = await openLedgerBook(context, sizes.accounts);
  const freshPair = () => uniformPair(fresh.accounts);
  const afterwards = await measureTransfers(fresh, { ...load, durationMs: sizes.emptyMs }, freshPair);
  context.log(`another one, empty: ${afterwards.perSecond.toFixed(0)} transfers/s`);
  context.note({
    history_lines: history,
    accounts: sizes.accounts,
    clients_in_process: sizes.clients,
    seconds: sizes.fullMs / 1000,
    seconds_empty: sizes.emptyMs / 1000,
    checkpoint_seconds: Number(checkpointSeconds.toFixed(1)),
    fill_seconds: Math.round(fillSeconds),
    p99_ms: Math.round(full.p99Ms),
    p99_ms_empty: Math.round(empty.p99Ms),
    per_second_empty_before: Math.round(empty.perSecond),
    per_second_empty_after: Math.round(afterwards.perSecond),
  });
  const mean = (empty.perSecond + afterwards.perSecond) / 2;
  return [resultOf("ledger.history", full.perSecond, "transfers/s", { empty: mean })];
}

/** @returns seconds */
async function fill(context: BenchContext, book: LedgerBook, lines: number): Promise<number> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  await book.asOwner(async (query) => {
    await query("SET synchronous_commit = off");
    for (let done = 0; done < lines; ) {
      const count = Math.min(LINES_A_STATEMENT, lines - done);
      await query("BEGIN");
      const [head] = await query(
        `UPDATE journal_head SET time = greatest(time, floor(extract(epoch FROM clock_timestamp()))::bigint + clock_offset)
         RETURNING next_seq, time`,
      );
      await query(FILL, [head?.next_seq, head?.time, book.accounts, count]);
      await query("COMMIT");
      done += count;
      if (done % LINES_BETWEEN_REPORTS === 0)
        context.log(`${done.toLocaleString("en-US")} lines of history after ${seconds().toFixed(0)} s`);
    }
    // What autovacuum does for a ledger that took months to grow.
    await query("VACUUM (ANALYZE)");
  });
  await (await asAdmin(context, book))("CHECKPOINT");
  return seconds();
}

/** Asks for a checkpoint in the middle of the measured time. @returns how many seconds it took */
async function checkpointAfter(context: BenchContext, book: LedgerBook, ms: number): Promise<number> {
  const run = await asAdmin(context, book);
  return new Promise((done, failed) => {
    setTimeout(() => {
      const started = performance.now();
      run("CHECKPOINT").then(() => done((performance.now() - started) / 1000), failed);
    }, ms);
  });
}

async function asAdmin(context: BenchContext, book: LedgerBook): Promise<(text: string) => Promise<void>> {
  const postgres = await context.stack.postgres();
  const name = new URL(book.database.ownerUrl).pathname.slice(1);
  return async (text) => {
    const client = createClient({ url: postgres.url("admin", name), applicationName: "bench" });
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  };
}
