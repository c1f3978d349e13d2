/**
 * Two ledgers side by side in one process and one Postgres, a schema and a writer
 * each, against one of them alone with as many clients as both have together. In
 * turns, so that both meet the same noise.
 */
import { migrate } from "../src/migrate.ts";
import { type BenchContext, type BenchResult, choose, resultOf } from "./benchmark.ts";
import { type LedgerBook, measureTransfers, openLedgerBook, uniformPair } from "./ledger-book.ts";
import type { BenchDatabase } from "./stack.ts";

const SIZES = {
  full: { accounts: 50_000, clients: 8_192, rounds: 3, warmUpMs: 1_000, durationMs: 5_000 },
  quick: { accounts: 500, clients: 64, rounds: 1, warmUpMs: 100, durationMs: 500 },
} as const;

export async function benchLedgerTwo(context: BenchContext): Promise<BenchResult[]> {
  const { accounts, clients, rounds, ...times } = choose(context, SIZES);
  const first = await openLedgerBook(context, accounts);
  const second = await openLedgerBook(context, accounts, await besides(context, first.database));
  const rate = async (book: LedgerBook, share: number) =>
    (await measureTransfers(book, { ...times, clients: share }, () => uniformPair(book.accounts))).perSecond;
  const alone: number[] = [];
  const both: number[] = [];
  for (let round = 0; round < rounds; round++) {
    alone.push(await rate(first, clients));
    const each = await Promise.all([first, second].map((book) => rate(book, clients / 2)));
    both.push(each.reduce((sum, one) => sum + one, 0));
    context.log(
      `one ledger: ${alone.at(-1)?.toFixed(0)}/s; two: ${each.map((one) => one.toFixed(0)).join(" + ")}/s`,
    );
  }
  await first.assertCoherent();
  await second.assertCoherent();
  context.note({
    accounts_each: accounts,
    clients_in_process: clients,
    seconds: times.durationMs / 1000,
    rounds,
  });
  return [resultOf("ledger.two", medianOf(both), "transfers/s", { one: medianOf(alone) })];
}

/** Another schema of the same database. */
async function besides(context: BenchContext, database: BenchDatabase): Promise<BenchDatabase> {
  const schema = `${database.schema}_two`;
  await migrate({ ...database, schema }, context.stack.serverLog);
  return { ...database, schema };
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
