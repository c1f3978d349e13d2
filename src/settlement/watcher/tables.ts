/** The watcher's tables as the ledger's writer sees them: written in the batch of the line that they speak of. */
import type { Amount, UnixSeconds } from "#kernel";
import { column, columns, type RowTable } from "#ledger";
import type { Hex } from "#proof";
import { SQL } from "../sql.ts";

/** Whether an event has its line. */
export interface EventRow {
  readonly book: number;
  readonly txHash: Hex;
  readonly logIndex: number;
  readonly block: number;
  readonly final: boolean;
  /** Its place in the journal. */
  readonly seq: number | null;
}

export const eventTable: RowTable<EventRow, { book: number; tx_hash: string; log_index: number }> = {
  name: "chain_event",
  load: {
    sql: SQL.loadChainEvents,
    parameters: columns(
      column.int((key) => key.book),
      column.text((key) => key.tx_hash),
      column.int((key) => key.log_index),
    ),
  },
  save: {
    sql: SQL.saveChainEvents,
    parameters: columns(
      column.int((row) => row.book),
      column.text((row) => row.txHash),
      column.int((row) => row.logIndex),
      column.boolean((row) => row.final),
      column.int((row) => row.seq),
    ),
  },
  keyOf: (row) => ({ book: row.book, tx_hash: row.txHash, log_index: row.logIndex }),
  decode: (r) => ({
    book: r.book as number,
    txHash: r.tx_hash as Hex,
    logIndex: r.log_index as number,
    block: r.block as number,
    final: r.final as boolean,
    seq: r.seq as number | null,
  }),
};

export type CreditedAs = "available" | "lock" | "stake" | "reservation" | "nothing";

/** A direct entry that has its line, and what became of it. */
export interface EntryRow {
  readonly book: number;
  /** Its number in the book's one sequence, from 1. */
  readonly entry: number;
  readonly txHash: Hex;
  readonly logIndex: number;
  readonly seq: number;
  readonly depositor: Hex;
  readonly amount: Amount;
  /** Whose it is now; null with `nothing`, in a frozen book. */
  readonly ownerId: string | null;
  readonly creditedAs: CreditedAs;
  readonly holdingId: string | null;
}

export const entryTable: RowTable<EntryRow, { book: number; entry: number }> = {
  name: "chain_entry",
  load: {
    sql: SQL.loadChainEntries,
    parameters: columns(
      column.int((key) => key.book),
      column.int((key) => key.entry),
    ),
  },
  save: {
    sql: SQL.saveChainEntries,
    parameters: columns(
      column.int((row) => row.book),
      column.int((row) => row.entry),
      column.text((row) => row.txHash),
      column.int((row) => row.logIndex),
      column.int((row) => row.seq),
      column.text((row) => row.depositor),
      column.amount((row) => row.amount),
      column.text((row) => row.ownerId),
      column.text((row) => row.creditedAs),
      column.text((row) => row.holdingId),
    ),
  },
  keyOf: (row) => ({ book: row.book, entry: row.entry }),
  decode: (r) => ({
    book: r.book as number,
    entry: r.entry as number,
    txHash: r.tx_hash as Hex,
    logIndex: r.log_index as number,
    seq: r.seq as number,
    depositor: r.depositor as Hex,
    amount: r.amount as bigint,
    ownerId: r.owner_id as string | null,
    creditedAs: r.credited_as as CreditedAs,
    holdingId: r.holding_id as string | null,
  }),
};

/** An owner's demand to leave on-chain with a position. */
export interface DemandRow {
  readonly book: number;
  /** By number. */
  readonly section: number;
  readonly index: number;
  /** Of its line. */
  readonly seq: number;
  readonly account: string;
  readonly key: Hex;
  readonly owner: Hex;
  /** In the leaf that was demanded with. */
  readonly amount: Amount;
  readonly due: UnixSeconds;
  readonly block: number;
  /** Moved into the owner's payouts so far. */
  readonly swept: Amount;
  readonly sweptAt: UnixSeconds | null;
  readonly sweptSeq: number | null;
  /** When the chain's word came that it is served; null while it is open. */
  readonly servedAt: UnixSeconds | null;
  readonly servedSeq: number | null;
}

export const demandTable: RowTable<DemandRow, { book: number; section: number; index: number }> = {
  name: "exit_demand",
  load: {
    sql: SQL.loadExitDemands,
    parameters: columns(
      column.int((key) => key.book),
      column.int((key) => key.section),
      column.int((key) => key.index),
    ),
  },
  save: {
    sql: SQL.saveExitDemands,
    parameters: columns(
      column.int((row) => row.book),
      column.int((row) => row.section),
      column.int((row) => row.index),
      column.int((row) => row.seq),
      column.uuid((row) => row.account),
      column.text((row) => row.key),
      column.text((row) => row.owner),
      column.amount((row) => row.amount),
      column.int((row) => row.due),
      column.int((row) => row.block),
      column.amount((row) => row.swept),
      column.int((row) => row.sweptAt),
      column.int((row) => row.sweptSeq),
      column.int((row) => row.servedAt),
      column.int((row) => row.servedSeq),
    ),
  },
  keyOf: (row) => ({ book: row.book, section: row.section, index: row.index }),
  decode: (r) => ({
    book: r.book as number,
    section: r.section as number,
    index: r.index as number,
    seq: r.seq as number,
    account: r.account as string,
    key: r.key as Hex,
    owner: r.owner as Hex,
    amount: r.amount as bigint,
    due: r.due as number,
    block: r.block as number,
    swept: r.swept as bigint,
    sweptAt: r.swept_at as number | null,
    sweptSeq: r.swept_seq as number | null,
    servedAt: r.served_at as number | null,
    servedSeq: r.served_seq as number | null,
  }),
};
