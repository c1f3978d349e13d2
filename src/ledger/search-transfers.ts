/**
 * Transfers by account, owner, reference, code, asset, phase, state and time of
 * recording, in the order of the journal. All pages show one moment: no line
 * behind the first page, and of pending transfers the state they had then.
 */
import type { DataSource } from "typeorm";
import { DomainError, type UnixSeconds } from "#kernel";
import { toTransfer } from "./batch-load.ts";
import type { Phase } from "./model.ts";
import type { LineOrder, TransferRead, TransferState } from "./queries.ts";
import { collectPage, type Page, type Snapshot, snapshotOf, takeSnapshot } from "./snapshot.ts";
import { statement } from "./sql-text.ts";

const inBothOrders = (name: string) => ({
  newest: statement(`list-transfers-of-${name}-newest`).text,
  oldest: statement(`list-transfers-of-${name}-oldest`).text,
});
const SQL = {
  all: inBothOrders("all"),
  account: inBothOrders("account"),
  owner: inBothOrders("owner"),
  reference: inBothOrders("reference"),
  holds: inBothOrders("holds"),
  fitting: statement("list-transfers").text,
  ownerAccounts: statement("count-owner-accounts").text,
  seqAtTime: statement("read-seq-at-time").text,
} as const;

/** Each of them is looked at for a page of its owner. */
const MOST_ACCOUNTS = 10_000;

export interface TransferFilter {
  readonly account?: string | undefined;
  /** Of either account. */
  readonly owner?: string | undefined;
  readonly reference?: string | undefined;
  readonly code?: string | undefined;
  readonly asset?: string | undefined;
  readonly phase?: Phase | undefined;
  readonly state?: TransferState | undefined;
  /** Recorded then or later. */
  readonly from?: UnixSeconds | undefined;
  /** Recorded before. */
  readonly to?: UnixSeconds | undefined;
}

export interface TransferCursor {
  readonly snapshot: Snapshot;
  /** The place of the line that the page before ended with. */
  readonly position: number;
}

export type ListedTransfer = Omit<TransferRead, "owners">;

type Placed = { readonly seq: number };

/** @throws DomainError `invalid_request` where the owner has too many accounts, or the cursor is too old */
export async function searchTransfers(
  database: DataSource,
  filter: TransferFilter,
  { limit, order, cursor }: { limit: number; order: LineOrder; cursor: TransferCursor | null },
): Promise<Page<ListedTransfer, number>> {
  const snapshot = cursor?.snapshot ?? (await takeSnapshot(database));
  const path = pathOf(filter, snapshot);
  if (path.name === "owner") await assertNotTooMany(database, filter.owner ?? "");
  if (path.name === "holds" && cursor) await snapshotOf(database, snapshot);
  const seqAt = async (time: UnixSeconds) => {
    const [row]: Placed[] = await database.query(SQL.seqAtTime, [time]);
    return row?.seq ?? 0;
  };
  const first = filter.from === undefined ? 0 : await seqAt(filter.from);
  const end = Math.min(snapshot.seq, filter.to === undefined ? snapshot.seq : await seqAt(filter.to));
  const { items, next } = await collectPage<Placed, ListedTransfer, number>(
    {
      candidates: (after, most) => {
        const low = order === "oldest" && after !== null ? after + 1 : first;
        const high = order === "newest" && after !== null ? after : end;
        return database.query(SQL[path.name][order], [...path.values, low, high, most]);
      },
      fitting: (candidates) => readFitting(database, filter, snapshot, order, candidates),
      positionOf: ({ seq }) => seq,
    },
    { after: cursor?.position ?? null, limit, isSure: isSure(filter, path.name) },
  );
  return { items, snapshot, next };
}

/** By the condition that finds fewest: each of these has an index that gives its lines in the order of the journal. */
function pathOf(
  { reference, account, owner, state }: TransferFilter,
  snapshot: Snapshot,
): { name: "reference" | "account" | "owner" | "holds" | "all"; values: unknown[] } {
  if (reference !== undefined) return { name: "reference", values: [reference] };
  if (account !== undefined) return { name: "account", values: [account] };
  if (owner !== undefined) return { name: "owner", values: [owner] };
  if (state === "pending") return { name: "holds", values: [snapshot.seq] };
  return { name: "all", values: [] };
}

/** Whether whatever the path gives fits, so that a page need not look further than its length. */
function isSure(filter: TransferFilter, path: string): boolean {
  const others: (keyof TransferFilter)[] = [
    ...(["account", "owner", "reference", "code", "asset", "phase", "state"] as const),
  ];
  return others.every((name) => filter[name] === undefined || name === path);
}

async function readFitting(
  database: DataSource,
  { account, owner, code, asset, phase, state, reference }: TransferFilter,
  { seq, time }: Snapshot,
  order: LineOrder,
  candidates: readonly Placed[],
): Promise<ListedTransfer[]> {
  if (candidates.length === 0) return [];
  const conditions = [account, owner, code, asset, phase, state, reference].map((value) => value ?? null);
  const rows: Record<string, unknown>[] = await database.query(SQL.fitting, [
    ...[candidates.map((candidate) => candidate.seq), seq, time],
    ...conditions,
  ]);
  const found = rows.map((row) => ({
    ...toTransfer(row),
    scale: row.scale as number,
    state: row.state as TransferState,
    resolvedBy: row.resolution_id as string | null,
  }));
  const direction = order === "oldest" ? 1 : -1;
  return found.sort((one, other) => direction * (one.seq - other.seq));
}

async function assertNotTooMany(database: DataSource, owner: string): Promise<void> {
  const [row]: { accounts: number }[] = await database.query(SQL.ownerAccounts, [owner, MOST_ACCOUNTS + 1]);
  if ((row?.accounts ?? 0) <= MOST_ACCOUNTS) return;
  throw new DomainError(
    "invalid_request",
    `The owner has more than ${MOST_ACCOUNTS} accounts: ask by account or reference`,
    { details: { member: "owner" } },
  );
}
