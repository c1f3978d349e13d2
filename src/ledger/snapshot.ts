/**
 * Lists that show one moment, page after page, without holding a transaction
 * open: the first page notes where the journal stands, and every later one shows
 * what was true there. What is looked for by a condition without an index of its
 * own is looked for in a bounded number of entries a page; a page may therefore
 * hold fewer items than asked for, or none, and still say where it goes on.
 */
import type { DataSource } from "typeorm";
import { DomainError, type UnixSeconds } from "#kernel";
import { statement } from "./sql-text.ts";

const READ_SNAPSHOT = statement("read-snapshot").text;

/** Entries that one page looks at, at most. */
const MOST_LOOKED_AT = 10_000;
/** Lines since the first page that can still be taken back from a balance; one hot account could have all of them. */
const MOST_LINES_SINCE = 2_000_000;

export interface Snapshot {
  /** Lines below this place are seen. */
  readonly seq: number;
  /** What was due by then is over. */
  readonly time: UnixSeconds;
}

export interface Page<T, Position> {
  readonly items: readonly T[];
  readonly snapshot: Snapshot;
  /** Where the next page goes on; null behind the last one. */
  readonly next: Position | null;
}

/** The journal as it stands now. */
export async function takeSnapshot(database: DataSource): Promise<Snapshot> {
  const [row]: Snapshot[] = await database.query(READ_SNAPSHOT);
  if (!row) throw new Error("this ledger has no journal head");
  return row;
}

/**
 * The moment of a cursor, which anybody can make up: of one in the future all holds would be due, and looked at for
 * every account.
 * @throws DomainError `invalid_request` where too much has happened since
 */
export async function snapshotOf(database: DataSource, { seq, time }: Snapshot): Promise<Snapshot> {
  const now = await takeSnapshot(database);
  if (seq <= now.seq && now.seq - seq <= MOST_LINES_SINCE) return { seq, time: Math.min(time, now.time) };
  throw new DomainError("invalid_request", "The cursor is too old: begin again at the first page", {
    details: { member: "cursor" },
  });
}

export interface Source<Candidate, T, Position> {
  /** The next `limit` entries behind a position, in the list's order; fewer only where there are no more. */
  candidates(after: Position | null, limit: number): Promise<Candidate[]>;
  /** Those of them that fit, in the same order. */
  fitting(candidates: readonly Candidate[]): Promise<readonly T[]>;
  positionOf(item: Candidate | T): Position;
}

/** @param isSure whether every candidate fits, so that none too many is asked for */
export async function collectPage<Candidate, T, Position>(
  source: Source<Candidate, T, Position>,
  { after, limit, isSure }: { after: Position | null; limit: number; isSure: boolean },
): Promise<{ items: T[]; next: Position | null }> {
  const items: T[] = [];
  let chunk = isSure ? limit + 1 : Math.max(4 * limit, 100);
  let position = after;
  for (let lookedAt = 0; ; chunk *= 4) {
    const wanted = Math.min(chunk, MOST_LOOKED_AT - lookedAt);
    const candidates = await source.candidates(position, wanted);
    items.push(...(await source.fitting(candidates)));
    const last = items[limit - 1];
    if (items.length > limit && last) return { items: items.slice(0, limit), next: source.positionOf(last) };
    const lastLookedAt = candidates.at(-1);
    if (candidates.length < wanted || lastLookedAt === undefined) return { items, next: null };
    lookedAt += candidates.length;
    position = source.positionOf(lastLookedAt);
    if (items.length === limit || lookedAt >= MOST_LOOKED_AT) return { items, next: position };
  }
}
