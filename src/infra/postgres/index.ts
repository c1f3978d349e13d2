/** Postgres: connections for a ledger's schema, how values arrive, what errors mean. */
export {
  booleanArray,
  byteaArray,
  int2Array,
  int8Array,
  jsonArray,
  jsonbArray,
  numericArray,
  textArray,
  uuidArray,
} from "./binary-arrays.ts";
export {
  type ConnectionOptions,
  connectionConfig,
  createClient,
  createPool,
  type PoolOptions,
} from "./connect.ts";
export {
  constraintName,
  isConnectionLost,
  isRetryable,
  isUnavailable,
  SQL_STATE,
  sqlState,
} from "./errors.ts";
export { PreparingClient } from "./preparing-client.ts";
export { sendTogether } from "./send-together.ts";
export { parseInt8, parseNumeric, postgresTypes } from "./types.ts";
