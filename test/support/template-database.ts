/** The migrated database that every test database is cloned from, in about 40 ms. */
import { randomUUID } from "node:crypto";
import { type EmbeddedPostgres, POSTGRES_ROLES, type PostgresRole } from "#devstack";
import { createClient, createLog } from "#infra";
import { LEDGER_SCHEMA, migrate } from "../../src/migrate.ts";

/** The ledger schema in test databases. */
export const TEST_SCHEMA = LEDGER_SCHEMA;
const TEMPLATE = "anchorbook_template";

export interface TestDatabase {
  readonly name: string;
  /** The ledger's schema, for `createPool` and `createDataSource`. */
  readonly schema: string;
  /** The role that owns the tables. */
  readonly ownerUrl: string;
  /** The server's role, which owns nothing. */
  readonly appUrl: string;
  /** The superuser, to break things on purpose. */
  readonly adminUrl: string;
  /** Ends all connections and removes the database. */
  drop(): Promise<void>;
}

/** Migrates a fresh database and closes it to connections, as cloning wants it. */
export async function prepareTemplate(postgres: EmbeddedPostgres): Promise<string> {
  const admin = createClient({ url: postgres.url("admin", "postgres"), applicationName: "test-setup" });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${TEMPLATE} OWNER ${POSTGRES_ROLES.owner}`);
    const [ownerUrl, appUrl] = [postgres.url("owner", TEMPLATE), postgres.url("app", TEMPLATE)];
    await migrate({ ownerUrl, appUrl, schema: TEST_SCHEMA }, createLog("warn"));
    await admin.query(`ALTER DATABASE ${TEMPLATE} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true`);
  } finally {
    await admin.end();
  }
  return TEMPLATE;
}

/** @param urls of the database `postgres`, by role */
export async function cloneTemplate(
  urls: Readonly<Record<PostgresRole, string>>,
  template: string,
): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await execute(urls.admin, `CREATE DATABASE ${name} TEMPLATE ${template} OWNER ${POSTGRES_ROLES.owner}`);
  const withName = (text: string) => Object.assign(new URL(text), { pathname: `/${name}` }).toString();
  // Files share one Redis, where the counters of a ledger are under its id: a clone is a ledger of its own.
  await execute(withName(urls.owner), `UPDATE ${TEST_SCHEMA}.ledger_identity SET id = gen_random_uuid()`);
  return {
    name,
    schema: TEST_SCHEMA,
    ownerUrl: withName(urls.owner),
    appUrl: withName(urls.app),
    adminUrl: withName(urls.admin),
    drop: () => execute(urls.admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function execute(url: string, statement: string): Promise<void> {
  const client = createClient({ url, applicationName: "test-support", lockTimeoutMs: 60_000 });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
