import { describe, expect, it } from "vitest";
import { createMetrics, silentLog } from "#infra";
import { createSchedule, type Job } from "#jobs";
import { systemClock } from "#kernel";

const DAY = 86_400;

function scheduleOf(jobs: readonly Job[]) {
  const metrics = createMetrics();
  return { metrics, schedule: createSchedule(jobs, { clock: systemClock, log: silentLog(), metrics }) };
}

describe("a clock that is moved", () => {
  it("runs what became due, once each, in the order of the list", async () => {
    const ran: string[] = [];
    const job = (name: string, cron: string): Job => ({ name, cron, run: async () => ran.push(name) });
    const { schedule } = scheduleOf([
      job("seconds", "*/10 * * * * *"),
      job("five", "*/5 * * * *"),
      job("daily", "0 3 * * *"),
    ]);
    const midnight = 20_000 * DAY;
    await schedule.runDue(midnight, midnight + 9);
    expect(ran).toEqual([]);
    await schedule.runDue(midnight, midnight + 10);
    expect(ran.splice(0)).toEqual(["seconds"]);
    await schedule.runDue(midnight + 1, midnight + 300);
    expect(ran.splice(0)).toEqual(["seconds", "five"]);
    await schedule.runDue(midnight, midnight + 3 * 3600);
    expect(ran.splice(0)).toEqual(["seconds", "five", "daily"]);
    await schedule.runDue(midnight, midnight + 400 * DAY);
    expect(ran).toEqual(["seconds", "five", "daily"]);
  });
});

describe("a job", () => {
  it("that fails is counted and stops nothing", async () => {
    let ran = 0;
    const { schedule, metrics } = scheduleOf([
      { name: "bad", cron: "* * * * * *", run: () => Promise.reject(new Error("no")) },
      { name: "good", cron: "* * * * * *", run: async () => ran++ },
    ]);
    await schedule.runDue(0, 1);
    expect(ran).toBe(1);
    const text = await metrics.registry.metrics();
    expect(text).toMatch(/anchorbook_job_failures_total\{job="bad"\} 1/);
    expect(text).toMatch(/anchorbook_job_last_success_timestamp_seconds\{job="good"\}/);
  });

  it("runs by itself, never twice at a time, and is waited for at the end", async () => {
    let atOnce = 0;
    let most = 0;
    let ended = 0;
    let begun: (() => void) | undefined;
    const first = new Promise<void>((resolve) => {
      begun = resolve;
    });
    let release: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { schedule } = scheduleOf([
      {
        name: "slow",
        cron: "* * * * * *",
        run: async () => {
          atOnce++;
          most = Math.max(most, atOnce);
          begun?.();
          await gate;
          atOnce--;
          ended++;
        },
      },
    ]);
    schedule.start();
    await first;
    const due = schedule.runDue(0, 1);
    const stopped = schedule.stop();
    expect(ended).toBe(0);
    release?.();
    await Promise.all([due, stopped]);
    expect(most).toBe(1);
    expect(ended).toBeGreaterThanOrEqual(2);
  });
});
