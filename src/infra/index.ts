/** What touches the outside: Postgres, Redis, the chain, logs, metrics. Knows nothing of ledgers or programs. */
export * from "./chain/index.ts";
export { createDiskGuard, type DiskGuard, type DiskGuardOptions } from "./disk-guard.ts";
export { FolderInUse, type FolderLock, lockFolder } from "./folder-lock.ts";
export { createLog, type Log, type LogLevel, maskSecrets, silentLog } from "./log.ts";
export { FolderRefused, makeFolder } from "./make-folder.ts";
export { createBookMetrics, createMetrics, type Metrics, mergedMetrics, setExact } from "./metrics/index.ts";
export {
  booleanArray,
  byteaArray,
  type ConnectionOptions,
  connectionConfig,
  constraintName,
  createClient,
  createPool,
  int2Array,
  int8Array,
  isConnectionLost,
  isRetryable,
  isUnavailable,
  jsonArray,
  jsonbArray,
  numericArray,
  type PoolOptions,
  PreparingClient,
  parseInt8,
  parseNumeric,
  postgresTypes,
  SQL_STATE,
  sendTogether,
  sqlState,
  textArray,
  uuidArray,
} from "./postgres/index.ts";
export { createRedis, createRedisScript, type Redis, type RedisScript } from "./redis/index.ts";
export { type AskedWitness, askWitness } from "./tlog-witness.ts";
