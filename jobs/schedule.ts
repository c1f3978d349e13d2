/**
 * The schedule: jobs by cron expressions in UTC. A job never overlaps itself,
 * what it throws is logged and counted and does not stop the schedule, and it
 * runs on wall time. Where a test clock moves ledger time, `runDue` runs what
 * became due in between, once each.
 */
import { createTask, type ScheduledTask } from "node-cron";
import type { Log, Metrics } from "#infra";
import type { Clock, UnixSeconds } from "#kernel";

export interface Job {
  readonly name: string;
  /** Five or six fields, UTC. */
  readonly cron: string;
  run(): Promise<unknown>;
}

export interface Schedule {
  start(): void;
  /**
   * For a clock that was moved: runs each job with a time in (from, until] once, in the order of the list, and
   * answers when they have ended.
   */
  runDue(from: UnixSeconds, until: UnixSeconds): Promise<void>;
  /** Ends the schedule; answers when no job is running. */
  stop(): Promise<void>;
}

export interface ScheduleDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function createSchedule(jobs: readonly Job[], deps: ScheduleDeps): Schedule {
  const running = new Map<string, Promise<void>>();
  let tasks: ScheduledTask[] = [];
  const once = (job: Job): Promise<void> => {
    const current = running.get(job.name);
    if (current) return current;
    const run = observed(job, deps).finally(() => running.delete(job.name));
    running.set(job.name, run);
    return run;
  };
  return {
    start() {
      tasks = jobs.map((job) =>
        createTask(job.cron, () => once(job), { name: job.name, timezone: "Etc/UTC", noOverlap: true }),
      );
      for (const task of tasks) void task.start();
    },
    async runDue(from, until) {
      for (const job of jobs) {
        if (!isDue(job, from, until)) continue;
        // One that is running began before the clock was moved.
        await running.get(job.name);
        await once(job);
      }
    },
    async stop() {
      for (const task of tasks) await task.destroy();
      tasks = [];
      await Promise.all(running.values());
    },
  };
}

/** A time that is looked for second by second; whoever moves a clock further has every job run. */
const LONGEST_SEARCH_SECONDS = 2 * 86_400;

function isDue(job: Job, from: UnixSeconds, until: UnixSeconds): boolean {
  if (until - from > LONGEST_SEARCH_SECONDS) return true;
  const task = createTask(job.cron, () => {}, { timezone: "Etc/UTC" });
  try {
    for (let second = from + 1; second <= until; second++)
      if (task.match(new Date(second * 1000))) return true;
    return false;
  } finally {
    void task.destroy();
  }
}

/** Never rejects. */
async function observed(job: Job, { clock, log, metrics }: ScheduleDeps): Promise<void> {
  const started = clock.nowMs();
  try {
    await job.run();
    metrics.jobLastSuccess.set({ job: job.name }, clock.nowMs() / 1000);
  } catch (error) {
    metrics.jobFailures.inc({ job: job.name });
    log.error({ err: error, job: job.name }, "a job failed; its next run tries again");
  } finally {
    metrics.jobDuration.observe({ job: job.name }, (clock.nowMs() - started) / 1000);
  }
}
