/**
 * Folders that somebody named in a setting or on the command line. Node's own recursive mkdir tries for ever where the topmost
 * of them cannot be made and is missing all the same, as below /proc.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** A folder that somebody named is of no use; the message says why, and what to do. */
export class FolderRefused extends Error {}

/**
 * Makes a folder and those above it; nothing is done where it is there.
 * @param folder absolute
 * @param mode of those that are made
 * @throws FolderRefused, which says which of them cannot be made, and why
 */
export function makeFolder(folder: string, mode = 0o777): void {
  if (isFolder(folder)) return;
  const above = dirname(folder);
  if (above !== folder) makeFolder(above, mode);
  try {
    mkdirSync(folder, { mode });
  } catch (cause) {
    // Somebody else may have made it meanwhile.
    if (!isFolder(folder))
      throw new FolderRefused(`no folder can be made at ${folder}: ${reasonOf(cause)}`, { cause });
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: "there is a file of that name; name another folder",
  EACCES: "this user may not make one there; name another folder, or let the user write to the one above it",
  EROFS: "nothing can be written there; name another folder",
  ENOENT: "the system lets nobody make one there; name another folder",
};

/** Otherwise in the system's words, without the call and the path behind the comma. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code = "", message } = cause as NodeJS.ErrnoException;
  return REASONS[code] ?? message.replace(/, mkdir '.*$/s, "");
}
