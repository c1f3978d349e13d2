/** The embedded development stack: Postgres, Redis where it is installed, a local chain. Not for production. */
export { type AnvilOptions, type EmbeddedChain, startAnvil } from "./anvil.ts";
export { type DevStack, startDevStack } from "./dev-stack.ts";
export { freePort } from "./free-port.ts";
export {
  DATABASE_NAME,
  type EmbeddedPostgres,
  POSTGRES_ROLES,
  type PostgresOptions,
  type PostgresRole,
  startPostgres,
} from "./postgres.ts";
export { type EmbeddedRedis, findRedis, startRedis } from "./redis.ts";
