/**
 * How many epochs may wait to become final. The registry takes a 513th no more,
 * so none is closed beyond that: what is written meanwhile comes into the next
 * one. Whoever settles so often that epochs wait for their window alone would
 * stop there for good, and is told so at the start.
 */
import { toRfc3339, type UnixSeconds } from "#kernel";
import type { BookRow, EpochView } from "./model.ts";
import { firstRow, type Queryable, SQL } from "./sql.ts";
import type { WatcherStatus } from "./watcher/chain-reads.ts";

/** As the registry counts. */
export const MOST_WAITING = 512;

/** Why no epoch is closed now, and what to do, for an operator; null where one may be. */
export async function whyNotClosing(
  db: Queryable,
  book: BookRow,
  mostWaiting: number,
): Promise<string | null> {
  const frozen = await whyFrozen(db, book);
  if (frozen !== null) return frozen;
  const row = await firstRow<{ waiting: number; vetoed: number | null }>(db, SQL.waitingEpochs, [book.id]);
  if (row && row.vetoed !== null)
    return `epoch ${row.vetoed} was vetoed; ask whoever did it why, then give its number free (anchorbook settle --release)`;
  if (row && row.waiting >= mostWaiting)
    return `${row.waiting} epochs wait to become final: for the chain, their windows or their attesters`;
  return null;
}

export interface SeenFreeze {
  /** Where it is not, the chain may take it back. */
  readonly final: boolean;
  readonly block: number;
  /** The epoch that stays the last final one. */
  readonly last_final: number;
}

export function seenFreeze(db: Queryable, { id }: Pick<BookRow, "id">): Promise<SeenFreeze | undefined> {
  return firstRow<SeenFreeze>(db, SQL.watchFrozen, [id]);
}

/** Null where no freeze was seen. The registry takes nothing from the freeze on, however deep it lies. */
export async function whyFrozen(db: Queryable, book: BookRow): Promise<string | null> {
  const freeze = await seenFreeze(db, book);
  return freeze
    ? `the book is frozen on-chain at epoch ${freeze.last_final}: nothing settles any more`
    : null;
}

/** What a run has left behind. */
export interface AfterRun {
  /** The newest epoch. */
  readonly epoch: Pick<EpochView, "epoch" | "journalSize" | "status"> | null;
  /** Whether it is what it was before the run. */
  readonly isSame: boolean;
  /** Lines that there were before the run. */
  readonly lines: number;
  /** Why the run closed nothing. */
  readonly heldBack: string | null;
  readonly isStopping: boolean;
}

/**
 * Whether something waits that the run should have settled, and why; null where all of it is on the chain or on its way.
 * Where nothing waits it does not matter that nothing could be closed.
 */
export async function whyLeft(
  db: Queryable,
  book: BookRow,
  { epoch, isSame, lines, heldBack, isStopping }: AfterRun,
  mostWaiting: number,
): Promise<{ readonly why: string | null } | null> {
  // The run itself may have found the veto, or the freeze.
  const why = async () => heldBack ?? (await whyNotClosing(db, book, mostWaiting));
  const isDropped = epoch?.status === "vetoed" || epoch?.status === "cancelled";
  if ((epoch?.journalSize ?? 0) < lines || isDropped) return { why: await why() };
  if ((epoch?.epoch ?? 0) > ((await seenFreeze(db, book))?.last_final ?? Number.POSITIVE_INFINITY))
    return { why: await why() };
  if (heldBack !== null && ((await demandWantsEpoch(db, book)) || (await whyNotSwept(db, book)) !== null))
    return { why: heldBack };
  if (epoch?.status !== "built" && epoch?.status !== "sent") return null;
  if (isStopping) return { why: "the server is stopping; what is closed goes on with its next start" };
  // Where it is another one than before, it is on its way.
  const kept = isSame ? await why() : null;
  return kept === null ? null : { why: kept };
}

/** A demand is served by an epoch that was committed after it, which there may be no other reason to make. */
export async function demandWantsEpoch(db: Queryable, { id }: BookRow): Promise<boolean> {
  return (await firstRow<{ wanted: boolean }>(db, SQL.demandWantsEpoch, [id]))?.wanted === true;
}

/**
 * Why no epoch is closed although one may be: who demanded to leave would find it with what is theirs still in their
 * position, for ever, and no attester signs that. Null where all that is due was swept a moment ago.
 */
export async function whyNotSwept(db: Queryable, book: BookRow): Promise<string | null> {
  const left = await firstRow<{ section: number; index: number }>(db, SQL.unsweptDemand, [book.id]);
  if (!left) return null;
  return `the demand for position ${left.index} of section ${left.section} is due and could not be swept`;
}

/**
 * An epoch has to have what was final on the chain an hour before it closed, or auditors call it a lie. A quarter of it is
 * kept for clocks that differ, and for a closing that takes long.
 */
const KNOWN_WITHIN_SECONDS = 2_700;

/** Up to when all that was final on the chain has its line; why no epoch may be closed at `closedAt`, or null. */
export async function whyNotKnown(
  db: Queryable,
  book: BookRow,
  closedAt: UnixSeconds,
): Promise<string | null> {
  const known = await firstRow<{ complete_time: number; lost: number }>(db, SQL.watchCompleteness, [book.id]);
  if (!known || known.complete_time === 0) return "what happened on the chain is not known so far";
  if (known.lost > 0) return `${known.lost} events that were final are not on the chain any more`;
  if (!isBehind(known.complete_time, closedAt)) return null;
  return `what was final on the chain after ${toRfc3339(known.complete_time)} is not known so far`;
}

/** Whether the watcher is so far behind that no epoch is closed. */
export function isBehind(completeTime: UnixSeconds, now: UnixSeconds): boolean {
  return now - completeTime > KNOWN_WITHIN_SECONDS;
}

/** A block that was final at a look longer ago is not the newest final one. */
const LOOKED_WITHIN_MS = 300_000;

/**
 * As of which block a wallet's contract is asked; null where none will do: auditors take no wallet's word as of an old
 * state. A node that is stuck, or a chain that finalizes nothing, is looked at as often as ever.
 */
export function blockForWallets(
  status: Pick<WatcherStatus, "finalBlock" | "completeTime" | "lookedAtMs"> | null,
  nowMs: number,
): number | null {
  if (!status || nowMs - status.lookedAtMs >= LOOKED_WITHIN_MS) return null;
  return isBehind(status.completeTime, Math.floor(nowMs / 1_000)) ? null : status.finalBlock;
}

/**
 * The shortest time between two scheduled settlements.
 * @param windowSeconds of the registry; 0 allows any
 */
export function shortestIntervalSeconds(windowSeconds: number): number {
  return Math.ceil(windowSeconds / MOST_WAITING);
}
