/** The migrated database that every test database is cloned from. */
import { type EmbeddedPostgres, POSTGRES_ROLES } from "#devstack";
import { createClient } from "#infra";
import { createDataSource } from "../../ormconfig.ts";

/** The ledger schema in test databases. */
export const TEST_SCHEMA = "ledger";
const TEMPLATE = "anchorbook_template";

/** Migrates a fresh database and closes it to connections, as cloning wants it. */
export async function prepareTemplate(postgres: EmbeddedPostgres): Promise<string> {
  const admin = createClient({ url: postgres.url("admin", "postgres"), applicationName: "test-setup" });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${TEMPLATE} OWNER ${POSTGRES_ROLES.owner}`);
    await migrate(postgres.url("owner", TEMPLATE));
    await admin.query(`ALTER DATABASE ${TEMPLATE} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true`);
  } finally {
    await admin.end();
  }
  return TEMPLATE;
}

async function migrate(ownerUrl: string): Promise<void> {
  const owner = createClient({ url: ownerUrl, applicationName: "test-setup" });
  await owner.connect();
  await owner.query(`CREATE SCHEMA IF NOT EXISTS ${TEST_SCHEMA}`);
  await owner.end();
  const source = await createDataSource({ url: ownerUrl, schema: TEST_SCHEMA, poolSize: 1 }).initialize();
  try {
    await source.runMigrations({ transaction: "each" });
  } finally {
    await source.destroy();
  }
}
