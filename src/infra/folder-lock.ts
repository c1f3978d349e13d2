/**
 * One process at a time works in a folder. The operating system keeps the lock, on a file that the process holds open, and
 * lets go of it when the process ends, however it ends; so it holds between containers that share a volume, where process
 * ids say nothing, and nothing is ever taken over. Node itself has no such lock: SQLite, which is part of it, takes one for
 * an exclusive transaction. The file stays where it is, for who removed it could remove the lock of the next one.
 */
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { FolderRefused, makeFolder } from "./make-folder.ts";

export interface FolderLock {
  /** Lets the next one in. Safe to call twice. */
  release(): void;
}

/** Another process works in the folder. */
export class FolderInUse extends Error {
  /** @param by the other one, where it could still be read */
  constructor(folder: string, by: string) {
    super(
      `${folder} is in use by another Anchorbook (${by}). Stop that one first, or start this one with another folder.`,
    );
    this.name = "FolderInUse";
  }
}

const LOCK = "folder.lock";
/** Who holds it: for people alone, nothing is decided by it. */
const HOLDER = "folder.lock.json";
const SQLITE_BUSY = 5;
const SQLITE_NOTADB = 26;
/** Two that begin at once can each keep the other from the lock for a moment; both ask again then, and one gets it. */
const ASKED_FOR_MS = 500;

/** A connection that nobody refers to is collected, and its lock is gone with it: held until it is released, whoever forgets it. */
const held = new Set<DatabaseSync>();

/**
 * Makes the folder where there is none.
 * @throws FolderInUse; FolderRefused where the folder cannot be made or written to, or its file system has no locks
 */
export function lockFolder(folder: string): FolderLock {
  makeFolder(resolve(folder), 0o700);
  const holder = join(folder, HOLDER);
  const database = take(folder);
  held.add(database);
  writeFileSync(holder, JSON.stringify({ pid: process.pid, host: hostname() }), { mode: 0o600 });
  return {
    release() {
      if (!database.isOpen) return;
      rmSync(holder, { force: true });
      database.close();
      held.delete(database);
    },
  };
}

function take(folder: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(folder, LOCK), { timeout: ASKED_FOR_MS });
    // In memory, so that the lock is one file. The version is never committed: without it SQLite would take a file that can
    // only be read, and lock nothing.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE; PRAGMA user_version = 0");
    return database;
  } catch (error) {
    database?.close();
    if (isBusy(error)) throw new FolderInUse(folder, holderOf(folder));
    requireWritable(folder);
    const why =
      errcodeOf(error) === SQLITE_NOTADB
        ? `${join(folder, LOCK)} is no lock of Anchorbook's; remove it, or name another folder`
        : `its file system must have locks (${String(error)}); name another folder`;
    throw new FolderRefused(`${folder} cannot be locked: ${why}`, { cause: error });
  }
}

/**
 * SQLite says of each reason that it cannot open the file. Not for a file that may be locked from here: whoever closes one
 * lets go of all locks that the process has on it.
 */
function requireWritable(folder: string): void {
  try {
    closeSync(openSync(join(folder, LOCK), "a"));
  } catch (cause) {
    const { code = "", message } = cause as NodeJS.ErrnoException;
    const why = REASONS[code] ?? `${message.replace(/, open '.*$/s, "")}; name another folder`;
    throw new FolderRefused(`nothing can be written in the folder ${folder}: ${why}`, { cause });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "this user may not; name another folder, or let the user write to it",
  EROFS: "its file system can only be read; name another folder",
  ENOENT: "the system lets nobody make a file there; name another folder",
  EISDIR: `${LOCK} in it is a folder; remove that, or name another folder`,
  ENOSPC: "its disk is full; make room, or name another folder",
};

function errcodeOf(error: unknown): unknown {
  return error instanceof Error && "errcode" in error ? error.errcode : undefined;
}

function isBusy(error: unknown): boolean {
  return errcodeOf(error) === SQLITE_BUSY;
}

function holderOf(folder: string): string {
  try {
    const { pid, host }: { pid: number; host: string } = JSON.parse(
      readFileSync(join(folder, HOLDER), "utf8"),
    );
    return `process ${pid}${host === hostname() ? "" : ` on ${host}`}`;
  } catch {
    return "a process that has only begun";
  }
}
