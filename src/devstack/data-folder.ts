/**
 * The lock on a data folder: one start at a time. It names its holder by process
 * id and start time, so that a lock left by a killed process, or one whose number
 * somebody else has now, is taken over, and a living holder is named in the refusal.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { processIdentity } from "./process-table.ts";

export interface DataFolder {
  readonly path: string;
  /** Lets the next start in. Safe to call twice. */
  release(): void;
}

/** Another process uses the folder. */
export class DataFolderInUse extends Error {
  readonly pid: number;

  constructor(path: string, pid: number) {
    super(
      `${path} is in use by another Anchorbook (process ${pid}). Stop that one first (kill ${pid}), or start this one with another DATA_DIR and PORT.`,
    );
    this.name = "DataFolderInUse";
    this.pid = pid;
  }
}

interface Holder {
  pid: number;
  identity: string;
}

const ATTEMPTS = 5;

/** @throws DataFolderInUse */
export function lockDataFolder(path: string): DataFolder {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const file = join(path, "lock");
  const own = `${file}.${process.pid}`;
  const me: Holder = { pid: process.pid, identity: processIdentity(process.pid) ?? "" };
  writeFileSync(own, JSON.stringify(me), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (claim(own, file)) return { path, release: () => release(file, me) };
      const holder = readHolder(file);
      if (holder && processIdentity(holder.pid) === holder.identity)
        throw new DataFolderInUse(path, holder.pid);
      removeStale(file, holder);
    }
    throw new Error(`${file} changes hands all the time; try again`);
  } finally {
    rmSync(own, { force: true });
  }
}

/** A hard link appears whole or not at all, and fails where the name is taken. */
function claim(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

function readHolder(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** Two starts may find the same stale lock; the one whose rename comes second must not remove the other's new one. */
function removeStale(file: string, seen: Holder | undefined): void {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  const taken = readHolder(aside);
  if (taken && (taken.pid !== seen?.pid || taken.identity !== seen.identity)) claim(aside, file);
  rmSync(aside, { force: true });
}

function release(file: string, me: Holder): void {
  const holder = readHolder(file);
  if (holder?.pid === me.pid && holder.identity === me.identity) rmSync(file, { force: true });
}
