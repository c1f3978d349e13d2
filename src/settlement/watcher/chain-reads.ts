/** What was seen of a book's contracts, for whoever asks: events, entries, demands. Nothing here names a user. */
import { type Amount, formatAmount, type UnixSeconds } from "#kernel";
import { type Hex, SECTIONS, type Section } from "#proof";
import { firstRow, type Queryable, rows, SQL } from "../sql.ts";
import type { CreditedAs } from "./tables.ts";

export interface ChainPlace {
  readonly block: number;
  readonly logIndex: number;
}

/** `seen`: its block may still be taken back; `lost`: it was final, and the chain does not have it any more. */
export type EventStatus = "seen" | "final" | "lost";

export interface ChainEventView extends ChainPlace {
  readonly blockHash: Hex;
  readonly blockTime: UnixSeconds;
  readonly txHash: Hex;
  readonly contract: Hex;
  readonly event: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly status: EventStatus;
  /** Of its line in the journal; null where it has none, or none yet. */
  readonly seq: number | null;
}

export interface EntryView extends ChainPlace {
  readonly entry: number;
  readonly wallet: Hex;
  readonly asset: string;
  /** In whole units. */
  readonly amount: string;
  /** Which position was asked for; `balances` is a deposit. */
  readonly section: Section;
  readonly status: EventStatus | "credited" | "not_credited";
  readonly creditedAs: CreditedAs | null;
  readonly seq: number | null;
  readonly blockTime: UnixSeconds;
  readonly txHash: Hex;
}

export interface DemandView {
  readonly section: Section;
  readonly index: number;
  readonly key: Hex;
  readonly wallet: Hex;
  readonly asset: string;
  readonly amount: string;
  readonly due: UnixSeconds;
  readonly status: "open" | "due" | "swept" | "served";
  readonly swept: string;
  readonly sweptAt: UnixSeconds | null;
  readonly servedAt: UnixSeconds | null;
  readonly seq: number;
  readonly block: number;
  readonly txHash: Hex;
}

export interface WatcherStatus {
  readonly latestBlock: number;
  readonly seenBlock: number;
  readonly finalBlock: number;
  /** When that block was made: every event before is known. Unix seconds; 0 before the first look. */
  readonly finalTime: UnixSeconds;
  /** All that was final by then, 64 blocks deep or as deep as the watcher waits, has its line. Unix seconds; 0: nobody knows. */
  readonly completeTime: UnixSeconds;
  /** Unix milliseconds of the last look that reached the node; 0 before the first. */
  readonly lookedAtMs: number;
  /** Events that are seen and not final. */
  readonly waiting: number;
  /** Events that were final and that the chain does not have any more. */
  readonly lost: number;
  readonly lastEntry: number;
  readonly openDemands: number;
  /** Unix seconds; null where none is open. */
  readonly oldestDue: UnixSeconds | null;
  readonly frozen: boolean;
  /** That it was is seen, in a block that is not final. */
  readonly freezing: boolean;
}

export interface ChainReads {
  /** Null before the first look. */
  status(): Promise<WatcherStatus | null>;
  /** Oldest first, behind a place. */
  events(wanted: {
    event: string | null;
    after: ChainPlace | null;
    limit: number;
  }): Promise<ChainEventView[]>;
  /** Newest first, before a place. */
  entries(wanted: { wallet: Hex | null; before: ChainPlace | null; limit: number }): Promise<EntryView[]>;
  /** Newest first, below a line. */
  demands(wanted: { open: boolean | null; below: number | null; limit: number }): Promise<DemandView[]>;
}

export function createChainReads(db: Queryable, book: number): ChainReads {
  return {
    status: () => watcherStatus(db, book),
    async events({ event, after, limit }) {
      const place = [after?.block ?? -1, after?.logIndex ?? -1];
      return (await rows<EventRecord>(db, SQL.chainEvents, [book, event, ...place, limit])).map(eventView);
    },
    async entries({ wallet, before, limit }) {
      const place = [before?.block ?? Number.MAX_SAFE_INTEGER, before?.logIndex ?? 0];
      return (await rows<EntryRecord>(db, SQL.chainEntries, [book, wallet, ...place, limit])).map(entryView);
    },
    async demands({ open, below, limit }) {
      const values = [book, open, below ?? Number.MAX_SAFE_INTEGER, limit];
      return (await rows<DemandRecord>(db, SQL.exitDemands, values)).map(demandView);
    },
  };
}

/** Of a ledger without contracts: nothing was ever seen. */
export function noChainReads(): ChainReads {
  const none = async () => [];
  return { status: async () => null, events: none, entries: none, demands: none };
}

interface StatusRecord {
  latest_block: number;
  seen_block: number;
  final_block: number;
  final_time: number;
  complete_time: number;
  looked_at_ms: number;
  waiting: number;
  lost: number;
  last_entry: number;
  open_demands: number;
  oldest_due: number | null;
  frozen: boolean;
  freezing: boolean;
}

export async function watcherStatus(db: Queryable, book: number): Promise<WatcherStatus | null> {
  const row = await firstRow<StatusRecord>(db, SQL.watchStatus, [book]);
  return row
    ? {
        latestBlock: row.latest_block,
        seenBlock: row.seen_block,
        finalBlock: row.final_block,
        finalTime: row.final_time,
        completeTime: row.complete_time,
        lookedAtMs: row.looked_at_ms,
        waiting: row.waiting,
        lost: row.lost,
        lastEntry: row.last_entry,
        openDemands: row.open_demands,
        oldestDue: row.oldest_due,
        frozen: row.frozen,
        freezing: row.freezing,
      }
    : null;
}

interface EventRecord {
  block: number;
  block_hash: Hex;
  block_time: number;
  tx_hash: Hex;
  log_index: number;
  contract: Hex;
  event: string;
  args: Record<string, unknown>;
  final: boolean;
  lost: boolean;
  seq: number | null;
}

function eventView(row: EventRecord): ChainEventView {
  return {
    ...{ block: row.block, blockHash: row.block_hash, blockTime: row.block_time, txHash: row.tx_hash },
    ...{ logIndex: row.log_index, contract: row.contract, event: row.event, args: row.args, seq: row.seq },
    status: row.lost ? "lost" : row.final ? "final" : "seen",
  };
}

interface EntryRecord {
  entry: number;
  depositor: Hex;
  amount: Amount;
  section: number;
  block: number;
  block_time: number;
  tx_hash: Hex;
  log_index: number;
  lost: boolean;
  seq: number | null;
  credited_as: CreditedAs | null;
  scale: number;
  asset: string;
}

function entryView(row: EntryRecord): EntryView {
  const recorded = row.credited_as === "nothing" ? "not_credited" : row.credited_as && "credited";
  return {
    ...{ entry: row.entry, wallet: row.depositor, asset: row.asset, section: sectionOf(row.section) },
    amount: formatAmount(row.amount, row.scale),
    status: row.lost ? "lost" : (recorded ?? "seen"),
    ...{ creditedAs: row.credited_as, seq: row.seq, block: row.block, blockTime: row.block_time },
    ...{ txHash: row.tx_hash, logIndex: row.log_index },
  };
}

interface DemandRecord {
  section: number;
  index: number;
  key: Hex;
  owner: Hex;
  amount: Amount;
  due: number;
  swept: Amount;
  swept_at: number | null;
  served_at: number | null;
  seq: number;
  block: number;
  tx_hash: Hex;
  is_due: boolean;
  scale: number;
  asset: string;
}

function demandView(row: DemandRecord): DemandView {
  const open = row.swept_at !== null ? "swept" : row.is_due ? "due" : "open";
  return {
    ...{
      section: sectionOf(row.section),
      index: row.index,
      key: row.key,
      wallet: row.owner,
      asset: row.asset,
    },
    ...{ amount: formatAmount(row.amount, row.scale), swept: formatAmount(row.swept, row.scale) },
    ...{ due: row.due, status: row.served_at !== null ? "served" : open, sweptAt: row.swept_at },
    ...{ servedAt: row.served_at, seq: row.seq, block: row.block, txHash: row.tx_hash },
  };
}

function sectionOf(number: number): Section {
  const section = SECTIONS[number];
  if (!section) throw new Error(`there is no section ${number}`);
  return section;
}
