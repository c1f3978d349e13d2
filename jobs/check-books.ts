/**
 * Looks whether the books are right: the trial balance of every asset from its
 * accounts, and the counters in Redis against usage in Postgres. It mends
 * nothing of the ledger; what it finds is a metric to alarm on and an error in
 * the log.
 */
import { type Log, type Metrics, setExact } from "#infra";
import type { Clock } from "#kernel";
import type { LedgerQueries } from "#ledger";
import type { Quota } from "#quota";

/** Every minute, between the other jobs. */
export const CHECK_BOOKS_CRON = "35 * * * * *";

export interface CheckBooksDeps {
  readonly books: Pick<LedgerQueries, "trialBalance">;
  readonly quota: Pick<Quota, "measureDrift">;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "trialBalanceDifference" | "trialBalanceCheckedAt">;
}

const MS_PER_SECOND = 1_000;

/** @throws what the database throws where it is away */
export async function checkBooks({ books, quota, clock, log, metrics }: CheckBooksDeps): Promise<void> {
  for (const { asset, debits, credits } of await books.trialBalance()) {
    const difference = debits - credits;
    setExact(metrics.trialBalanceDifference, difference, { asset });
    if (difference !== 0n)
      log.error(
        { asset, difference: difference.toString() },
        "the trial balance is not zero: the books are wrong",
      );
  }
  metrics.trialBalanceCheckedAt.set(clock.nowMs() / MS_PER_SECOND);
  await quota.measureDrift();
}
