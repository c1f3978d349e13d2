/**
 * Takes in the entries of somebody else's journal: each becomes a transfer
 * between an account of its name and one counterparty account of the import, at
 * the day it happened. Ids derive from the entry's own id, so that importing
 * again, or going on after a kill, adds nothing twice.
 */
import { createHash } from "node:crypto";
import type { DataSource } from "typeorm";
import { type Amount, DomainError, SECONDS_PER_DAY, type UnixSeconds } from "#kernel";
import { uuidOfHash } from "./account-id.ts";
import type { Ledger } from "./ledger.ts";
import type { Account, TransferRequest } from "./model.ts";
import { statement } from "./sql-text.ts";
import type { Idempotency, Unit, View } from "./unit.ts";

const SQL = { dayBalances: statement("load-day-balances") } as const;

export interface ImportEntry {
  /** Where it stands in its source; comes back with an error. */
  readonly line: number;
  /** Unique within the asset's imports. */
  readonly id: string;
  /** The source's name of the account. */
  readonly account: string;
  readonly direction: "credit" | "debit";
  readonly amount: Amount;
  readonly effectiveAt: UnixSeconds;
  readonly code: string;
}

export type ImportResult = {
  readonly lines: number;
  readonly imported: number;
  /** There already, exactly so. */
  readonly skipped: number;
  readonly errors: { readonly line: number; readonly reason: string }[];
};

const COUNTERPARTY = "import:counterparty";

/** The id of an imported account, for reads. */
export function importedAccountId(ledger: Ledger, asset: string, account: string): string {
  return ledger.accountId({ asset, role: "general", owner: null, reference: `import:account:${account}` });
}

/** One slice of a journal, at most a batch's bulk share. Good entries are kept, bad ones come back with a reason. */
export function importUnit(
  ledger: Ledger,
  asset: string,
  entries: readonly ImportEntry[],
  idempotency?: Idempotency,
): Unit<ImportResult> {
  const counterparty = ledger.accountId({ asset, role: "general", owner: null, reference: COUNTERPARTY });
  const accounts = new Map(
    entries.map((entry) => [entry.account, importedAccountId(ledger, asset, entry.account)]),
  );
  const ids = entries.map((entry) => transferId(asset, entry.id));
  return {
    name: "import",
    idempotency,
    bulk: true,
    weight: entries.length,
    reads: { assets: [asset], accounts: [...accounts.values(), counterparty], transfers: ids },
    decide(view) {
      assertTakesImports(view, asset);
      open(view, counterparty, asset, COUNTERPARTY);
      for (const [name, id] of accounts) open(view, id, asset, `import:account:${name}`);
      const results = view.tryTransfers(
        entries.map((entry, place): TransferRequest => {
          const id = accounts.get(entry.account) ?? "";
          const [debitAccount, creditAccount] =
            entry.direction === "debit" ? [id, counterparty] : [counterparty, id];
          const { amount, effectiveAt, code } = entry;
          return {
            id: ids[place] ?? "",
            debitAccount,
            creditAccount,
            amount,
            effectiveAt,
            code,
            reference: entry.id,
          };
        }),
      );
      const errors = results.flatMap(({ code }, place) =>
        code === "ok" || code === "exists" ? [] : [{ line: entries[place]?.line ?? 0, reason: code }],
      );
      const imported = results.filter(({ code }) => code === "ok").length;
      return { lines: entries.length, imported, skipped: entries.length - imported - errors.length, errors };
    },
  };
}

/** Somebody else's books may go below zero anywhere, which a capped asset or a program's does not allow. */
function assertTakesImports(view: View, code: string): void {
  const asset = view.asset(code);
  if (!asset) throw new DomainError("not_found", `There is no asset ${code}; create it first`);
  if (asset.program === null && asset.supplyCap === null && asset.routes.has("general>general")) return;
  throw new DomainError(
    "invalid_request",
    `${code} cannot take an import: it has a supply cap, belongs to a program, or is not transferable; import into another asset`,
    { details: [{ member: "asset", reason: "takes no imports" }] },
  );
}

function open(view: View, id: string, asset: string, reference: string): void {
  if (view.account(id)) return;
  const balances = { debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n };
  const account: Account = {
    ...{ id, asset, role: "general", owner: null, reference, metadata: null },
    ...{ closed: false, exitDemanded: false },
    // Somebody else's books are taken as they are, overdrafts included.
    ...{ debitAllowance: null, creditAllowance: null },
    ...balances,
    createdAt: view.now,
  };
  view.openAccountWithId(account);
}

function transferId(asset: string, id: string): string {
  return uuidOfHash(
    createHash("sha256")
      .update(JSON.stringify(["import", asset, id]))
      .digest(),
  );
}

export interface DayBalance {
  readonly account: string;
  /** Midnight UTC at which the day begins. */
  readonly day: UnixSeconds;
  readonly balance: Amount;
}

/** End-of-day balances of accounts, on each day that moved them, in order of account and day. */
export async function dayBalances(
  database: DataSource,
  accountIds: readonly string[],
): Promise<DayBalance[]> {
  const rows: { account: string; day: number; balance: Amount }[] = await database.query(
    SQL.dayBalances.text,
    [accountIds],
  );
  return rows.map((row) => ({ ...row, day: row.day * SECONDS_PER_DAY }));
}
