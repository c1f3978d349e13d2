/** Files that the command line names. One that cannot be read is a command used wrongly; one that cannot be written is work not done. */
import { existsSync } from "node:fs";
import { access, constants, readFile, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { UsageError } from "./command.ts";
import { explainError } from "./explain-error.ts";

/** @param path or `-` for standard input @throws UsageError */
export async function readInput(path: string): Promise<string> {
  try {
    return await readFile(path === "-" ? "/dev/stdin" : path, "utf8");
  } catch (error) {
    // The system names no file where it is the reading that it refuses.
    const isFolder = (error as NodeJS.ErrnoException).code === "EISDIR";
    throw new UsageError(isFolder ? isAFolder(path) : explainError(error), { cause: error });
  }
}

function isAFolder(path: string): string {
  return `${path} is a folder, and a file is needed`;
}

/** For who reads it piece by piece later. @throws UsageError */
export async function requireInput(path: string): Promise<void> {
  try {
    await access(path, constants.R_OK);
  } catch (error) {
    throw new UsageError(explainError(error), { cause: error });
  }
  if ((await stat(path)).isDirectory()) throw new UsageError(isAFolder(path));
}

/** @throws Error that names the file and says why not */
export async function writeOutput(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const folder = dirname(path);
    if (code === "ENOENT" && !existsSync(folder))
      throw new Error(`${path} cannot be written: there is no folder ${folder}`, { cause: error });
    const reasons: Readonly<Record<string, string>> = {
      // In folders that only look like ones, as /proc, the system says that there is no such file.
      ENOENT: `no file can be made in ${folder}`,
      EISDIR: "it is a folder, and a file is needed",
      ENOTDIR: `${folder} is no folder`,
      EACCES: "this user may not write there",
    };
    const why = reasons[code ?? ""] ?? message.replace(/, open '.*$/s, "");
    throw new Error(`${path} cannot be written: ${why}`, { cause: error });
  }
}
