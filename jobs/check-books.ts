/**
 * Looks whether the books are right: the trial balance of every asset from its
 * accounts, the counters in Redis against usage in Postgres, and what other
 * ledgers credited against what was sent to them. It mends nothing of the ledger;
 * what it finds is a metric to alarm on and an error in the log.
 */
import { type Log, type Metrics, setExact } from "#infra";
import type { InterLedger } from "#inter-ledger";
import type { Clock } from "#kernel";
import type { LedgerQueries } from "#ledger";
import type { Quota } from "#quota";

/** Every minute, between the other jobs. */
export const CHECK_BOOKS_CRON = "35 * * * * *";

export interface CheckBooksDeps {
  readonly books: Pick<LedgerQueries, "trialBalance" | "now">;
  readonly interLedger: Pick<InterLedger, "compare" | "waiting">;
  readonly quota: Pick<Quota, "measureDrift">;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<
    Metrics,
    | "trialBalanceDifference"
    | "trialBalanceCheckedAt"
    | "interLedgerDifference"
    | "interLedgerWaiting"
    | "interLedgerOldestAge"
  >;
}

const MS_PER_SECOND = 1_000;

/** @throws what the database throws where it is away */
export async function checkBooks(deps: CheckBooksDeps): Promise<void> {
  const { books, quota, clock, log, metrics } = deps;
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
  await checkClearing(deps);
}

/** Last: another ledger may be away. */
async function checkClearing({ books, interLedger, log, metrics }: CheckBooksDeps): Promise<void> {
  metrics.interLedgerWaiting.reset();
  metrics.interLedgerOldestAge.reset();
  const now = await books.now();
  for (const { toLedger: to, count, oldestSentAt } of await interLedger.waiting()) {
    metrics.interLedgerWaiting.set({ to }, count);
    metrics.interLedgerOldestAge.set({ to }, now - oldestSentAt);
  }
  for (const { ledger, ledgerId, asset, difference } of await interLedger.compare()) {
    if (difference === null) continue;
    const to = ledger ?? ledgerId;
    setExact(metrics.interLedgerDifference, difference, { to, asset });
    if (difference !== 0n)
      log.error(
        { to, asset, difference: difference.toString() },
        "two ledgers contradict each other on what was sent from one to the other",
      );
  }
}
