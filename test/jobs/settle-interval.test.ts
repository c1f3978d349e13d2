import { describe, expect, it } from "vitest";
import type { DeploymentRecord } from "#infra";
import { shortestInterval } from "#jobs";
import { assertSettleInterval } from "../../src/settle-interval.ts";

describe("how often a cron expression is due", () => {
  it.each([
    ["*/5 * * * *", 300],
    ["* * * * *", 60],
    ["*/10 * * * * *", 10],
    ["0,50 * * * *", 600],
    ["0 3 * * *", 86_400],
    ["0 9-17 * * 1-5", 3_600],
  ])("%s: every %i s where it is most often", (cron, seconds) => {
    expect(shortestInterval(cron)).toBe(seconds);
  });
});

describe("a schedule and a challenge window", () => {
  const book = (windowSeconds?: number) =>
    ({ ...(windowSeconds !== undefined && { challenge_window_seconds: windowSeconds }) }) as DeploymentRecord;

  it.each([
    ["*/5 * * * *", 86_400],
    ["*/10 * * * *", 259_200],
    ["* * * * * *", 0],
    ["* * * * * *", 512],
    ["* * * * * *", undefined],
  ])("%s fits %s s", (cron, window) => {
    expect(() => assertSettleInterval(cron, book(window))).not.toThrow();
  });

  it.each([
    ["*/5 * * * *", 259_200, '"*/9 * * * *"'],
    ["*/2 * * * *", 86_400, "169 s"],
    ["* * * * * *", 513, "settles every 1 s"],
  ])("%s does not fit %i s, and the message says what would", (cron, window, said) => {
    expect(() => assertSettleInterval(cron, book(window))).toThrow(said);
  });

  it("where nothing is settled anything fits", () => {
    expect(() => assertSettleInterval("* * * * * *", null)).not.toThrow();
  });
});
