/**
 * Which ledgers a database holds beside the default one, and how they are named.
 * The list is a table of its own, read with the connection's search_path; it is
 * there only where somebody made a second ledger, so that whoever needs one
 * ledger has nothing of this.
 */
import type { Pool, QueryConfig } from "pg";
import { createClient, createPool, type Log, sqlState } from "#infra";

/** The schema of the list. No ledger can have it: a ledger's begins with another word. */
export const REGISTRY_SCHEMA = "anchorbook_ledgers";
/** How requests may name the ledger that is always there. */
export const DEFAULT_LEDGER = "default";

const NAME = /^[a-z][a-z0-9_]{0,39}$/;
const UNDEFINED_TABLE = "42P01";
const INSUFFICIENT_PRIVILEGE = "42501";
/** Behind it pg cuts the connection: one that died without a word answers nothing, and TCP notices after minutes. */
const WITHIN_MS = 5_000;
const IS_THERE = "SELECT to_regclass('ledger_registry') IS NOT NULL AS is_there";
const LIST = "SELECT name, schema_name, state, created_at FROM ledger_registry ORDER BY created_at, name";

/** Only an open one is served: the others are being made, moved here, moved away, or gone. */
export const LEDGER_STATES = ["creating", "open", "arriving", "leaving", "moved"] as const;
export type LedgerState = (typeof LEDGER_STATES)[number];

export interface RegisteredLedger {
  readonly name: string;
  readonly schema: string;
  readonly state: LedgerState;
  readonly createdAt: Date;
}

/** Whether a ledger could have this name. Checked before anything is asked of the database. */
export function isLedgerName(name: string): boolean {
  return NAME.test(name) && name !== DEFAULT_LEDGER;
}

/** What was asked of a ledger cannot be; the message says what to do. */
export class LedgerRefused extends Error {}

/** @throws LedgerRefused where no ledger can have this name */
export function schemaOfLedger(name: string): string {
  if (!isLedgerName(name))
    throw new LedgerRefused(
      `"${name}" cannot be a ledger's name: 1 to 40 lower-case letters, digits and underscores, a letter first, and not "${DEFAULT_LEDGER}"`,
    );
  return `ledger_${name}`;
}

/** In the order in which they were made, the default one left out. @throws what the database throws where it is away */
export async function registeredLedgers(databaseUrl: string): Promise<RegisteredLedger[]> {
  const client = createClient(connectionTo(databaseUrl));
  await client.connect();
  try {
    return await readLedgers(client);
  } finally {
    await client.end();
  }
}

/** For whoever looks at the list again and again: the connection is kept. */
export function registryPool(databaseUrl: string, log: Log): Pool {
  return createPool({ ...connectionTo(databaseUrl), max: 1, log });
}

/** As `registeredLedgers`, over a connection of `registryPool`. */
export async function readLedgers(db: Pick<Pool, "query">): Promise<RegisteredLedger[]> {
  try {
    // Asked first: a list that is not there would be an error in the database's log each time.
    const { rows: found } = await db.query<{ is_there: boolean }>(soon(IS_THERE));
    if (!found[0]?.is_there) return [];
    const { rows } = await db.query<ListedLedger>(soon(LIST));
    return rows.map((row) => ({
      name: row.name,
      schema: row.schema_name,
      state: row.state,
      createdAt: row.created_at,
    }));
  } catch (error) {
    // While the first one is made nobody may read the list yet; where its transaction is taken back, it is gone again.
    if ([UNDEFINED_TABLE, INSUFFICIENT_PRIVILEGE].includes(sqlState(error) ?? "")) return [];
    throw error;
  }
}

interface ListedLedger {
  readonly name: string;
  readonly schema_name: string;
  readonly state: LedgerState;
  readonly created_at: Date;
}

function soon(text: string): QueryConfig & { query_timeout: number } {
  return { text, query_timeout: WITHIN_MS };
}

function connectionTo(url: string) {
  return { url, schema: REGISTRY_SCHEMA, applicationName: "anchorbook-ledgers" };
}
