/**
 * Moves a ledger to another database: the server lets go of it, nobody can write
 * to it any more, all of it is copied and compared, and the other database's
 * servers open it. Cut off between any two steps, the same call goes on; at no
 * moment can both be written to.
 */
import type { Client } from "pg";
import { makeRegistry, openRegistered } from "#create-ledger";
import { createClient, type Log } from "#infra";
import { type Copied, copySchema } from "./copy-schema.ts";
import { LedgerRefused, type LedgerState, REGISTRY_SCHEMA, schemaOfLedger } from "./ledger-registry.ts";
import { APP_ROLE, migrate } from "./migrate.ts";

export interface Move {
  readonly name: string;
  /** As the owner of the tables. */
  readonly fromOwnerUrl: string;
  readonly toOwnerUrl: string;
  /** The connection of the servers there, whose role gets what a server needs. */
  readonly toAppUrl: string;
}

export interface Moved extends Copied {
  readonly name: string;
  readonly schema: string;
  /** Sent to other ledgers, and not decided on: they wait until both are served together again. */
  readonly waitingTransfers: number;
}

export type MoveStep = "leave" | "copy" | "open" | "forget";

const IDENTITY = "SELECT id FROM ledger_identity";
const STATE = "SELECT state FROM ledger_registry WHERE name = $1";
/** Taken in the other database alone. */
const ARRIVAL = "SELECT pg_try_advisory_lock(hashtext('anchorbook arrival'), hashtext($1)) AS taken";
/** Of one ledger in one database, held until the call ends. */
const ONE_CALL = "SELECT pg_try_advisory_lock(hashtext('anchorbook move'), hashtext($1)) AS taken";

/**
 * @param step told of each step before it is done; what it throws ends the work there
 * @returns what was copied; null where an earlier call had copied and opened it already
 * @throws LedgerRefused where there is no such ledger, or the other database has another one of this name
 */
export async function moveLedger(
  move: Move,
  log: Log,
  step: (name: MoveStep) => Promise<void> | void = () => {},
): Promise<Moved | null> {
  const { name, fromOwnerUrl, toOwnerUrl, toAppUrl } = move;
  const schema = schemaOfLedger(name);
  return withClients([fromOwnerUrl, toOwnerUrl], REGISTRY_SCHEMA, async (from, to) => {
    await assertOnlyCall(from, name);
    await assertOnlyCall(to, name);
    await assertSameDatabase(to, toAppUrl, name);
    const state = await stateToLeaveIn(from, name);
    await makeRegistry(to);
    return withClients([fromOwnerUrl, toOwnerUrl], schema, async (source, target) => {
      let moved: Moved | null = null;
      if (!(await hasArrived(source, state, to, target, name))) {
        await step("leave");
        await leave(from, name, schema);
        await step("copy");
        await expectArrival(to, name, schema);
        await migrate({ ownerUrl: toOwnerUrl, appUrl: toAppUrl, schema }, log);
        const waitingTransfers = await countWaiting(source);
        moved = { name, schema, waitingTransfers, ...(await copySchema(source, target)) };
        await step("open");
        await openRegistered(to, name);
      }
      await step("forget");
      await from.query("UPDATE ledger_registry SET state = 'moved' WHERE name = $1", [name]);
      return moved;
    });
  });
}

async function stateOf(registry: Client, name: string): Promise<LedgerState | null> {
  const { rows } = await registry.query<{ state: LedgerState }>(STATE, [name]);
  return rows[0]?.state ?? null;
}

/** Two calls at once would each take what the other one does for done: one could write over what the other one opened. */
async function assertOnlyCall(registry: Client, name: string): Promise<void> {
  const { rows } = await registry.query<{ taken: boolean }>(ONE_CALL, [name]);
  if (rows[0]?.taken !== true)
    throw new LedgerRefused(
      `The ledger ${name} is being moved by another call, or from a database to itself.`,
    );
}

/** The server's URL has to work before anything is left, and to lead where the owner's does: to the lock taken there. */
async function assertSameDatabase(to: Client, appUrl: string, name: string): Promise<void> {
  await to.query(ARRIVAL, [name]);
  const server = createClient({ url: appUrl, applicationName: "anchorbook-move-ledger" });
  try {
    await server.connect();
    const { rows } = await server.query<{ taken: boolean }>(ARRIVAL, [name]);
    if (rows[0]?.taken === false) return;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LedgerRefused(
      `TO_DATABASE_URL, by which the server there will connect, does not work: ${reason}`,
    );
  } finally {
    await server.end();
  }
  throw new LedgerRefused(
    "TO_DATABASE_URL leads to another database than TO_DATABASE_OWNER_URL; both must be the one that the ledger moves to.",
  );
}

async function stateToLeaveIn(registry: Client, name: string): Promise<"open" | "leaving"> {
  const state = await stateOf(registry, name).catch(() => null);
  if (state === "open" || state === "leaving") return state;
  throw new LedgerRefused(
    state === null
      ? `There is no ledger ${name}; "anchorbook ledger list" shows them.`
      : `The ledger ${name} cannot be moved: it is ${state}.`,
  );
}

/**
 * An earlier call came as far as the last step: it had taken the ledger from the list here before it opened it there. One
 * that is open in both is not what was moved, but a copy that somebody restored.
 * @throws LedgerRefused where it is that, or another ledger
 */
async function hasArrived(
  source: Client,
  sourceState: "open" | "leaving",
  to: Client,
  target: Client,
  name: string,
): Promise<boolean> {
  const state = await stateOf(to, name);
  if (state === null || state === "arriving") return false;
  const identity = async (client: Client) => (await client.query<{ id: string }>(IDENTITY)).rows[0]?.id;
  if (sourceState === "leaving" && state === "open" && (await identity(source)) === (await identity(target)))
    return true;
  throw new LedgerRefused(
    `The other database has a ledger ${name} already, or a part of one: it is ${state}.`,
  );
}

/** Nobody serves it any more, and nobody but its owner can: a server that has not heard of it is refused by the database. */
async function leave(registry: Client, name: string, schema: string): Promise<void> {
  await registry.query("BEGIN");
  await registry.query("UPDATE ledger_registry SET state = 'leaving' WHERE name = $1", [name]);
  await registry.query(
    `REVOKE USAGE ON SCHEMA ${registry.escapeIdentifier(schema)} FROM ${registry.escapeIdentifier(APP_ROLE)}`,
  );
  await registry.query("COMMIT");
}

async function expectArrival(registry: Client, name: string, schema: string): Promise<void> {
  if ((await stateOf(registry, name)) === "arriving") return;
  const there = await registry.query("SELECT FROM pg_namespace WHERE nspname = $1", [schema]);
  if (there.rowCount !== 0)
    throw new LedgerRefused(`The other database has a schema ${schema} that is in no list of ledgers.`);
  await registry.query("INSERT INTO ledger_registry (name, schema_name, state) VALUES ($1, $2, 'arriving')", [
    name,
    schema,
  ]);
}

async function countWaiting(source: Client): Promise<number> {
  const { rows } = await source.query<{ count: number }>(
    "SELECT count(*) FROM inter_ledger_transfer WHERE state = 'pending'",
  );
  return rows[0]?.count ?? 0;
}

async function withClients<T>(
  [fromUrl, toUrl]: readonly [string, string],
  schema: string,
  task: (from: Client, to: Client) => Promise<T>,
): Promise<T> {
  const [from, to] = [fromUrl, toUrl].map((url) =>
    createClient({
      ...{ url, schema, applicationName: "anchorbook-move-ledger" },
      ...{ idleInTransactionTimeoutMs: 0, lockTimeoutMs: 60_000 },
    }),
  ) as [Client, Client];
  try {
    await from.connect();
    await to.connect();
    return await task(from, to);
  } finally {
    await from.end();
    await to.end();
  }
}
