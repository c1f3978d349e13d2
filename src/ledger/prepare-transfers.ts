/**
 * Reads the amounts of transfer requests with the scale of their asset. A scale
 * is known from the accounts or from the pending transfer that a request names,
 * in the ledger or earlier in the same list. Where neither is known the request
 * is bound to fail with a code, so its amount only has to be an amount.
 */
import type { DataSource } from "typeorm";
import { type Amount, DomainError, parseAmountOfAnySize } from "#kernel";
import type { TransferRequest } from "./model.ts";
import { statement } from "./sql-text.ts";

const SQL = {
  accounts: statement("read-account-scales"),
  pendings: statement("read-pending-scales"),
} as const;
const MAX_SCALE = 38;

/** A request whose amount is still text in whole units. */
export interface TransferText extends Omit<TransferRequest, "amount"> {
  readonly amount?: string | number;
}

export interface PreparedTransfer {
  readonly request: TransferRequest;
  /** False where no account and no pending transfer was there to say the asset. */
  readonly scaleKnown: boolean;
  /** Why its amount is none: thrown only when it is decided, because a request that was answered before is answered so again. */
  readonly refusal: DomainError | null;
  /** What deciding it will read. */
  readonly accounts: readonly string[];
  readonly assets: readonly string[];
}

interface Scale {
  readonly asset: string;
  readonly scale: number;
  readonly accounts: readonly string[];
}

/** @param member the list's name, for errors: "transfers" makes "transfers[3].amount" */
export async function prepareTransfers(
  database: DataSource,
  texts: readonly TransferText[],
  member: string,
): Promise<PreparedTransfer[]> {
  const scales = await readScales(database, texts);
  return texts.map((text, index) => {
    const { amount, ...rest } = text;
    const known = scalesOf(text, scales);
    const read = amount === undefined ? rest : readAmount(amount, known, `${member}[${index}].amount`);
    const refusal = read instanceof DomainError ? read : null;
    const request: TransferRequest = typeof read === "bigint" ? { ...rest, amount: read } : rest;
    if (rest.phase === "pending" && known[0] && !scales.pendings.has(rest.id))
      scales.pendings.set(rest.id, { ...known[0], accounts: accountsOf(rest) });
    return {
      request,
      scaleKnown: known.length > 0,
      refusal,
      accounts: [...accountsOf(rest), ...known.flatMap((scale) => scale.accounts)],
      assets: known.map((scale) => scale.asset),
    };
  });
}

interface Scales {
  readonly accounts: ReadonlyMap<string, Scale>;
  readonly pendings: Map<string, Scale>;
}

async function readScales(database: DataSource, texts: readonly TransferText[]): Promise<Scales> {
  const accountIds = new Set(texts.flatMap(accountsOf));
  const pendingIds = new Set(texts.flatMap(({ pendingId }) => pendingId ?? []));
  const [accounts, pendings] = await Promise.all([
    scaleRows(database, SQL.accounts.text, accountIds),
    scaleRows(database, SQL.pendings.text, pendingIds),
  ]);
  return { accounts, pendings };
}

type ScaleRow = { id: string; asset: string; scale: number; debit_account?: string; credit_account?: string };

async function scaleRows(
  database: DataSource,
  sql: string,
  ids: ReadonlySet<string>,
): Promise<Map<string, Scale>> {
  if (ids.size === 0) return new Map();
  const rows: ScaleRow[] = await database.query(sql, [[...ids]]);
  return new Map(
    rows.map(({ id, asset, scale, debit_account, credit_account }) => [
      id,
      { asset, scale, accounts: [debit_account ?? [], credit_account ?? []].flat() },
    ]),
  );
}

function accountsOf({ debitAccount, creditAccount }: TransferText): string[] {
  return [debitAccount ?? [], creditAccount ?? []].flat();
}

/** Of the pending transfer where one is named and known, else of the accounts. */
function scalesOf(text: TransferText, scales: Scales): Scale[] {
  const pending = text.pendingId === undefined ? undefined : scales.pendings.get(text.pendingId);
  if (pending) return [pending];
  return accountsOf(text).flatMap((id) => scales.accounts.get(id) ?? []);
}

/** However large, because that has a code. Of two assets that differ the finer scale: the pair fails by a code, not for its decimals. */
function readAmount(amount: string | number, known: readonly Scale[], member: string): Amount | DomainError {
  const scale =
    known.length > 0 ? Math.max(...known.map((one) => one.scale)) : Math.min(decimalsOf(amount), MAX_SCALE);
  try {
    return parseAmountOfAnySize(amount, scale, member);
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
}

function decimalsOf(amount: string | number): number {
  return /\.(\d+)$/.exec(String(amount))?.[1]?.length ?? 0;
}
