/** Processor time, which other work on the machine changes far less than the clock: of this process, and of others on Linux. */
import { readFileSync } from "node:fs";

/** Linux tells times of processes in hundredths of a second. */
const MS_A_TICK = 10;
/** Of /proc/PID/stat behind the name, which may hold spaces: user time and system time. */
const USER_TIME = 11;
const SYSTEM_TIME = 12;

export interface CpuTime {
  readonly ownMs: number;
  /** 0 where the system does not tell. */
  readonly othersMs: number;
}

/** @param pids of other processes */
export function cpuTime(pids: readonly number[]): CpuTime {
  const { user, system } = process.cpuUsage();
  return { ownMs: (user + system) / 1000, othersMs: pids.reduce((total, pid) => total + timeOf(pid), 0) };
}

function timeOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return MS_A_TICK * (Number(fields[USER_TIME]) + Number(fields[SYSTEM_TIME]));
  } catch {
    return 0;
  }
}
