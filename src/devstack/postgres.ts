/**
 * The embedded Postgres: made by initdb on the first start, then the same data
 * on each later one. Two roles, as in production: one that owns the tables, and
 * the server's, which owns nothing. Listens on 127.0.0.1 alone, with passwords
 * that were made up for this folder.
 *
 * Folder: data/ (the cluster), secrets.json (mode 600), server.log. A folder is
 * built aside and moved into place when complete, so that a first start that
 * was cut off leaves nothing half-made behind.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { Client, escapeIdentifier, escapeLiteral } from "pg";
import type { Log } from "#infra";
import { freePort } from "./free-port.ts";
import { type GuardedProcess, startGuarded } from "./guarded-process.ts";
import { poll } from "./poll.ts";
import { findPostgres, type PostgresBinaries } from "./postgres-binaries.ts";
import { commandLine, isAlive } from "./process-table.ts";

export const POSTGRES_ROLES = {
  admin: "anchorbook_admin",
  owner: "anchorbook_owner",
  app: "anchorbook_app",
} as const;
export type PostgresRole = keyof typeof POSTGRES_ROLES;
export const DATABASE_NAME = "anchorbook";

export interface EmbeddedPostgres {
  readonly port: number;
  /** The postmaster's process id. */
  readonly pid: number;
  /** The server's role on the database `anchorbook`. */
  readonly appUrl: string;
  /** The owner of the tables on the database `anchorbook`. */
  readonly ownerUrl: string;
  readonly exited: Promise<number>;
  url(role: PostgresRole, database: string): string;
  /** A clean stop: ends connections, writes a checkpoint. Safe to call twice. */
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /** Created where missing. */
  folder: string;
  log: Log;
  /** False for tests that need no crash safety: fsync off, much faster. Default true. */
  durable?: boolean;
  /** More `-c name=value` settings; they win over ours. */
  settings?: Readonly<Record<string, string>>;
}

interface Secrets {
  passwords: Record<PostgresRole, string>;
  /** Kept from start to start while it is free. */
  port: number;
}

const MB = 1024 * 1024;

/**
 * An eighth of what there is, from 512 MB to 4 GB; taken only as the database grows. The indexes of ten million lines
 * by account are one gigabyte: with half of that a line read 1.3 pages and took half as much processor time again.
 * @param memory bytes
 */
export function sharedBuffersMb(memory: number): number {
  return Math.min(4_096, Math.max(512, Math.floor(memory / 8 / MB)));
}

/** Chosen for many small durable commits; what differs from Postgres's defaults was measured or is a matter of safety. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  password_encryption: "scram-sha-256",
  max_connections: "200",
  shared_buffers: `${sharedBuffersMb(Math.min(totalmem(), process.constrainedMemory() || totalmem()))}MB`,
  // UUIDv4 ids touch pages all over; with little WAL full-page images come again and again and halve the rate
  max_wal_size: "8GB",
  // lz4 would help, but the packaged binaries are built without it; pglz cost two thirds of the rate
  // (4,700 to 6,500 random inserts/s against 11,600 to 22,500 with none, after a checkpoint)
  wal_compression: "off",
  checkpoint_timeout: "15min",
  random_page_cost: "1.1",
  // compiling a plan costs more than any statement here takes
  jit: "off",
  // a restarted server must not wait for a vanished client's open transaction
  tcp_keepalives_idle: "30",
  timezone: "UTC",
  log_timezone: "UTC",
  log_min_messages: "warning",
  log_line_prefix: "%m [%p] %u@%d ",
  cluster_name: "anchorbook",
};
const NOT_DURABLE: Readonly<Record<string, string>> = {
  fsync: "off",
  full_page_writes: "off",
  shared_buffers: "128MB",
  max_wal_size: "1GB",
  autovacuum_naptime: "5s",
};

const READY_TIMEOUT_MS = 10 * 60_000;
const SLOW_AFTER_MS = 5_000;
const ORPHAN_CLEAN_STOP_MS = 15_000;
const ORPHAN_KILLED_MS = 5_000;

/** @throws Error with the server's last log lines where it does not come up; nothing is left running then */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const folder = resolve(options.folder);
  const binaries = findPostgres(dirname(folder));
  const durable = options.durable ?? true;
  if (!existsSync(join(folder, "secrets.json"))) {
    options.log.info({ folder }, "making the database cluster");
    await createCluster(folder, binaries, durable);
  }
  const data = join(folder, "data");
  await endOrphan(data, options.log);
  const secrets = await choosePort(folder);
  const server = await startGuarded({
    name: "Postgres",
    command: commandFor(binaries, data, {
      ...SETTINGS,
      ...(durable ? {} : NOT_DURABLE),
      ...options.settings,
      port: String(secrets.port),
    }),
    logFile: join(folder, "server.log"),
    stopSignal: "INT",
    cwd: "/",
  });
  const url = (role: PostgresRole, database: string) =>
    `postgresql://${POSTGRES_ROLES[role]}:${secrets.passwords[role]}@127.0.0.1:${secrets.port}/${database}`;
  try {
    await untilReady(server, data, options.log);
    await prepareDatabase(url("admin", "postgres"), secrets);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    port: secrets.port,
    pid: server.pid,
    appUrl: url("app", DATABASE_NAME),
    ownerUrl: url("owner", DATABASE_NAME),
    exited: server.exited,
    url,
    stop: () => server.stop(),
  };
}

async function createCluster(folder: string, binaries: PostgresBinaries, durable: boolean): Promise<void> {
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const data = join(partial, "data");
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const password = () => randomBytes(24).toString("base64url");
  const secrets: Secrets = {
    passwords: { admin: password(), owner: password(), app: password() },
    port: 0,
  };
  const passwordFile = join(data, "..", "password");
  writeFileSync(passwordFile, secrets.passwords.admin, { mode: 0o600 });
  binaries.own(data);
  binaries.own(partial);
  binaries.own(passwordFile);
  const [program = "", ...args] = [
    ...binaries.prefix,
    binaries.initdb,
    ...[`--pgdata=${data}`, `--username=${POSTGRES_ROLES.admin}`, `--pwfile=${passwordFile}`],
    ...["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
    ...["--locale=C", ...(durable ? [] : ["--no-sync"])],
  ];
  try {
    await promisify(execFile)(program, args, { cwd: "/", env: { ...process.env, LC_ALL: "C" } });
  } catch (error) {
    const detail = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
    throw new Error(`The database cluster could not be made in ${partial}:\n${detail}`, { cause: error });
  }
  rmSync(passwordFile);
  writeSecrets(partial, secrets);
  // only an interrupted copy or a folder emptied by hand can be in the way: without secrets nobody can use it
  if (existsSync(join(folder, "data")))
    throw new Error(
      `${folder} holds a database but its secrets.json is gone; put it back, or move the folder away`,
    );
  rmSync(folder, { recursive: true, force: true });
  renameSync(partial, folder);
}

async function choosePort(folder: string): Promise<Secrets> {
  const secrets: Secrets = JSON.parse(readFileSync(join(folder, "secrets.json"), "utf8"));
  const port = await freePort(secrets.port === 0 ? undefined : secrets.port);
  if (port === secrets.port) return secrets;
  const changed = { ...secrets, port };
  writeSecrets(folder, changed);
  return changed;
}

function writeSecrets(folder: string, secrets: Secrets): void {
  const path = join(folder, "secrets.json");
  writeFileSync(`${path}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function commandFor(
  binaries: PostgresBinaries,
  data: string,
  settings: Readonly<Record<string, string>>,
): [string, ...string[]] {
  const parameters = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const [program, ...args] = [...binaries.prefix, binaries.postgres, "-D", data, ...parameters];
  return [program ?? binaries.postgres, ...args];
}

/**
 * A server whose parent was killed stops by itself, but may still write its
 * last checkpoint. Our caller holds the lock on the folder, so whoever runs on
 * it now is such a leftover; a stale pid file that names a stranger is removed.
 */
async function endOrphan(data: string, log: Log): Promise<void> {
  const pidFile = join(data, "postmaster.pid");
  if (!existsSync(pidFile)) return;
  const pid = Number.parseInt(readFileSync(pidFile, "utf8"), 10);
  const ours = () => isAlive(pid) && commandLine(pid).includes(data);
  const gone = () => (ours() ? undefined : true);
  if (ours()) {
    log.warn({ pid }, "a Postgres of an earlier run is still stopping; waiting for it");
    signal(pid, "SIGINT");
    if (!(await poll(gone, ORPHAN_CLEAN_STOP_MS))) signal(pid, "SIGKILL");
    if (!(await poll(gone, ORPHAN_KILLED_MS)))
      throw new Error(
        `Postgres process ${pid} of an earlier run does not end; end it by hand and start again`,
      );
  }
  rmSync(pidFile, { force: true });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // gone meanwhile
  }
}

/** The postmaster writes its state as the eighth line of its pid file. */
async function untilReady(server: GuardedProcess, data: string, log: Log): Promise<void> {
  const pidFile = join(data, "postmaster.pid");
  const slow = setInterval(
    () => log.info({ pid: server.pid }, "Postgres is still starting (after a crash it reads its log again)"),
    SLOW_AFTER_MS,
  );
  try {
    const state = await poll(() => {
      if (!server.running) return "exited";
      return existsSync(pidFile) && /^ready/m.test(readFileSync(pidFile, "utf8")) ? "ready" : undefined;
    }, READY_TIMEOUT_MS);
    if (state !== "ready")
      throw new Error(`Postgres did not start (${state ?? "timeout"}). It said:\n${server.logTail()}`);
  } finally {
    clearInterval(slow);
  }
}

/** Can be cut off anywhere and run again. */
async function prepareDatabase(adminUrl: string, secrets: Secrets): Promise<void> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    for (const role of ["owner", "app"] as const) {
      const name = POSTGRES_ROLES[role];
      const known = await client.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [name]);
      if (known.rowCount === 0)
        await client.query(
          `CREATE ROLE ${escapeIdentifier(name)} LOGIN PASSWORD ${escapeLiteral(secrets.passwords[role])}`,
        );
    }
    const database = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [DATABASE_NAME]);
    if (database.rowCount === 0)
      await client.query(
        `CREATE DATABASE ${escapeIdentifier(DATABASE_NAME)} OWNER ${escapeIdentifier(POSTGRES_ROLES.owner)}`,
      );
  } finally {
    await client.end();
  }
}
