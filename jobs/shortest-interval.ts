/** How often a cron expression is due, where it is due most often. */
import { createTask } from "node-cron";

/** Enough to see a day of any expression that is due at most every five minutes, and any shorter interval at once. */
const LOOKED_AT = 300;

/** Seconds between two times that follow each other, the shortest that is seen; null where it is due once at most. */
export function shortestInterval(cron: string): number | null {
  const task = createTask(cron, () => {}, { timezone: "Etc/UTC" });
  try {
    const times = task.getNextRuns(LOOKED_AT).map((time) => time.getTime());
    const gaps = times.slice(1).map((time, place) => time - (times[place] ?? time));
    return gaps.length === 0 ? null : Math.min(...gaps) / 1000;
  } finally {
    void task.destroy();
  }
}
