/**
 * Accounts by what they are: owner, asset, role, reference, time of opening, open or closed. Their
 * balances are those of one moment on all pages: what has moved since the first
 * page is taken back, so that the pages of all accounts add up to a trial balance.
 */
import type { DataSource } from "typeorm";
import type { UnixSeconds } from "#kernel";
import { toAccount } from "./batch-load.ts";
import type { AccountRole } from "./model.ts";
import type { AccountRead } from "./queries.ts";
import { collectPage, type Page, type Snapshot, snapshotOf, takeSnapshot } from "./snapshot.ts";
import { statement } from "./sql-text.ts";

const SQL = {
  all: statement("list-accounts-of-all").text,
  owner: statement("list-accounts-of-owner").text,
  reference: statement("list-accounts-of-reference").text,
  system: statement("list-accounts-of-system").text,
  asOf: statement("read-accounts-as-of").text,
} as const;

export interface AccountFilter {
  readonly owner?: string | undefined;
  readonly asset?: string | undefined;
  readonly role?: AccountRole | undefined;
  readonly reference?: string | undefined;
  readonly closed?: boolean | undefined;
  /** Opened at this time or later. */
  readonly from?: UnixSeconds | undefined;
  /** Opened before this time. */
  readonly to?: UnixSeconds | undefined;
}

/** A place in any order that accounts are listed in. */
export interface AccountPosition {
  readonly asset: string;
  readonly role: string;
  readonly id: string;
}

export interface AccountCursor {
  readonly snapshot: Snapshot;
  readonly position: AccountPosition;
}

interface Candidate extends AccountPosition {
  readonly owner: string | null;
  readonly reference: string | null;
  readonly created_at: UnixSeconds;
  readonly closing_seq: number | null;
}

const FIRST_ID = "00000000-0000-0000-0000-000000000000";
const ONE_AN_ASSET: ReadonlySet<string> = new Set(["treasury", "issuance", "custody", "revenue", "burned"]);

export async function searchAccounts(
  database: DataSource,
  filter: AccountFilter,
  { limit, cursor }: { limit: number; cursor: AccountCursor | null },
): Promise<Page<AccountRead, AccountPosition>> {
  const snapshot = cursor ? await snapshotOf(database, cursor.snapshot) : await takeSnapshot(database);
  const source = {
    candidates: (after: AccountPosition | null, most: number): Promise<Candidate[]> =>
      database.query(...candidatesOf(filter, after, most)),
    fitting: async (candidates: readonly Candidate[]) =>
      candidates.filter((candidate) => fits(candidate, filter, snapshot)),
    positionOf: ({ asset, role, id }: AccountPosition): AccountPosition => ({ asset, role, id }),
  };
  const { items, next } = await collectPage<Candidate, Candidate, AccountPosition>(source, {
    ...{ after: cursor?.position ?? null, limit },
    isSure: Object.values(filter).every((value) => value === undefined),
  });
  const found = await readAsOf(
    database,
    items.map(({ id }) => id),
    snapshot,
  );
  return { items: items.flatMap(({ id }) => found.get(id) ?? []), snapshot, next };
}

/** By the condition that finds fewest: each of these is the order of an index. */
function candidatesOf(
  { owner, role, reference }: AccountFilter,
  after: AccountPosition | null,
  limit: number,
): [sql: string, values: unknown[]] {
  const id = after?.id ?? FIRST_ID;
  // First, because a page ends with the place of what was looked at, and an owner may see its own alone.
  if (owner !== undefined) return [SQL.owner, [owner, after?.asset ?? "", after?.role ?? "", id, limit]];
  if (reference !== undefined) return [SQL.reference, [reference, id, limit]];
  if (role !== undefined && ONE_AN_ASSET.has(role)) return [SQL.system, [role, after?.asset ?? "", limit]];
  return [SQL.all, [id, limit]];
}

/** An account of a later second than the first page was opened behind it. */
function fits(account: Candidate, filter: AccountFilter, { seq, time }: Snapshot): boolean {
  const closed = account.closing_seq !== null && account.closing_seq < seq;
  return (
    account.created_at <= time &&
    account.created_at >= (filter.from ?? account.created_at) &&
    account.created_at < (filter.to ?? account.created_at + 1) &&
    (filter.owner ?? account.owner) === account.owner &&
    (filter.asset ?? account.asset) === account.asset &&
    (filter.role ?? account.role) === account.role &&
    (filter.reference ?? account.reference) === account.reference &&
    (filter.closed ?? closed) === closed
  );
}

async function readAsOf(
  database: DataSource,
  ids: readonly string[],
  { seq, time }: Snapshot,
): Promise<Map<string, AccountRead>> {
  if (ids.length === 0) return new Map();
  const rows: Record<string, unknown>[] = await database.query(SQL.asOf, [ids, seq, time]);
  return new Map(
    rows.map((row) => [
      row.id as string,
      {
        ...toAccount(row),
        scale: row.scale as number,
        closedAt: row.closed_at as UnixSeconds | null,
      },
    ]),
  );
}
