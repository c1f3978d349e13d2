/** Figures of HTTP, quotas, the disk, jobs, what the process depends on, event streams and webhooks. */
import type { Registry } from "prom-client";
import { figuresIn, SECONDS } from "./figures.ts";

export function operationsMetrics(registry: Registry) {
  const { counter, gauge, histogram, unset } = figuresIn(registry);
  return {
    /** `route` is the template, never a path with ids in it. */
    httpRequestDuration: histogram(
      "anchorbook_http_request_duration_seconds",
      "Time from the first byte read to the last byte written, by route template",
      SECONDS,
      ["method", "route", "status"],
    ),
    httpRequestsInFlight: gauge("anchorbook_http_requests_in_flight", "Requests being answered"),
    /** Counters in Redis that differ from `usage` in Postgres, at the last comparison. */
    counterDrift: unset(
      "anchorbook_counter_drift",
      "Quota counters in Redis that differ from Postgres; anything but 0 that stays needs a look",
    ),
    quotaDecisions: counter("anchorbook_quota_decisions_total", "Quota requests by outcome", ["outcome"]),
    quotaGateBypassed: counter(
      "anchorbook_quota_gate_bypassed_total",
      "Quota requests decided without the Redis gate",
    ),
    diskFree: unset(
      "anchorbook_disk_free_bytes",
      "Free space where the embedded Postgres keeps its files; absent with a Postgres of your own",
    ),
    writesHalted: unset(
      "anchorbook_writes_halted",
      "1 while writes are refused because the disk is nearly full",
    ),
    /** 1 where the last probe of `database`, `migrations`, `counters`, `chain` … was good, else 0. */
    dependencyUp: gauge("anchorbook_dependency_up", "1 where the last probe of a dependency was good", [
      "dependency",
    ]),
    jobDuration: histogram("anchorbook_job_duration_seconds", "Run time of scheduled jobs", SECONDS, ["job"]),
    jobFailures: counter("anchorbook_job_failures_total", "Failed runs of scheduled jobs", ["job"]),
    jobLastSuccess: gauge(
      "anchorbook_job_last_success_timestamp_seconds",
      "When a scheduled job last succeeded",
      ["job"],
    ),
    eventStreams: gauge("anchorbook_event_streams", "Event streams that are open"),
    /** By outcome: `delivered`, `refused` (answered, not taken), `unreachable`, `stopped`. */
    webhookAttempts: counter("anchorbook_webhook_attempts_total", "Deliveries tried, by outcome", [
      "outcome",
    ]),
    webhookDeadLetters: counter(
      "anchorbook_webhook_dead_letters_total",
      "Events that a webhook was given up for; anything above 0 needs a look",
    ),
  };
}
