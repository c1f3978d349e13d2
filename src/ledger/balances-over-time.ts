/**
 * An account's balances at past times, by the time of effect of its lines: from
 * what was added up by day, as far as that has come, and the lines since. What
 * is added up is always right, however late it is: only the cost of a question
 * grows with the lines behind the watermark.
 */
import type { DataSource } from "typeorm";
import { type Amount, SECONDS_PER_DAY, type UnixSeconds } from "#kernel";
import { statement } from "./sql-text.ts";

const SQL = {
  at: statement("read-balances-at").text,
  byDay: statement("read-balances-by-day").text,
  advance: statement("advance-account-days").text,
} as const;

/** In one transaction, which is a snapshot too and must not stay open for seconds. */
const MOST_LINES = 100_000;

export interface Balances {
  readonly debitsPosted: Amount;
  readonly creditsPosted: Amount;
  readonly debitsPending: Amount;
  readonly creditsPending: Amount;
}

export interface DayBalances extends Balances {
  /** Midnight UTC at which the day begins. */
  readonly day: UnixSeconds;
}

type Row = Record<string, unknown>;

/** At the end of the second `at`. Zeros where the account has none. */
export async function balancesAt(
  database: DataSource,
  accountId: string,
  at: UnixSeconds,
): Promise<Balances> {
  const [row]: Row[] = await database.query(SQL.at, [accountId, at]);
  return toBalances(row ?? {});
}

/**
 * At the end of each day between two, both included; of the present day by now.
 * @param from any second of the first day
 * @param to any second of the last day
 */
export async function balancesByDay(
  database: DataSource,
  accountId: string,
  { from, to, now }: { from: UnixSeconds; to: UnixSeconds; now: UnixSeconds },
): Promise<DayBalances[]> {
  const rows: Row[] = await database.query(SQL.byDay, [accountId, dayOf(from), dayOf(to), now]);
  return rows.map((row) => ({ day: (row.day as number) * SECONDS_PER_DAY, ...toBalances(row) }));
}

/** Adds up what the journal has more than was added up yet. @returns how many lines that were */
export async function addUpDays(database: DataSource): Promise<number> {
  for (let total = 0; ; ) {
    const [row]: { lines: number }[] = await database.query(SQL.advance, [MOST_LINES]);
    const lines = row?.lines ?? 0;
    total += lines;
    if (lines < MOST_LINES) return total;
  }
}

function dayOf(time: UnixSeconds): number {
  return Math.floor(time / SECONDS_PER_DAY);
}

function toBalances(row: Row): Balances {
  return {
    debitsPosted: row.debits_posted as Amount,
    creditsPosted: row.credits_posted as Amount,
    debitsPending: row.debits_pending as Amount,
    creditsPending: row.credits_pending as Amount,
  };
}
