/**
 * Makes a ledger: its line in the list, its schema, its tables. Cut off between
 * any two steps, the same call goes on; only a ledger that is complete is
 * served. Nothing of another ledger is read or written.
 */
import { readFileSync } from "node:fs";
import type { Client } from "pg";
import { createClient, type Log } from "#infra";
import {
  LedgerRefused,
  REGISTRY_SCHEMA,
  type RegisteredLedger,
  registeredLedgers,
  schemaOfLedger,
} from "./ledger-registry.ts";
import { APP_ROLE, LEDGER_SCHEMA, migrate } from "./migrate.ts";

export { contractsFileOf } from "./contracts-files.ts";
export {
  DEFAULT_LEDGER,
  isLedgerName,
  LedgerRefused,
  type RegisteredLedger,
  registeredLedgers,
} from "./ledger-registry.ts";

/** Any fixed number that nobody else takes: "anchorbl" in ASCII. */
const CREATE_LOCK = "7020092306391852652";
const TABLE = readFileSync(new URL("../migrations/ledger-registry.sql", import.meta.url), "utf8");
/**
 * All TST there is was brought into the default ledger. Without this route the database itself refuses a
 * second genesis, whatever a server asks for.
 */
const NO_GENESIS = "DELETE FROM asset_route WHERE asset = 'TST' AND from_role IN ('custody', 'issuance')";

const MADE_AS_ANOTHER = `
  SELECT DISTINCT split_part(setting, '=', 2) AS made_as
  FROM pg_proc p CROSS JOIN LATERAL unnest(p.proconfig) AS setting
  WHERE p.pronamespace = $1::text::regnamespace AND setting LIKE 'search_path=%'
    AND btrim(split_part(split_part(setting, '=', 2), ',', 1), ' "') <> $1::text`;

export interface LedgerTarget {
  readonly name: string;
  readonly ownerUrl: string;
  /** The server's connection, whose role gets what a server needs. */
  readonly appUrl: string;
  /** Takes a schema of this name that is there already: a ledger that was moved here. */
  readonly attach?: boolean;
}

/**
 * @param step told of each step before it is done; what it throws ends the work there
 * @throws LedgerRefused where there is a ledger of this name, or a schema that is none of ours
 */
export async function createLedger(
  target: LedgerTarget,
  log: Log,
  step: (name: "register" | "migrate" | "open") => Promise<void> | void = () => {},
): Promise<RegisteredLedger> {
  const { name, ownerUrl, appUrl } = target;
  const schema = schemaOfLedger(name);
  const client = createClient({
    ...{ url: ownerUrl, schema: REGISTRY_SCHEMA, applicationName: "anchorbook-create-ledger" },
    ...{ idleInTransactionTimeoutMs: 0, lockTimeoutMs: 0 },
  });
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock($1)", [CREATE_LOCK]);
    await makeRegistry(client);
    await step("register");
    await register(client, target, schema);
    await step("migrate");
    await migrate({ ownerUrl, appUrl, schema }, log);
    await closeGenesis(ownerUrl, schema);
    await step("open");
    await openRegistered(client, name);
  } finally {
    await client.end();
  }
  const made = (await registeredLedgers(ownerUrl)).find((ledger) => ledger.name === name);
  if (!made) throw new Error(`the ledger ${name} was not written down`);
  return made;
}

/** The list of ledgers, where there is none yet. */
export async function makeRegistry(client: Client): Promise<void> {
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${client.escapeIdentifier(REGISTRY_SCHEMA)}`);
  await client.query(TABLE);
}

/** From now on servers serve it: their role may read the list, and use the schema. */
export async function openRegistered(client: Client, name: string): Promise<void> {
  const app = client.escapeIdentifier(APP_ROLE);
  await client.query(`GRANT USAGE ON SCHEMA ${client.escapeIdentifier(schemaOfLedger(name))} TO ${app}`);
  await client.query(`GRANT USAGE ON SCHEMA ${client.escapeIdentifier(REGISTRY_SCHEMA)} TO ${app}`);
  await client.query(`GRANT SELECT ON ledger_registry TO ${app}`);
  await client.query("UPDATE ledger_registry SET state = 'open' WHERE name = $1", [name]);
}

/**
 * The server lets go of it; its schema stays as it is.
 * @throws LedgerRefused where there is none, or where it was moved and what it was then could be attached again
 */
export async function detachLedger(ownerUrl: string, name: string): Promise<void> {
  const client = createClient({
    ...{ url: ownerUrl, schema: REGISTRY_SCHEMA, applicationName: "anchorbook-detach-ledger" },
  });
  const known = (await registeredLedgers(ownerUrl)).find((ledger) => ledger.name === name);
  if (!known) throw new LedgerRefused(`There is no ledger ${name}; "anchorbook ledger list" shows them.`);
  await client.connect();
  try {
    const left = await client.query("SELECT FROM pg_namespace WHERE nspname = $1", [known.schema]);
    if (known.state === "moved" && left.rowCount !== 0)
      throw new LedgerRefused(
        `The ledger ${name} was moved to another database. Drop the schema ${known.schema}, which is what it was then, before the name is given up.`,
      );
    await client.query("DELETE FROM ledger_registry WHERE name = $1", [name]);
  } finally {
    await client.end();
  }
}

async function register(client: Client, { name, attach }: LedgerTarget, schema: string): Promise<void> {
  const known = await client.query<{ state: string }>("SELECT state FROM ledger_registry WHERE name = $1", [
    name,
  ]);
  const state = known.rows[0]?.state;
  if (state === "open") throw new LedgerRefused(`There is a ledger ${name} already.`);
  if (state === "moved")
    throw new LedgerRefused(
      `The ledger ${name} was moved to another database; its schema here is what it was then. To use the name again, drop that schema, and then: anchorbook ledger detach ${name}`,
    );
  if (state === "leaving" || state === "arriving")
    throw new LedgerRefused(
      `The ledger ${name} is being moved: anchorbook ledger move ${name}, where it was called first, goes on.`,
    );
  // Begun before and cut off: whatever is there is ours.
  if (state === "creating") return;
  const there = await client.query("SELECT FROM pg_namespace WHERE nspname = $1", [schema]);
  if (there.rowCount !== 0 && attach !== true)
    throw new LedgerRefused(
      `The database has a schema ${schema} that is in no list of ledgers. Where it is a ledger that was moved here: anchorbook ledger attach ${name}. Else choose another name.`,
    );
  if (there.rowCount === 0 && attach === true)
    throw new LedgerRefused(`The database has no schema ${schema} to attach.`);
  if (attach === true) await assertIsItself(client, name, schema);
  await client.query("INSERT INTO ledger_registry (name, schema_name, state) VALUES ($1, $2, 'creating')", [
    name,
    schema,
  ]);
}

/**
 * Functions keep the search_path that they were made under: those of a schema that was renamed move the balances of
 * whatever has that name now. And two ledgers of one identity would both take what is sent to it.
 */
async function assertIsItself(client: Client, name: string, schema: string): Promise<void> {
  const { rows: strange } = await client.query<{ made_as: string }>(MADE_AS_ANOTHER, [schema]);
  if (strange[0])
    throw new LedgerRefused(
      `The schema ${schema} was made as another schema (${strange[0].made_as}) and renamed; a ledger keeps its name. Rename it back, and attach it as that.`,
    );
  const others = await client.query<{ name: string; schema_name: string }>(
    "SELECT name, schema_name FROM ledger_registry WHERE name <> $1 UNION ALL SELECT 'default', $2",
    [name, LEDGER_SCHEMA],
  );
  const own = await identityIn(client, schema);
  for (const other of others.rows)
    if (own !== null && own === (await identityIn(client, other.schema_name)))
      throw new LedgerRefused(
        `The schema ${schema} is a copy of the ledger ${other.name}, which is here already.`,
      );
}

async function identityIn(client: Client, schema: string): Promise<string | null> {
  const table = `${client.escapeIdentifier(schema)}.ledger_identity`;
  const there = await client.query<{ there: boolean }>("SELECT to_regclass($1) IS NOT NULL AS there", [
    table,
  ]);
  if (there.rows[0]?.there !== true) return null;
  return (await client.query<{ id: string }>(`SELECT id FROM ${table}`)).rows[0]?.id ?? null;
}

async function closeGenesis(ownerUrl: string, schema: string): Promise<void> {
  if (schema === LEDGER_SCHEMA) throw new Error("the default ledger keeps its genesis");
  const client = createClient({ url: ownerUrl, schema, applicationName: "anchorbook-create-ledger" });
  await client.connect();
  try {
    await client.query(NO_GENESIS);
  } finally {
    await client.end();
  }
}
