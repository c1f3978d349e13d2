/** Whether the schedule of settlements fits a book's challenge window; asked at the start, when it can still be changed. */
import type { DeploymentRecord } from "#infra";
import { shortestInterval } from "#jobs";
import { MOST_WAITING, shortestIntervalSeconds } from "#settlement";

export class SettlesTooOften extends Error {
  constructor(settleCron: string, intervalSeconds: number, windowSeconds: number) {
    const least = shortestIntervalSeconds(windowSeconds);
    super(
      `SETTLE_CRON "${settleCron}" settles every ${intervalSeconds} s, but epochs of this book wait ${windowSeconds} s for their challenge window, and only ${MOST_WAITING} may wait: settle every ${least} s or more seldom, such as "*/${Math.ceil(least / 60)} * * * *"`,
    );
    this.name = "SettlesTooOften";
  }
}

/** @throws SettlesTooOften */
export function assertSettleInterval(settleCron: string, record: DeploymentRecord | null): void {
  const windowSeconds = record?.challenge_window_seconds ?? 0;
  const interval = shortestInterval(settleCron);
  if (interval !== null && interval < shortestIntervalSeconds(windowSeconds))
    throw new SettlesTooOften(settleCron, interval, windowSeconds);
}
