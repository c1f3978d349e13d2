/**
 * What a virtual machine's host took away: time in which something was ready to
 * run here and the host ran others. More of it is seen where more is ready to
 * run, so what is to be compared is compared within the same turn.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Linux tells them in hundredths of a second. */
const MS_A_TICK = 10;
/** Of the first line of /proc/stat, behind the name. */
const STOLEN = 7;

/** @returns tells the share of all processors' time that was stolen since; 0 where the system does not tell */
export function watchStolenTime(): () => number {
  const stolenBefore = stolenMs();
  const started = performance.now();
  return () => (stolenMs() - stolenBefore) / ((performance.now() - started) * availableParallelism());
}

function stolenMs(): number {
  try {
    const [all = ""] = readFileSync("/proc/stat", "latin1").split("\n", 1);
    return MS_A_TICK * Number(all.trim().split(/ +/)[1 + STOLEN] ?? 0);
  } catch {
    return 0;
  }
}
