/**
 * Demands of owners who leave on-chain: what their events do to the books, and the sweep of those that are due, which is
 * repeated before each closing of an epoch until the chain says that the demand is served.
 */
import type { Pool } from "pg";
import type { Log } from "#infra";
import type { Amount, UnixSeconds } from "#kernel";
import { EXIT_SWEEP, type Unit, type View } from "#ledger";
import { type Hex, toChecksumAddress, toHex } from "#proof";
import type { BookRow } from "../model.ts";
import { rows, SQL } from "../sql.ts";
import {
  amountText,
  type FinalEvent,
  type KnownPosition,
  type Recording,
  type RecordingParts,
  recording,
  TREASURY_USER,
} from "./record-events.ts";
import { type DemandRow, demandTable } from "./tables.ts";

const PAGE = 200;

export function demandUnit(parts: RecordingParts, event: FinalEvent, position: KnownPosition): Recording {
  const { book } = parts;
  const key = demandKey(book, event);
  const reads = { ...readsOf(position), rows: [{ table: demandTable, key }] };
  const { account } = position;
  return recording(parts, event, { name: "demand", account, reads }, (view, seq) => {
    if (toHex(position.key) !== event.key)
      throw new Error(`the demand for ${event.key} is for another position`);
    const demand: DemandRow = {
      ...{ book: book.id, section: event.section, index: event.index, seq, account, key: event.key },
      ...{ owner: event.owner, amount: event.amount, due: event.due, block: event.block },
      ...{ swept: 0n, sweptAt: null, sweptSeq: null, servedAt: null, servedSeq: null },
    };
    view.putRow(demandTable, demand);
    tellOfDemand(view, "exit.demanded", { parts, demand, position, txHash: event.tx_hash });
  });
}

export function servedUnit(parts: RecordingParts, event: FinalEvent, position: KnownPosition): Recording {
  const key = demandKey(parts.book, event);
  const reads = { ...readsOf(position), rows: [{ table: demandTable, key }] };
  return recording(parts, event, { name: "served", account: position.account, reads }, (view, seq) => {
    const demand = view.row(demandTable, key);
    if (!demand)
      throw new Error(`the chain says that a demand for ${event.key} was served, and none is open`);
    view.putRow(demandTable, { ...demand, servedAt: view.now, servedSeq: seq });
    tellOfDemand(view, "exit.served", { parts, demand, position, txHash: event.tx_hash });
  });
}

/** A due demand, and what is held from its account. */
interface DueDemand {
  readonly section: number;
  readonly index: number;
  readonly account: string;
  readonly due: UnixSeconds;
  readonly seq: number;
  readonly holds: readonly string[];
}

/** Voids what is held from the position and moves all of it into its owner's payouts. Answers the amount, as decimal text of base units. */
function sweepUnit(parts: RecordingParts, due: DueDemand): Unit<string> {
  const { book, ids, effects } = parts;
  const key = demandKey(book, due);
  const voids = due.holds.map((pendingId) => ({ id: ids.uuid(), phase: "void", pendingId }) as const);
  const transferId = ids.uuid();
  const end = effects.ending();
  return {
    name: "settlement.sweep",
    bulk: true,
    weight: 2 + voids.length,
    reads: {
      ...readsOf(due),
      assets: [book.asset],
      pendings: due.holds,
      transfers: voids.map(({ id }) => id),
      rows: [{ table: demandTable, key }],
    },
    decide(view) {
      const demand = view.row(demandTable, key);
      // Served since it was found to be due, maybe in this very batch: what came in behind it is the owner's own again.
      if (!demand || demand.servedAt !== null || demand.due > view.now) return "0";
      // What is resolved meanwhile, or has run out, holds nothing any more.
      view.tryTransfers(
        voids.filter(({ pendingId }) => view.hold(pendingId) !== null),
        "program",
      );
      const account = view.account(demand.account);
      if (!account || account.debitsPending > 0n) throw new Error(`${demand.account} cannot be swept`);
      const amount = account.creditsPosted - account.debitsPosted;
      if (amount === 0n) return "0";
      end(view, account);
      const user = account.owner ?? TREASURY_USER;
      const swept = view.move({
        ...{ id: transferId, debitAccount: account.id, amount, code: EXIT_SWEEP },
        creditAccount: effects.payoutsOf(view, book.asset, user),
      });
      const after = { ...demand, swept: demand.swept + amount, sweptAt: view.now, sweptSeq: swept.seq };
      view.putRow(demandTable, after);
      tellOfDemand(view, "exit.swept", { parts, demand: after, position: account, amount });
      return `${amount}`;
    },
  };
}

function tellOfDemand(
  view: View,
  type: "exit.demanded" | "exit.swept" | "exit.served",
  told: {
    readonly parts: RecordingParts;
    readonly demand: DemandRow;
    readonly position: { readonly owner: string | null };
    readonly amount?: Amount;
    readonly txHash?: Hex;
  },
): void {
  const { demand, position, amount = demand.amount, txHash } = told;
  const { asset } = told.parts.book;
  view.emit({
    type,
    subject: position.owner,
    data: {
      ...{ section: demand.section, index: demand.index, key: demand.key, asset },
      wallet: toChecksumAddress(demand.owner),
      ...{ amount: amountText(view, asset, amount), due: demand.due, user_id: position.owner },
      ...(txHash === undefined ? {} : { tx_hash: txHash }),
    },
  });
}

function demandKey({ id }: BookRow, { section, index }: { section: number; index: number }) {
  return { book: id, section, index };
}

function readsOf({ account }: { readonly account: string }) {
  return { accounts: [account], positions: [account] };
}

export interface SweepParts {
  readonly pool: Pool;
  readonly log: Log;
  readonly recording: RecordingParts;
  /** Default 200. */
  readonly pageSize?: number | undefined;
  /** After each that moved something. */
  readonly swept: () => Promise<void>;
}

/** @returns how many moved something */
export async function sweepDueDemands(parts: SweepParts): Promise<number> {
  let swept = 0;
  let after: Pick<DueDemand, "due" | "seq"> = { due: -1, seq: -1 };
  for (;;) {
    const place = [parts.recording.book.id, after.due, after.seq, parts.pageSize ?? PAGE];
    const due = await rows<DueDemand>(parts.pool, SQL.dueDemands, place);
    for (const demand of due) if (await sweep(parts, demand)) swept += 1;
    const last = due.at(-1);
    if (!last) return swept;
    // Each is tried once, so that those which cannot be swept keep none behind them in.
    after = last;
  }
}

/** One that cannot be swept must not keep the others in. */
async function sweep({ log, recording: parts, swept }: SweepParts, demand: DueDemand): Promise<boolean> {
  const fields = { section: demand.section, index: demand.index };
  try {
    const { value: amount } = await parts.effects.submit(sweepUnit(parts, demand));
    if (amount === "0") return false;
    log.info({ ...fields, amount }, "a due demand was swept");
  } catch (err) {
    const what = "a due demand cannot be swept; unserved, it will freeze the book";
    log.error({ err, ...fields, alarm: true }, what);
    return false;
  }
  await swept();
  return true;
}
