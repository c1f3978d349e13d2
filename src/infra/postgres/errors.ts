/**
 * What went wrong in the database, read from the SQLSTATE, the constraint's name
 * or the socket's error code. The one exception: pg reports a connection that
 * closed without a word by a plain Error, which only its message tells apart.
 */

/** The five characters of a server's error; `undefined` for errors of the client or the socket. */
export function sqlState(error: unknown): string | undefined {
  const code = member(error, "code");
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** The constraint that refused a row, a trigger's own name for its rule included. */
export function constraintName(error: unknown): string | undefined {
  return member(error, "constraint");
}

export const SQL_STATE = {
  notNullViolation: "23502",
  foreignKeyViolation: "23503",
  uniqueViolation: "23505",
  checkViolation: "23514",
  serializationFailure: "40001",
  deadlockDetected: "40P01",
  insufficientPrivilege: "42501",
  lockNotAvailable: "55P03",
  diskFull: "53100",
  /** This product's own: a batch was decided before the head was taken, and something is not as it was taken to be. */
  decidedBeforehand: "AB013",
} as const;

/** Nothing was done, and the same transaction can succeed when run again as a whole. */
const RETRYABLE: ReadonlySet<string> = new Set([SQL_STATE.serializationFailure, SQL_STATE.deadlockDetected]);

/** Beside class 08: the server ended the session or does not take new ones now. */
const CONNECTION_LOST: ReadonlySet<string> = new Set([
  "25P03", // idle_in_transaction_session_timeout
  "25P04", // transaction_timeout
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now
  "57P05", // idle_session_timeout
]);
const SOCKET_CODES: ReadonlySet<string> = new Set([
  ...[
    "ECONNREFUSED",
    "ECONNRESET",
    "EPIPE",
    "ETIMEDOUT",
    "ENOTFOUND",
    "EAI_AGAIN",
    "EHOSTUNREACH",
    "ENETUNREACH",
  ],
  ...["ENOENT", "ENOTCONN", "ECONNABORTED"],
]);
const CLIENT_MESSAGES: ReadonlySet<string> = new Set([
  "Connection terminated",
  "Connection terminated unexpectedly",
  "Connection terminated due to connection timeout",
  "timeout expired",
  "timeout exceeded when trying to connect",
  "Client has encountered a connection error and is not queryable",
  "Client was closed and is not queryable",
  "Cannot use a pool after calling end on the pool",
]);

/** The database cannot serve now, though the statement was in order. Classes 53 (memory, disk, connections) and 58 (its files). */
const OVERLOADED = /^(53|58)/;

/** A serialization failure or a deadlock: run the whole transaction again. */
export function isRetryable(error: unknown): boolean {
  const state = sqlState(error);
  return state !== undefined && RETRYABLE.has(state);
}

/**
 * The connection is gone. Where a COMMIT was under way its outcome is unknown:
 * whoever sees this must look before doing it again.
 */
export function isConnectionLost(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined && (state.startsWith("08") || CONNECTION_LOST.has(state))) return true;
  if (SOCKET_CODES.has(member(error, "code") ?? "")) return true;
  return error instanceof Error && CLIENT_MESSAGES.has(error.message);
}

/** What a caller should be told to try again later: lost, out of resources, read-only, or waiting for a lock in vain. */
export function isUnavailable(error: unknown): boolean {
  const state = sqlState(error) ?? "";
  return (
    isConnectionLost(error) ||
    isRetryable(error) ||
    OVERLOADED.test(state) ||
    state === SQL_STATE.lockNotAvailable ||
    state === "25006" || // read_only_sql_transaction: a standby after a failover
    state === "57014" // query_canceled: statement_timeout
  );
}

function member(error: unknown, name: string): string | undefined {
  if (typeof error !== "object" || error === null || !(name in error)) return undefined;
  const value: unknown = (error as Record<string, unknown>)[name];
  return typeof value === "string" ? value : undefined;
}
