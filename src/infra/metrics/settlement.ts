/** Figures of settlement and the chain watcher: of one book each. */
import type { Registry } from "prom-client";
import { COUNTS, figuresIn } from "./figures.ts";

export function settlementMetrics(registry: Registry) {
  const { counter, gauge, histogram, unset } = figuresIn(registry);
  return {
    epochLag: unset(
      "anchorbook_epoch_lag_seconds",
      "Age of the newest final epoch while newer journal lines wait; 0 when all is settled",
    ),
    epochLagLines: unset("anchorbook_epoch_lag_lines", "Journal lines that no final epoch holds"),
    /** Block time of the newest commit; its age says how long nothing was anchored. */
    lastCommitTime: unset(
      "anchorbook_last_commit_timestamp_seconds",
      "Time of the block that holds the newest commit",
    ),
    epochNumber: gauge("anchorbook_epoch_number", "Newest epoch that reached a status", ["status"]),
    epochLeavesChanged: histogram(
      "anchorbook_epoch_leaves_changed",
      "Leaves that differ from the epoch before",
      COUNTS,
    ),
    epochGasUsed: gauge("anchorbook_epoch_gas_used", "Gas of the newest commit and finalize", ["call"]),
    /** Outbox rows by state (`built`, `sent`, `committed`, `vetoed`). */
    outboxEpochs: gauge(
      "anchorbook_outbox_epochs",
      "Epochs in the settlement outbox by status; vetoed needs an operator",
      ["status"],
    ),
    /** Of the oldest epoch whose window is over. */
    attestationsMissing: unset(
      "anchorbook_attestations_missing",
      "Signatures that the oldest epoch whose challenge window is over lacks to become final",
    ),
    outboxOldestAge: unset(
      "anchorbook_outbox_oldest_age_seconds",
      "Age of the oldest epoch that is not final; 0 when there is none",
    ),
    watcherLagBlocks: unset(
      "anchorbook_watcher_lag_blocks",
      "Blocks of the chain that the watcher has not looked at yet",
    ),
    watcherFinalBlock: unset("anchorbook_watcher_final_block", "The newest block whose events count"),
    watcherEvents: counter("anchorbook_watcher_events_total", "Contract events that were seen"),
    /** Events that are seen and not final, or final and without their line. */
    watcherWaiting: unset(
      "anchorbook_watcher_waiting_events",
      "Contract events that were seen and do not count yet",
    ),
    watcherLost: unset(
      "anchorbook_watcher_lost_events",
      "Contract events that were final, have their lines, and are not on the chain any more; must stay 0",
    ),
    watcherCompleteTime: unset(
      "anchorbook_watcher_complete_time_seconds",
      "What was final on the chain by then (Unix time) is in the journal; epochs are closed for 45 minutes after it",
    ),
    watcherMissed: counter(
      "anchorbook_watcher_missed_total",
      "How often a node had left out events of the contracts",
    ),
    watcherFailures: counter(
      "anchorbook_watcher_failures_total",
      "Looks at the chain that failed; the next one goes on",
    ),
    exitDemandsOpen: unset(
      "anchorbook_exit_demands_open",
      "Demands of owners who leave on-chain that are not served yet",
    ),
    settlementHeldBack: unset(
      "anchorbook_settlement_held_back",
      "1 while no epoch is closed: for the chain, a veto, a demand that cannot be swept, or too many that wait",
    ),
    settlementFailures: counter("anchorbook_settlement_failures_total", "Failed settlement steps, by stage", [
      "stage",
    ]),
  };
}
