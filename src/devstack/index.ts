/** The embedded development stack: Postgres, Redis where it is installed, a local chain. Not for production. */
export {
  DATABASE_NAME,
  type EmbeddedPostgres,
  POSTGRES_ROLES,
  type PostgresOptions,
  type PostgresRole,
  startPostgres,
} from "./postgres.ts";
