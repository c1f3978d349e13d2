/**
 * The servers of one run, in a temporary folder, on 127.0.0.1 and free ports:
 * Postgres as durable as in production, Redis where it is installed, a chain.
 * Each is started when a benchmark first asks for it, and all are stopped and
 * the folder removed at the end, also when a benchmark failed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type EmbeddedPostgres,
  type EmbeddedRedis,
  findRedis,
  POSTGRES_ROLES,
  startPostgres,
  startRedis,
} from "#devstack";
import { createClient, createLog, type Log } from "#infra";
import { migrate } from "../src/migrate.ts";

export const BENCH_SCHEMA = "ledger";

export interface BenchDatabase {
  readonly appUrl: string;
  readonly ownerUrl: string;
  readonly schema: string;
  /** Gives the disk back. */
  drop(): Promise<void>;
}

export interface BenchStack {
  readonly folder: string;
  /** Warnings of what is started here; nothing below. */
  readonly serverLog: Log;
  postgres(): Promise<EmbeddedPostgres>;
  /** `null` where none is installed. */
  redis(): Promise<EmbeddedRedis | null>;
  /** A fresh database with every migration. */
  ledgerDatabase(): Promise<BenchDatabase>;
  /** A fresh and empty database, for a baseline. */
  emptyDatabase(): Promise<BenchDatabase>;
  /** Stopped with the stack, before the servers. */
  defer(stop: () => Promise<void> | void): void;
  /** Safe to call twice. */
  stop(): Promise<void>;
}

export function createBenchStack(): BenchStack {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-bench-"));
  const serverLog = createLog("warn");
  const deferred: (() => Promise<void> | void)[] = [];
  let postgres: Promise<EmbeddedPostgres> | undefined;
  let redis: Promise<EmbeddedRedis | null> | undefined;
  let databases = 0;

  const stack: BenchStack = {
    folder,
    serverLog,
    postgres: () => {
      postgres ??= startPostgres({ folder: join(folder, "postgres"), log: serverLog });
      return postgres;
    },
    redis: () => {
      redis ??= findRedis() ? startRedis({ logFile: join(folder, "redis.log") }) : Promise.resolve(null);
      return redis;
    },
    async emptyDatabase() {
      databases += 1;
      return createDatabase(await stack.postgres(), `bench_${databases}`);
    },
    async ledgerDatabase() {
      const database = await stack.emptyDatabase();
      await migrate(database, serverLog);
      return database;
    },
    defer: (stop) => {
      deferred.push(stop);
    },
    async stop() {
      try {
        for (const stop of deferred.splice(0).toReversed()) await stop();
      } finally {
        await (await redis?.catch(() => null))?.stop();
        await (await postgres?.catch(() => null))?.stop();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
  return stack;
}

async function createDatabase(postgres: EmbeddedPostgres, name: string): Promise<BenchDatabase> {
  const asAdmin = async (statement: string) => {
    const client = createClient({ url: postgres.url("admin", "postgres"), applicationName: "bench" });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  await asAdmin(`CREATE DATABASE ${name} OWNER ${POSTGRES_ROLES.owner}`);
  return {
    appUrl: postgres.url("app", name),
    ownerUrl: postgres.url("owner", name),
    schema: BENCH_SCHEMA,
    drop: () => asAdmin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}
