/** What the operating system says of a process: whether it lives, when it began, what it runs. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const HAS_PROC = existsSync("/proc/self/stat");
/** Fields of /proc/<pid>/stat are counted from 1; the name, which may hold spaces, ends with the last ")". */
const START_TIME_FIELD = 22;
const FIELDS_BEFORE_REST = 3;

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/**
 * A text that tells a process from a later one with the same number: its start
 * time and the boot it belongs to. `undefined` where there is no such process.
 */
export function processIdentity(pid: number): string | undefined {
  if (!isAlive(pid)) return undefined;
  try {
    if (!HAS_PROC)
      return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const rest = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (rest[0] === "Z") return undefined;
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}:${rest[START_TIME_FIELD - FIELDS_BEFORE_REST]}`;
  } catch {
    return undefined;
  }
}

/** Command and arguments as one text; empty where it cannot be known. */
export function commandLine(pid: number): string {
  try {
    if (!HAS_PROC)
      return execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" }).trim();
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}
