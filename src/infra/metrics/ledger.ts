/** Figures of the writer, the books, and transfers between ledgers. */
import type { Registry } from "prom-client";
import { COUNTS, figuresIn, SECONDS } from "./figures.ts";

export function ledgerMetrics(registry: Registry) {
  const { counter, gauge, histogram, unset } = figuresIn(registry);
  return {
    writerBatchUnits: histogram("anchorbook_writer_batch_units", "Units of work committed together", COUNTS),
    writerBatchWait: histogram(
      "anchorbook_writer_batch_wait_seconds",
      "Time a unit of work waits for its batch",
      SECONDS,
    ),
    writerBatchDuration: histogram(
      "anchorbook_writer_batch_duration_seconds",
      "Time of one batch from BEGIN to the answer of COMMIT",
      SECONDS,
    ),
    writerQueueDepth: gauge("anchorbook_writer_queue_depth", "Units of work waiting for a batch"),
    writerRetries: counter("anchorbook_writer_retries_total", "Batches run again, by reason", ["reason"]),
    writerRefused: counter(
      "anchorbook_writer_refused_total",
      "Units of work refused because the queue was full",
    ),
    journalSize: gauge("anchorbook_journal_lines", "Lines in the journal"),
    /** Not zero: books are wrong. Alarm at once. */
    trialBalanceDifference: gauge(
      "anchorbook_trial_balance_difference",
      "Debits minus credits of an asset in base units; anything but 0 means the books are wrong",
      ["asset"],
    ),
    trialBalanceCheckedAt: unset(
      "anchorbook_trial_balance_checked_timestamp_seconds",
      "When the last full trial balance ended",
    ),
    /** What another ledger credited differs from what was sent to it: anything but 0 is wrong. */
    interLedgerDifference: gauge(
      "anchorbook_inter_ledger_difference",
      "Base units that another ledger credited beyond what was sent to it, or (negative) fell short of; must be 0",
      ["to", "asset"],
    ),
    /** Transfers on their way to another ledger, and the age of the oldest. */
    interLedgerWaiting: gauge(
      "anchorbook_inter_ledger_waiting",
      "Transfers that another ledger has not decided on yet",
      ["to"],
    ),
    interLedgerOldestAge: gauge(
      "anchorbook_inter_ledger_oldest_waiting_seconds",
      "Age of the oldest of them",
      ["to"],
    ),
  };
}
