/** The migrated database that every test database is cloned from. */
import { type EmbeddedPostgres, POSTGRES_ROLES } from "#devstack";
import { createClient, createLog } from "#infra";
import { LEDGER_SCHEMA, migrate } from "../../src/migrate.ts";

/** The ledger schema in test databases. */
export const TEST_SCHEMA = LEDGER_SCHEMA;
const TEMPLATE = "anchorbook_template";

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
