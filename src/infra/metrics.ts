/**
 * What an operator alarms on, as one typed object. Each part sets its own; this
 * file holds no logic but the conversion of exact integers to the doubles that
 * Prometheus knows. A gauge that was never set is not exposed as zero where zero
 * would mean "all is well" (trial balance, drift, lag): its absence is a finding.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export interface Metrics {
  readonly registry: Registry;

  /** `route` is the template, never a path with ids in it. */
  readonly httpRequestDuration: Histogram<"method" | "route" | "status">;
  readonly httpRequestsInFlight: Gauge;

  /** Units of work in one commit of the group-commit writer. */
  readonly writerBatchUnits: Histogram;
  /** From the moment a unit is queued until its batch begins. */
  readonly writerBatchWait: Histogram;
  /** From BEGIN to the answer of COMMIT. */
  readonly writerBatchDuration: Histogram;
  readonly writerQueueDepth: Gauge;
  readonly writerRetries: Counter<"reason">;
  /** Units refused with 503 because the queue was full. */
  readonly writerRefused: Counter;
  readonly journalSize: Gauge;

  /** Not zero: books are wrong. Alarm at once. */
  readonly trialBalanceDifference: Gauge<"asset">;
  readonly trialBalanceCheckedAt: Gauge;
  /** What another ledger credited differs from what was sent to it: anything but 0 is wrong. */
  readonly interLedgerDifference: Gauge<"to" | "asset">;
  /** Transfers on their way to another ledger, and the age of the oldest. */
  readonly interLedgerWaiting: Gauge<"to">;
  readonly interLedgerOldestAge: Gauge<"to">;

  /** Age of the newest final epoch while the journal has grown past it; 0 when all is settled. */
  readonly epochLag: Gauge;
  /** Journal lines that no final epoch holds. */
  readonly epochLagLines: Gauge;
  /** Block time of the newest commit; its age says how long nothing was anchored. */
  readonly lastCommitTime: Gauge;
  readonly epochNumber: Gauge<"status">;
  readonly epochLeavesChanged: Histogram;
  readonly epochGasUsed: Gauge<"call">;
  /** Outbox rows by state (`built`, `sent`, `committed`, `vetoed`). */
  readonly outboxEpochs: Gauge<"status">;
  readonly outboxOldestAge: Gauge;
  /** Of the oldest epoch whose window is over. */
  readonly attestationsMissing: Gauge;
  readonly settlementFailures: Counter<"stage">;

  /** Blocks that the chain watcher has not looked at yet. */
  readonly watcherLagBlocks: Gauge;
  readonly watcherFinalBlock: Gauge;
  readonly watcherEvents: Counter;
  /** Events that are seen and not final, or final and without their line. */
  readonly watcherWaiting: Gauge;
  /** Events that were final and have gone from the chain. */
  readonly watcherLost: Gauge;
  /** How often a node had left out events. */
  readonly watcherMissed: Counter;
  readonly watcherFailures: Counter;
  readonly exitDemandsOpen: Gauge;

  /** Counters in Redis that differ from `usage` in Postgres, at the last comparison. */
  readonly counterDrift: Gauge;
  readonly quotaDecisions: Counter<"outcome">;
  /** Quota requests decided without the Redis gate. */
  readonly quotaGateBypassed: Counter;

  /** Free bytes where the embedded Postgres keeps its files. */
  readonly diskFree: Gauge;
  /** 1 while writes are refused because the disk is nearly full. */
  readonly writesHalted: Gauge;
  readonly eventStreams: Gauge;
  /** By outcome: `delivered`, `refused` (answered, not taken), `unreachable`, `stopped`. */
  readonly webhookAttempts: Counter<"outcome">;
  readonly webhookDeadLetters: Counter;

  /** 1 where the last probe of `database`, `migrations`, `counters`, `chain` … was good, else 0. */
  readonly dependencyUp: Gauge<"dependency">;
  readonly jobDuration: Histogram<"job">;
  readonly jobFailures: Counter<"job">;
  readonly jobLastSuccess: Gauge<"job">;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000, 8000];

/**
 * A registry of its own each time, so that two apps in one process do not share figures.
 * @param labels on every figure, for one of several ledgers; the process's own figures are then left to another
 */
export function createMetrics(labels?: Readonly<Record<string, string>>): Metrics {
  const registry = new Registry();
  if (labels) registry.setDefaultLabels(labels);
  else collectDefaultMetrics({ register: registry, prefix: "anchorbook_" });
  return {
    registry,
    ...httpMetrics(registry),
    ...ledgerMetrics(registry),
    ...settlementMetrics(registry),
    ...eventMetrics(registry),
    ...operationsMetrics(registry),
  };
}

/** Of one more book: what tells of its settlement and its chain, and nothing else. */
export function createBookMetrics(asset: string): Metrics {
  const metrics = createMetrics({ asset });
  const own = new Registry();
  settlementMetrics(own);
  const kept = new Set([...own.getMetricsAsArray().map(({ name }) => name), "anchorbook_dependency_up"]);
  for (const { name } of metrics.registry.getMetricsAsArray())
    if (!kept.has(name)) metrics.registry.removeSingleMetric(name);
  return metrics;
}

/** The text of several registries as one: each figure is described once, as the format wants it. */
export async function mergedMetrics(all: readonly Pick<Metrics, "registry">[]): Promise<string> {
  const [first, ...rest] = await Promise.all(all.map(({ registry }) => registry.metrics()));
  if (first === undefined || rest.length === 0) return first ?? "";
  const samples = new Map<string, string[]>();
  for (const block of [first, ...rest].flatMap((text) => text.trimEnd().split("\n\n"))) {
    const [help = "", type = "", ...lines] = block.split("\n");
    const head = `${help}\n${type}`;
    samples.set(head, [...(samples.get(head) ?? []), ...lines]);
  }
  return `${[...samples].map(([head, lines]) => [head, ...lines].join("\n")).join("\n\n")}\n`;
}

/**
 * Sets a gauge from an exact integer. Beyond 2^53 the double is rounded, but what
 * is not zero never becomes zero.
 */
export function setExact<T extends string>(
  gauge: Gauge<T>,
  value: bigint,
  labels: Partial<Record<T, string | number>> = {},
): void {
  gauge.set(labels, Number(value));
}

function httpMetrics(registry: Registry) {
  const registers = [registry];
  return {
    httpRequestDuration: new Histogram({
      name: "anchorbook_http_request_duration_seconds",
      help: "Time from the first byte read to the last byte written, by route template",
      labelNames: ["method", "route", "status"] as const,
      buckets: SECONDS,
      registers,
    }),
    httpRequestsInFlight: new Gauge({
      name: "anchorbook_http_requests_in_flight",
      help: "Requests being answered",
      registers,
    }),
  };
}

function ledgerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    writerBatchUnits: new Histogram({
      name: "anchorbook_writer_batch_units",
      help: "Units of work committed together",
      buckets: COUNTS,
      registers,
    }),
    writerBatchWait: new Histogram({
      name: "anchorbook_writer_batch_wait_seconds",
      help: "Time a unit of work waits for its batch",
      buckets: SECONDS,
      registers,
    }),
    writerBatchDuration: new Histogram({
      name: "anchorbook_writer_batch_duration_seconds",
      help: "Time of one batch from BEGIN to the answer of COMMIT",
      buckets: SECONDS,
      registers,
    }),
    writerQueueDepth: new Gauge({
      name: "anchorbook_writer_queue_depth",
      help: "Units of work waiting for a batch",
      registers,
    }),
    writerRetries: new Counter({
      name: "anchorbook_writer_retries_total",
      help: "Batches run again, by reason",
      labelNames: ["reason"] as const,
      registers,
    }),
    writerRefused: new Counter({
      name: "anchorbook_writer_refused_total",
      help: "Units of work refused because the queue was full",
      registers,
    }),
    journalSize: new Gauge({
      name: "anchorbook_journal_lines",
      help: "Lines in the journal",
      registers,
    }),
    trialBalanceDifference: new Gauge({
      name: "anchorbook_trial_balance_difference",
      help: "Debits minus credits of an asset in base units; anything but 0 means the books are wrong",
      labelNames: ["asset"] as const,
      registers,
    }),
    trialBalanceCheckedAt: unsetGauge(registry, {
      name: "anchorbook_trial_balance_checked_timestamp_seconds",
      help: "When the last full trial balance ended",
    }),
    interLedgerDifference: new Gauge({
      name: "anchorbook_inter_ledger_difference",
      help: "Base units that another ledger credited beyond what was sent to it, or (negative) fell short of; must be 0",
      labelNames: ["to", "asset"] as const,
      registers,
    }),
    interLedgerWaiting: new Gauge({
      name: "anchorbook_inter_ledger_waiting",
      help: "Transfers that another ledger has not decided on yet",
      labelNames: ["to"] as const,
      registers,
    }),
    interLedgerOldestAge: new Gauge({
      name: "anchorbook_inter_ledger_oldest_waiting_seconds",
      help: "Age of the oldest of them",
      labelNames: ["to"] as const,
      registers,
    }),
  };
}

function settlementMetrics(registry: Registry) {
  const registers = [registry];
  return {
    epochLag: unsetGauge(registry, {
      name: "anchorbook_epoch_lag_seconds",
      help: "Age of the newest final epoch while newer journal lines wait; 0 when all is settled",
    }),
    epochLagLines: unsetGauge(registry, {
      name: "anchorbook_epoch_lag_lines",
      help: "Journal lines that no final epoch holds",
    }),
    lastCommitTime: unsetGauge(registry, {
      name: "anchorbook_last_commit_timestamp_seconds",
      help: "Time of the block that holds the newest commit",
    }),
    epochNumber: new Gauge({
      name: "anchorbook_epoch_number",
      help: "Newest epoch that reached a status",
      labelNames: ["status"] as const,
      registers,
    }),
    epochLeavesChanged: new Histogram({
      name: "anchorbook_epoch_leaves_changed",
      help: "Leaves that differ from the epoch before",
      buckets: COUNTS,
      registers,
    }),
    epochGasUsed: new Gauge({
      name: "anchorbook_epoch_gas_used",
      help: "Gas of the newest commit and finalize",
      labelNames: ["call"] as const,
      registers,
    }),
    outboxEpochs: new Gauge({
      name: "anchorbook_outbox_epochs",
      help: "Epochs in the settlement outbox by status; vetoed needs an operator",
      labelNames: ["status"] as const,
      registers,
    }),
    attestationsMissing: unsetGauge(registry, {
      name: "anchorbook_attestations_missing",
      help: "Signatures that the oldest epoch whose challenge window is over lacks to become final",
    }),
    outboxOldestAge: unsetGauge(registry, {
      name: "anchorbook_outbox_oldest_age_seconds",
      help: "Age of the oldest epoch that is not final; 0 when there is none",
    }),
    watcherLagBlocks: unsetGauge(registry, {
      name: "anchorbook_watcher_lag_blocks",
      help: "Blocks of the chain that the watcher has not looked at yet",
    }),
    watcherFinalBlock: unsetGauge(registry, {
      name: "anchorbook_watcher_final_block",
      help: "The newest block whose events count",
    }),
    watcherEvents: new Counter({
      name: "anchorbook_watcher_events_total",
      help: "Contract events that were seen",
      registers,
    }),
    watcherWaiting: unsetGauge(registry, {
      name: "anchorbook_watcher_waiting_events",
      help: "Contract events that were seen and do not count yet",
    }),
    watcherLost: unsetGauge(registry, {
      name: "anchorbook_watcher_lost_events",
      help: "Contract events that were final, have their lines, and are not on the chain any more; must stay 0",
    }),
    watcherMissed: new Counter({
      name: "anchorbook_watcher_missed_total",
      help: "How often a node had left out events of the contracts",
      registers,
    }),
    watcherFailures: new Counter({
      name: "anchorbook_watcher_failures_total",
      help: "Looks at the chain that failed; the next one goes on",
      registers,
    }),
    exitDemandsOpen: unsetGauge(registry, {
      name: "anchorbook_exit_demands_open",
      help: "Demands of owners who leave on-chain that are not served yet",
    }),
    settlementFailures: new Counter({
      name: "anchorbook_settlement_failures_total",
      help: "Failed settlement steps, by stage",
      labelNames: ["stage"] as const,
      registers,
    }),
  };
}

function eventMetrics(registry: Registry) {
  const registers = [registry];
  return {
    eventStreams: new Gauge({
      name: "anchorbook_event_streams",
      help: "Event streams that are open",
      registers,
    }),
    webhookAttempts: new Counter({
      name: "anchorbook_webhook_attempts_total",
      help: "Deliveries tried, by outcome",
      labelNames: ["outcome"] as const,
      registers,
    }),
    webhookDeadLetters: new Counter({
      name: "anchorbook_webhook_dead_letters_total",
      help: "Events that a webhook was given up for; anything above 0 needs a look",
      registers,
    }),
  };
}

function operationsMetrics(registry: Registry) {
  const registers = [registry];
  return {
    counterDrift: unsetGauge(registry, {
      name: "anchorbook_counter_drift",
      help: "Quota counters in Redis that differ from Postgres; anything but 0 that stays needs a look",
    }),
    quotaDecisions: new Counter({
      name: "anchorbook_quota_decisions_total",
      help: "Quota requests by outcome",
      labelNames: ["outcome"] as const,
      registers,
    }),
    quotaGateBypassed: new Counter({
      name: "anchorbook_quota_gate_bypassed_total",
      help: "Quota requests decided without the Redis gate",
      registers,
    }),
    diskFree: unsetGauge(registry, {
      name: "anchorbook_disk_free_bytes",
      help: "Free space where the embedded Postgres keeps its files; absent with a Postgres of your own",
    }),
    writesHalted: unsetGauge(registry, {
      name: "anchorbook_writes_halted",
      help: "1 while writes are refused because the disk is nearly full",
    }),
    dependencyUp: new Gauge({
      name: "anchorbook_dependency_up",
      help: "1 where the last probe of a dependency was good",
      labelNames: ["dependency"] as const,
      registers,
    }),
    jobDuration: new Histogram({
      name: "anchorbook_job_duration_seconds",
      help: "Run time of scheduled jobs",
      labelNames: ["job"] as const,
      buckets: SECONDS,
      registers,
    }),
    jobFailures: new Counter({
      name: "anchorbook_job_failures_total",
      help: "Failed runs of scheduled jobs",
      labelNames: ["job"] as const,
      registers,
    }),
    jobLastSuccess: new Gauge({
      name: "anchorbook_job_last_success_timestamp_seconds",
      help: "When a scheduled job last succeeded",
      labelNames: ["job"] as const,
      registers,
    }),
  };
}

/** prom-client starts a gauge without labels at 0; here 0 must have been measured. */
function unsetGauge(registry: Registry, options: { name: string; help: string }): Gauge {
  const gauge = new Gauge({ ...options, registers: [registry] });
  gauge.remove();
  return gauge;
}
