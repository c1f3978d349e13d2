/**
 * Brings a ledger's schema to the version this code wants, as the role that owns
 * it, and checks that the server's own role owns nothing. Two servers that start
 * at once take turns.
 */
import type { DataSource } from "typeorm";
import { createClient, type Log, SQL_STATE, sqlState } from "#infra";
import { createDataSource } from "../ormconfig.ts";
import { StartRefused } from "./start-refused.ts";

/** The schema of the ledger that a server runs. */
export const LEDGER_SCHEMA = "ledger";
/** The migrations grant to this role; the role of the server is it, or a member of it. */
export const APP_ROLE = "anchorbook_app";
/** Any fixed number that nobody else takes: "anchorbk" in ASCII. */
const MIGRATION_LOCK = "7020092306391852651";
const UNDEFINED_TABLE = "42P01";
/** Roles that it is a member of count as itself; so does what lets it write past every grant. */
const ROLE_OF_SERVER = `
  SELECT rolsuper AS superuser,
    (SELECT count(*) FROM pg_class WHERE pg_has_role(current_user, relowner, 'MEMBER') AND relkind IN ('r', 'p', 'v', 'm'))
      + (SELECT count(*) FROM pg_proc WHERE pg_has_role(current_user, proowner, 'MEMBER')) AS owned,
    (SELECT count(*) FROM pg_roles power WHERE pg_has_role(current_user, power.oid, 'MEMBER')
       AND power.rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program')) AS powers
  FROM pg_roles WHERE rolname = current_user`;

export interface MigrationTarget {
  ownerUrl: string;
  /** The server's connection; its role is made a member of `anchorbook_app` where it is another. */
  appUrl: string;
  schema: string;
}

/** @returns the names of the migrations that ran now */
export async function migrate(target: MigrationTarget, log: Log): Promise<string[]> {
  const client = createClient({
    url: target.ownerUrl,
    applicationName: "anchorbook-migrate",
    idleInTransactionTimeoutMs: 0,
    lockTimeoutMs: 0,
  });
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
    await ensureAppRole(client, new URL(target.appUrl).username);
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${client.escapeIdentifier(target.schema)}`);
    return await runMigrations(target, log);
  } finally {
    await client.end();
  }
}

/** @throws StartRefused that names what is missing, where this server does not migrate and somebody else has not */
export async function assertMigrated(appUrl: string, schema: string): Promise<void> {
  const source = await createDataSource({ url: appUrl, schema, poolSize: 1 }).initialize();
  try {
    const known = source.migrations.map((migration) => migration.name ?? migration.constructor.name);
    const done = await namesOfDone(source);
    const missing = known.filter((name) => !done.has(name));
    if (missing.length > 0)
      throw new StartRefused(
        `The database lacks the migrations ${missing.join(", ")}. Set DATABASE_OWNER_URL to the role that owns the tables, so that they run at the start.`,
      );
  } finally {
    await source.destroy();
  }
}

/** @throws StartRefused where the role could change tables and triggers, and with them every rule of the ledger */
export async function assertOwnsNothing(appUrl: string): Promise<void> {
  const client = createClient({ url: appUrl, applicationName: "anchorbook-check" });
  await client.connect();
  try {
    const { rows } = await client.query<{ superuser: boolean; owned: number; powers: number }>(
      ROLE_OF_SERVER,
    );
    if (rows[0]?.superuser !== false || rows[0].owned > 0 || rows[0].powers > 0)
      throw new StartRefused(
        "The role of DATABASE_URL is a superuser, owns tables or functions, or may write what is not its own, so the database could not stop it from rewriting the books. In production give the server a role of its own, CREATE ROLE anchorbook_server LOGIN PASSWORD '…' IN ROLE anchorbook_app, and keep the owner in DATABASE_OWNER_URL (docs/operations.md).",
      );
  } finally {
    await client.end();
  }
}

async function runMigrations(target: MigrationTarget, log: Log): Promise<string[]> {
  const source = await createDataSource({
    url: target.ownerUrl,
    schema: target.schema,
    poolSize: 1,
  }).initialize();
  try {
    const ran = await source.runMigrations({ transaction: "each" });
    for (const { name } of ran) log.info({ migration: name }, "migrated");
    return ran.map(({ name }) => name);
  } finally {
    await source.destroy();
  }
}

async function namesOfDone(source: DataSource): Promise<Set<string>> {
  try {
    const rows: { name: string }[] = await source.query("SELECT name FROM migration");
    return new Set(rows.map((row) => row.name));
  } catch (error) {
    const cause: unknown = error instanceof Error && "driverError" in error ? error.driverError : error;
    if (sqlState(cause) === UNDEFINED_TABLE) return new Set();
    throw error;
  }
}

async function ensureAppRole(client: ReturnType<typeof createClient>, user: string): Promise<void> {
  const server = decodeURIComponent(user);
  try {
    await makeAppRole(client, server);
  } catch (error) {
    if (sqlState(error) !== SQL_STATE.insufficientPrivilege) throw error;
    const member = server === "" || server === APP_ROLE ? "" : ` GRANT ${APP_ROLE} TO ${server};`;
    throw new StartRefused(
      `The owner of the tables may not make the server's role. As a superuser, once: CREATE ROLE ${APP_ROLE} NOLOGIN;${member} (leave out what is there already)`,
      { cause: error },
    );
  }
}

async function makeAppRole(client: ReturnType<typeof createClient>, server: string): Promise<void> {
  const role = client.escapeIdentifier(APP_ROLE);
  const { rowCount } = await client.query("SELECT FROM pg_roles WHERE rolname = $1", [APP_ROLE]);
  if (rowCount === 0) await client.query(`CREATE ROLE ${role} NOLOGIN`);
  if (server === APP_ROLE || server === "") return;
  const member = await client.query(
    "SELECT FROM pg_roles WHERE rolname = $1 AND pg_has_role(oid, $2, 'MEMBER')",
    [server, APP_ROLE],
  );
  if (member.rowCount === 0) await client.query(`GRANT ${role} TO ${client.escapeIdentifier(server)}`);
}
