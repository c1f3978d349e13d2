/**
 * What the ledger says about itself: accounts with their balances now or at a
 * past time, their lines, one transfer with its state, the trial balance. Plain
 * reads of what is committed; they take no lock and change nothing.
 */
import type { DataSource } from "typeorm";
import type { Amount, UnixSeconds } from "#kernel";
import { type Balances, balancesAt, balancesByDay, type DayBalances } from "./balances-over-time.ts";
import { toAccount, toTransfer } from "./batch-load.ts";
import { AssetEntity } from "./entities.ts";
import type { Account, Asset, Transfer } from "./model.ts";
import {
  type AccountCursor,
  type AccountFilter,
  type AccountPosition,
  searchAccounts,
} from "./search-accounts.ts";
import {
  type ListedTransfer,
  searchTransfers,
  type TransferCursor,
  type TransferFilter,
} from "./search-transfers.ts";
import type { Page } from "./snapshot.ts";
import { statement } from "./sql-text.ts";

const SQL = {
  accounts: statement("read-accounts"),
  newest: statement("read-account-transfers-newest"),
  oldest: statement("read-account-transfers-oldest"),
  transfer: statement("read-transfer"),
  trialBalance: statement("read-trial-balance"),
  now: statement("read-now"),
} as const;

type Row = Record<string, unknown>;

export interface AccountRead extends Account {
  /** Decimals of its asset. */
  readonly scale: number;
  /** When it was closed; null where it is open. */
  readonly closedAt: UnixSeconds | null;
}

export type TransferState = "pending" | "posted" | "voided" | "expired";

export interface TransferRead extends Transfer {
  readonly scale: number;
  /** Of a pending transfer what became of it; of any other line what it did. */
  readonly state: TransferState;
  /** The line that posted, voided or expired it. */
  readonly resolvedBy: string | null;
  /** Whose accounts it touches, for whoever decides who may see it. */
  readonly owners: readonly (string | null)[];
}

/** A line as one of its accounts sees it. */
export interface AccountLine extends Transfer {
  readonly scale: number;
  /** Change of posted credits less posted debits. */
  readonly postedEffect: Amount;
  /** Change of pending credits less pending debits. */
  readonly pendingEffect: Amount;
}

export interface TrialBalance {
  readonly asset: string;
  readonly scale: number;
  readonly debits: Amount;
  readonly credits: Amount;
}

export type LineOrder = "newest" | "oldest";

export interface LedgerQueries {
  /** Ledger time as a batch would get it now. */
  now(): Promise<UnixSeconds>;
  account(id: string): Promise<AccountRead | null>;
  /** Balances at the end of the second `at`, by the lines' time of effect. Zeros where the account has none. */
  balancesAt(accountId: string, at: UnixSeconds): Promise<Balances>;
  /** Balances at the end of each day between two, both included; of the present day by `now`. */
  balancesByDay(
    accountId: string,
    days: { from: UnixSeconds; to: UnixSeconds; now: UnixSeconds },
  ): Promise<DayBalances[]>;
  /** Pages of one moment: see `snapshot.ts`. */
  searchAccounts(
    filter: AccountFilter,
    page: { limit: number; cursor: AccountCursor | null },
  ): Promise<Page<AccountRead, AccountPosition>>;
  searchTransfers(
    filter: TransferFilter,
    page: { limit: number; order: LineOrder; cursor: TransferCursor | null },
  ): Promise<Page<ListedTransfer, number>>;
  /** Those before (newest first) or after (oldest first) the place `fromSeq` in the journal. */
  transfersOf(
    accountId: string,
    page: { limit: number; order: LineOrder; fromSeq: number | null },
  ): Promise<AccountLine[]>;
  transfer(id: string): Promise<TransferRead | null>;
  trialBalance(): Promise<TrialBalance[]>;
  assets(): Promise<Omit<Asset, "routes">[]>;
}

export function ledgerQueries(database: DataSource): LedgerQueries {
  const rows = (sql: string, values: unknown[]): Promise<Row[]> => database.query(sql, values);
  const accounts = async (ids: readonly string[]) =>
    (await rows(SQL.accounts.text, [ids])).map(toAccountRead);
  return {
    async now() {
      const [row] = await rows(SQL.now.text, []);
      return row?.now as UnixSeconds;
    },
    account: async (id) => (await accounts([id]))[0] ?? null,
    balancesAt: (accountId, at) => balancesAt(database, accountId, at),
    balancesByDay: (accountId, days) => balancesByDay(database, accountId, days),
    searchAccounts: (filter, page) => searchAccounts(database, filter, page),
    searchTransfers: (filter, page) => searchTransfers(database, filter, page),
    async transfersOf(accountId, { limit, order, fromSeq }) {
      const lines = await rows(SQL[order].text, [accountId, fromSeq, limit]);
      return lines.map((row) => toAccountLine(row, accountId));
    },
    async transfer(id) {
      const [row] = await rows(SQL.transfer.text, [id]);
      return row ? toTransferRead(row) : null;
    },
    async trialBalance() {
      const found = await rows(SQL.trialBalance.text, []);
      return found.map((row) => ({
        asset: row.asset as string,
        scale: row.scale as number,
        debits: row.debits as Amount,
        credits: row.credits as Amount,
      }));
    },
    assets: () => database.getRepository(AssetEntity).find({ order: { code: "ASC" } }),
  };
}

function toAccountRead(row: Row): AccountRead {
  return { ...toAccount(row), scale: row.scale as number, closedAt: row.closed_at as UnixSeconds | null };
}

function toAccountLine(row: Row, accountId: string): AccountLine {
  const line = toTransfer(row);
  const sign = line.creditAccount === accountId ? 1n : -1n;
  const { phase, amount } = line;
  const posted = phase === "single" || phase === "post" ? amount : 0n;
  const released = (row.pending_amount as Amount | null) ?? 0n;
  const pending = phase === "pending" ? amount : -released;
  return {
    ...line,
    scale: row.scale as number,
    postedEffect: sign * posted,
    pendingEffect: sign * pending,
  };
}

function toTransferRead(row: Row): TransferRead {
  const line = toTransfer(row);
  return {
    ...line,
    scale: row.scale as number,
    state: stateOf(line, row),
    resolvedBy: row.resolution_id as string | null,
    owners: [row.debit_owner as string | null, row.credit_owner as string | null],
  };
}

const STATES = { single: "posted", post: "posted", void: "voided", expire: "expired" } as const;

function stateOf(line: Transfer, row: Row): TransferState {
  if (line.phase !== "pending") return STATES[line.phase];
  const resolution = row.resolution_phase as keyof typeof STATES | null;
  if (resolution) return STATES[resolution];
  return row.due === true ? "expired" : "pending";
}
