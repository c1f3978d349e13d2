/**
 * The real pgbench, where one is installed: on the tables that the
 * re-implementation fills, which are pgbench's own.
 */
import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import type { LoopOptions } from "../load.ts";
import type { BenchDatabase } from "../stack.ts";

const run = promisify(execFile);
const MS_PER_SECOND = 1_000;

export interface PgbenchReport {
  readonly perSecond: number;
  /** "pgbench (PostgreSQL) 16.1" */
  readonly version: string;
}

/** @returns null where there is none, or none that speaks with this Postgres */
export async function runPgbench(
  database: BenchDatabase,
  { clients, durationMs }: LoopOptions,
): Promise<PgbenchReport | null> {
  const { hostname, port, username, password, pathname } = new URL(database.ownerUrl);
  const seconds = Math.max(1, Math.round(durationMs / MS_PER_SECOND));
  const args = [
    ...["--no-vacuum", "--protocol=prepared", `--client=${clients}`, `--time=${seconds}`],
    `--jobs=${Math.min(clients, availableParallelism())}`,
    ...[`--host=${hostname}`, `--port=${port}`, `--username=${username}`, pathname.slice(1)],
  ];
  try {
    const version = (await run("pgbench", ["--version"])).stdout.trim();
    const { stdout } = await run("pgbench", args, { env: { ...process.env, PGPASSWORD: password } });
    const perSecond = Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1]);
    return perSecond > 0 ? { perSecond, version } : null;
  } catch {
    return null;
  }
}
