/**
 * A ledger of funded accounts to move amounts between: the writer that the
 * server uses, on a database with every migration, rule and index.
 */
import { createClient } from "#infra";
import { systemIds } from "#kernel";
import { type AccountSpec, createAsset, type Ledger, openLedger, type Unit } from "#ledger";
import { createDataSource } from "../ormconfig.ts";
import type { BenchContext } from "./benchmark.ts";
import { runLoops } from "./load.ts";
import type { BenchDatabase } from "./stack.ts";

const ASSET = "BENCH";
const FUNDS = 1_000_000n;
/** Accounts that one unit opens and funds, and how many such units are under way. */
const ACCOUNTS_A_UNIT = 500;
const UNITS_AT_ONCE = 8;
/** More than is ever under way here, so that the queue's bound plays no part. */
const QUEUE_WEIGHT = 1_000_000;

/** Asked as the owner of the tables. */
export type AsOwner = <T>(work: (query: Query) => Promise<T>) => Promise<T>;

export interface LedgerBook {
  readonly database: BenchDatabase;
  readonly asOwner: AsOwner;
  readonly ledger: Ledger;
  readonly accounts: readonly string[];
  /** Lines a batch had on average since the last call. */
  linesPerBatch(): number;
  /** @throws Error where the balances do not add up to what was issued, or lines are missing */
  assertCoherent(): Promise<void>;
}

/** Closed and dropped with the stack. @param given a migrated one; a fresh one where left out */
export async function openLedgerBook(
  context: BenchContext,
  accountCount: number,
  given?: BenchDatabase,
): Promise<LedgerBook> {
  const database = given ?? (await context.stack.ledgerDatabase());
  const source = await createDataSource({ url: database.appUrl, schema: database.schema }).initialize();
  await createAsset(source, { code: ASSET, scale: 2, transferable: true, mintable: true, supplyCap: null });
  await source.destroy();
  const observed = { batches: 0, lines: 0 };
  const ledger = await openLedger({
    databaseUrl: database.appUrl,
    schema: database.schema,
    ids: systemIds,
    log: context.stack.serverLog,
    limits: { queueWeight: QUEUE_WEIGHT },
    onBatch: ({ lines }) => {
      observed.batches += 1;
      observed.lines += lines;
    },
  });
  context.stack.defer(() => ledger.close());
  context.log(`opening and funding ${accountCount.toLocaleString("en-US")} accounts`);
  const accounts = await fundAccounts(ledger, accountCount);
  await analyze(database);
  return {
    database,
    asOwner: (work) => asOwner(database, work),
    ledger,
    accounts,
    linesPerBatch() {
      const mean = observed.lines / Math.max(observed.batches, 1);
      observed.batches = 0;
      observed.lines = 0;
      return Math.round(mean);
    },
    assertCoherent: () => assertCoherent(database),
  };
}

async function fundAccounts(ledger: Ledger, count: number): Promise<string[]> {
  const accounts: string[] = [];
  let next = 0;
  const work = async () => {
    while (next < count) {
      const first = next;
      next = Math.min(count, first + ACCOUNTS_A_UNIT);
      const { value } = await ledger.submit(fundingUnit(ledger, first, next - first));
      accounts.push(...value);
    }
  };
  await Promise.all(Array.from({ length: UNITS_AT_ONCE }, work));
  return accounts;
}

function fundingUnit(ledger: Ledger, first: number, count: number): Unit<string[]> {
  const issuance: AccountSpec = { asset: ASSET, role: "issuance", owner: null };
  const holders = Array.from({ length: count }, (_, place) => {
    const spec: AccountSpec = { asset: ASSET, role: "available", owner: `holder_${first + place}` };
    return { spec, account: ledger.accountId(spec), transfer: systemIds.uuid() };
  });
  return {
    name: "bench.fund",
    weight: count,
    reads: {
      assets: [ASSET],
      accounts: [ledger.accountId(issuance), ...holders.map(({ account }) => account)],
    },
    decide(view) {
      const debitAccount = view.openAccount(issuance);
      return holders.map(({ spec, transfer }) => {
        const creditAccount = view.openAccount(spec);
        view.move({ id: transfer, debitAccount, creditAccount, amount: FUNDS });
        return creditAccount;
      });
    },
  };
}

/** One transfer that a client asked for, decided by every rule. */
export function transferUnit(debitAccount: string, creditAccount: string): Unit<string> {
  const id = systemIds.uuid();
  return {
    name: "bench.transfer",
    reads: { accounts: [debitAccount, creditAccount], transfers: [id], assets: [ASSET] },
    decide(view) {
      const [result] = view.tryTransfers([{ id, debitAccount, creditAccount, amount: 1n }]);
      return result?.code ?? "none";
    },
  };
}

export interface TransferLoad {
  readonly clients: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

/** @param choose the two accounts of the next transfer */
export async function measureTransfers(
  book: LedgerBook,
  load: TransferLoad,
  choose: () => readonly [debit: string, credit: string],
): Promise<{ perSecond: number; medianMs: number; p99Ms: number }> {
  const { perSecond, latencies } = await runLoops(load, async () => {
    const { value } = await book.ledger.submit(transferUnit(...choose()));
    if (value !== "ok") throw new Error(`a transfer of the benchmark was answered ${value}`);
  });
  return { perSecond, medianMs: latencies.quantileMs(0.5), p99Ms: latencies.quantileMs(0.99) };
}

/** Two accounts that differ, each with the same chance. */
export function uniformPair(accounts: readonly string[]): readonly [string, string] {
  const debit = Math.floor(Math.random() * accounts.length);
  const credit = (debit + 1 + Math.floor(Math.random() * (accounts.length - 1))) % accounts.length;
  return [accounts[debit] ?? "", accounts[credit] ?? ""];
}

async function analyze(database: BenchDatabase): Promise<void> {
  await asOwner(database, (query) => query("ANALYZE"));
}

async function assertCoherent(database: BenchDatabase): Promise<void> {
  const [row] = await asOwner(database, (query) =>
    query(`SELECT
      (SELECT sum(credits_posted) = sum(debits_posted) FROM account) AS balanced,
      (SELECT sum(amount) FROM transfer) = (SELECT sum(debits_posted) FROM account) AS complete,
      (SELECT count(*) FROM transfer) = (SELECT next_seq FROM journal_head) AS gapless`),
  );
  if (!row || Object.values(row).some((holds) => holds !== true))
    throw new Error(`the ledger is not coherent after the load: ${JSON.stringify(row)}`);
}

type Query = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

async function asOwner<T>(database: BenchDatabase, work: (query: Query) => Promise<T>): Promise<T> {
  const client = createClient({
    url: database.ownerUrl,
    schema: database.schema,
    applicationName: "bench",
  });
  await client.connect();
  try {
    return await work(async (text, values) => (await client.query(text, values)).rows);
  } finally {
    await client.end();
  }
}
