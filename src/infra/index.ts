/** What touches the outside: Postgres, Redis, the chain, logs, metrics. Knows nothing of ledgers or programs. */
export { createLog, type Log, type LogLevel, maskSecrets, silentLog } from "./log.ts";
export { postgresTypes } from "./postgres/types.ts";
