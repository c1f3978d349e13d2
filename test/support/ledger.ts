/** A migrated database with a writer of its own, and short ways to make assets, accounts and transfers. */
import { randomUUID } from "node:crypto";
import type { Client } from "pg";
import type { DataSource } from "typeorm";
import { createClient, silentLog } from "#infra";
import { systemIds } from "#kernel";
import {
  type Account,
  type Json,
  type Ledger,
  type LedgerOptions,
  type LedgerQueries,
  ledgerQueries,
  openAsset,
  openLedger,
  type Reads,
  type TransferCode,
  type TransferRequest,
  type Unit,
} from "#ledger";
import { createDataSource } from "../../ormconfig.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";

export interface TestLedger {
  readonly database: TestDatabase;
  readonly ledger: Ledger;
  readonly source: DataSource;
  readonly queries: LedgerQueries;
  /** Scale 2, transferable, mintable; `general` accounts without a limit. */
  readonly asset: string;
  open(account?: Partial<Account>): Promise<string>;
  /** As one unit of work; a code for each. */
  send(...requests: readonly TransferRequest[]): Promise<TransferCode[]>;
  run<R extends Json>(decide: Unit<R>["decide"]): Promise<R>;
  /** As the owner of the tables. */
  asOwner(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  advance(seconds: number): Promise<void>;
  close(): Promise<void>;
}

export async function startLedger(options: Partial<LedgerOptions> = {}): Promise<TestLedger> {
  const database = await createTestDatabase();
  const ledger = await openTestLedger(database, options);
  const source = await createDataSource({ url: database.appUrl, schema: database.schema }).initialize();
  const asset = "USD";
  await openAsset(ledger, source, {
    code: asset,
    scale: 2,
    transferable: true,
    mintable: true,
    supplyCap: null,
  });
  const run = async <R extends Json>(decide: Unit<R>["decide"]) =>
    (await ledger.submit<R>({ name: "test", decide })).value;
  const asOwner = (sql: string, values: readonly unknown[] = []) =>
    query(database.ownerUrl, database, sql, values);
  return {
    database,
    ledger,
    source,
    queries: ledgerQueries(source),
    asset,
    run,
    open: (account = {}) => {
      // Chosen here: a unit may be decided more than once.
      const id = randomUUID();
      return run((view) => {
        const opened = newAccount({ id, asset, createdAt: view.now, ...account });
        view.openAccountWithId(opened);
        return opened.id;
      });
    },
    send: async (...requests) => {
      const unit: Unit<TransferCode[]> = {
        name: "test-transfers",
        reads: readsOf(requests),
        decide: (view) => view.tryTransfers(requests).map(({ code }) => code),
      };
      return (await ledger.submit(unit)).value;
    },
    asOwner,
    advance: async (seconds) => {
      await asOwner("SELECT advance_clock($1)", [seconds]);
    },
    close: async () => {
      await ledger.close();
      await source.destroy();
      await database.drop();
    },
  };
}

export function openTestLedger(
  database: TestDatabase,
  options: Partial<LedgerOptions> = {},
): Promise<Ledger> {
  const { appUrl: databaseUrl, schema } = database;
  return openLedger({ databaseUrl, schema, ids: systemIds, log: silentLog(), ...options });
}

export function newAccount(account: Partial<Account> & Pick<Account, "id" | "asset" | "createdAt">): Account {
  return {
    role: "general",
    owner: null,
    reference: null,
    debitAllowance: null,
    creditAllowance: null,
    closed: false,
    exitDemanded: false,
    debitsPosted: 0n,
    creditsPosted: 0n,
    debitsPending: 0n,
    creditsPending: 0n,
    metadata: null,
    ...account,
  };
}

/** One transfer of `amount` base units; a fresh id where none is given. */
export function transfer(
  debitAccount: string,
  creditAccount: string,
  amount: bigint,
  more: Partial<TransferRequest> = {},
): TransferRequest {
  return { id: randomUUID(), debitAccount, creditAccount, amount, ...more };
}

export function readsOf(requests: readonly TransferRequest[]): Reads {
  return {
    transfers: requests.map(({ id }) => id),
    pendings: requests.flatMap(({ pendingId }) => pendingId ?? []),
    accounts: requests.flatMap(({ debitAccount, creditAccount }) =>
      [debitAccount ?? [], creditAccount ?? []].flat(),
    ),
  };
}

/** For a ledger whose head or rows a test holds on purpose while the ledger waits: not given up because the machine is slow. */
export const PATIENT = { lockTimeoutMs: 60_000 } as const;

/** A session of the test's own: it waits for locks, and may hold some, for as long as the test takes. */
export async function connect(url: string, { schema }: TestDatabase): Promise<Client> {
  const client = createClient({
    ...{ url, schema, applicationName: "test", ...PATIENT, idleInTransactionTimeoutMs: 0 },
  });
  client.on("error", () => {});
  await client.connect();
  return client;
}

async function query(
  url: string,
  database: TestDatabase,
  sql: string,
  values: readonly unknown[],
): Promise<Record<string, unknown>[]> {
  const client = await connect(url, database);
  try {
    return (await client.query(sql, [...values])).rows;
  } finally {
    await client.end();
  }
}
