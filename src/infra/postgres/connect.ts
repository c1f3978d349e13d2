/**
 * Clients and pools. A ledger is a Postgres schema, so a connection is opened
 * for a schema: its search_path names it and no statement does. Temporary
 * objects come last, so that none can stand in for a ledger's table.
 */
import { Client, type ClientConfig, escapeIdentifier, Pool } from "pg";
import type { Log } from "../log.ts";
import { PreparingClient } from "./preparing-client.ts";
import { postgresTypes } from "./types.ts";

export interface ConnectionOptions {
  url: string;
  /** The ledger's schema. Absent: the role's own search_path. */
  schema?: string;
  /** Shown in pg_stat_activity; names who holds a lock. */
  applicationName: string;
  /** How long a statement waits for a lock before it fails with 55P03. Default 5,000. */
  lockTimeoutMs?: number;
  /** How long an open transaction may do nothing before the server ends it. Default 2,000; one stalled holder must not stop everyone. */
  idleInTransactionTimeoutMs?: number;
  /** Absent: no limit. */
  statementTimeoutMs?: number;
  /** For what may be lost in a crash of Postgres and is then done again: commits do not wait for the disk. */
  synchronousCommit?: "off";
}

const CONNECT_TIMEOUT_MS = 5_000;
const LOCK_TIMEOUT_MS = 5_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 2_000;
const KEEP_ALIVE_AFTER_MS = 10_000;
const IDLE_CONNECTION_MS = 30_000;

/**
 * The configuration of pg for one connection; also what TypeORM gets as `extra`.
 * A schema's name is quoted, so it may be any name.
 */
export function connectionConfig(options: ConnectionOptions): ClientConfig {
  const parameters: [string, string | number | undefined][] = [
    ["search_path", options.schema && `${escapeIdentifier(options.schema)},pg_temp`],
    ["lock_timeout", options.lockTimeoutMs ?? LOCK_TIMEOUT_MS],
    [
      "idle_in_transaction_session_timeout",
      options.idleInTransactionTimeoutMs ?? IDLE_IN_TRANSACTION_TIMEOUT_MS,
    ],
    ["statement_timeout", options.statementTimeoutMs],
    ["synchronous_commit", options.synchronousCommit],
    ["jit", "off"],
    ["TimeZone", "UTC"],
  ];
  return {
    connectionString: options.url,
    application_name: options.applicationName,
    types: postgresTypes,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    options: parameters
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `-c ${name}=${escapeOption(String(value))}`)
      .join(" "),
  };
}

/** Not connected yet. A statement is sent before the one before it is answered; they are done in order. */
export function createClient(options: ConnectionOptions): Client {
  return new Client({ ...connectionConfig(options), pipeline: true });
}

export interface PoolOptions extends ConnectionOptions {
  readonly max: number;
  readonly log: Log;
  /** Statements with parameters are planned once a connection; for a fixed set of texts alone. */
  readonly prepare?: boolean;
}

/**
 * A pool for reads and small writes. A connection that breaks while nobody uses
 * it is logged and replaced; one that breaks in use rejects its statement, and
 * one that breaks between two statements of whoever holds it rejects the next.
 * Whoever holds one may send the next statement before the last is answered, as
 * with a client.
 */
export function createPool(options: PoolOptions): Pool {
  const pool = new Pool({
    ...connectionConfig(options),
    ...(options.prepare && { Client: PreparingClient }),
    pipeline: true,
    max: options.max,
    idleTimeoutMillis: IDLE_CONNECTION_MS,
    allowExitOnIdle: false,
  });
  pool.on("error", (error) => options.log.warn({ err: error }, "an idle database connection was lost"));
  // While somebody holds it and waits for something else, nobody else listens, and an error that nobody hears ends the process.
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

/** Spaces and backslashes end or escape a word in the startup packet's option text. */
function escapeOption(value: string): string {
  return value.replace(/[\\ ]/g, (character) => `\\${character}`);
}
