/**
 * Sees what happened on the chain since the last look, and takes back what the chain took back. Nothing here counts yet:
 * blocks that are not final may go away again, and what a node left out is found when they are asked for once more
 * (confirm-blocks.ts). A newest block must be there by its number, blocks must be each other's parents, logs must lie in
 * blocks with the hashes that the node itself gives. Every write happens in one transaction with the cursor, so that a
 * kill between any two leaves a cursor that is right.
 */
import type { PoolClient } from "pg";
import {
  type ChainBlock,
  ChainInconsistent,
  type ChainReader,
  type Log,
  mayHoldLogs,
  type RpcLog,
} from "#infra";
import type { UnixSeconds } from "#kernel";
import type { BookRow } from "../model.ts";
import { firstRow, type Queryable, rows, SQL } from "../sql.ts";
import type { LogReading } from "./read-logs.ts";
import { SOME_EVENTS, saveSeen } from "./save-seen.ts";

/** How deep a block must lie to be final: so many blocks on top of it, or as the node's tag `finalized` says. */
export type Finality = number | "finalized";

export interface SeeingParts {
  readonly reader: ChainReader;
  readonly reading: LogReading;
  readonly book: BookRow;
  readonly finality: Finality;
  readonly log: Log;
}

export interface Seen {
  readonly latest: ChainBlock;
  /** The newest final block, by the chain alone. */
  readonly final: number;
  readonly seen: number;
  readonly events: number;
  /** When the look began, by the ledger's clock. */
  readonly lookedAt: UnixSeconds;
}

export interface Cursor {
  readonly seen_block: number;
  readonly final_block: number;
  readonly checked_block: number;
}

interface KnownBlock {
  readonly number: number;
  readonly hash: string;
}

/** So near to the newest block each is looked at by itself, with its parent. */
const ONE_BY_ONE = 64;
const PAGE = 64;

export class Seeing {
  readonly #parts: SeeingParts;

  constructor(parts: SeeingParts) {
    this.#parts = parts;
  }

  /**
   * @param client holds the watcher's lock
   * @throws ChainUnavailable, ChainInconsistent: what was seen until then stays
   */
  async look(client: PoolClient): Promise<Seen> {
    const { book } = this.#parts;
    const began = await firstRow<{ now: number }>(client, SQL.watchBegin, [book.id]);
    const latest = await this.#latest(client);
    const final = await this.#finalBlock(latest);
    if (latest.isNew) await this.#rollBack(client, latest.number);
    let { seen_block: seen } = await cursorOf(client, book.id);
    let events = 0;
    while (seen < latest.number) {
      const [to, found] =
        latest.number - seen > ONE_BY_ONE
          ? await this.#seeRange(client, seen, latest.number - ONE_BY_ONE)
          : await this.#seeOneByOne(client, seen, latest);
      seen = to;
      events += found;
    }
    return { latest, final, seen, events, lookedAt: began?.now ?? 0 };
  }

  /** Most looks find the block that the last one found, which needs no second question. */
  async #latest(client: PoolClient): Promise<ChainBlock & { readonly isNew: boolean }> {
    const { book, reader } = this.#parts;
    const newest = await reader.newest();
    const { seen_block: seen } = await cursorOf(client, book.id);
    const [known] = await rows<KnownBlock>(client, SQL.watchBlocks, [book.id, seen, 1]);
    if (newest.number === seen && known?.number === seen && known.hash === newest.hash)
      return { ...newest, isNew: false };
    const same = await reader.block(newest.number);
    if (!same) throw new ChainInconsistent(`the newest block ${newest.number} is not there`);
    return { ...same, isNew: true };
  }

  async #finalBlock(latest: ChainBlock): Promise<number> {
    const { finality, reader } = this.#parts;
    if (finality !== "finalized") return latest.number - finality;
    const final = await reader.finalized();
    if (final && final.number > latest.number)
      throw new ChainInconsistent(`block ${final.number} is final, and the newest is ${latest.number}`);
    return final?.number ?? -1;
  }

  /** Compares hashes, newest first, up to the first block that the chain still has. */
  async #rollBack(client: PoolClient, latest: number): Promise<void> {
    const { book, log, reader } = this.#parts;
    const { seen_block: seen } = await cursorOf(client, book.id);
    let below = Math.min(seen, latest);
    let kept: number | null = null;
    for (let first = true; kept === null; first = false) {
      const known = await rows<KnownBlock>(client, SQL.watchBlocks, [book.id, below, PAGE]);
      const newest = known[0];
      // Nothing to compare at or below the newest block: no sign that anything was taken back, the node lags far behind.
      if (!newest) kept = first ? seen : book.deployedBlock - 1;
      for (const { number, hash } of known) {
        below = number - 1;
        if ((await reader.block(number))?.hash !== hash) continue;
        // That blocks behind one that is still there are missing tells nothing: a node may lag behind another.
        kept = first && number === newest?.number ? seen : number;
        break;
      }
    }
    if (kept < seen) await takeBack(client, { book, log }, kept);
  }

  /** Blocks far below the newest: many with one question, fewer where the node finds it too much. */
  async #seeRange(client: PoolClient, seen: number, last: number): Promise<[to: number, events: number]> {
    const { reading } = this.#parts;
    const to = Math.min(seen + reading.range, last);
    const answered = await reading.ofRange(seen, to);
    if (!answered) return [seen, 0];
    const { end, logs } = answered;
    const blocks = await reading.blocksOf(logs, end);
    if ((await reading.blockOf(to)).hash !== end.hash)
      throw new ChainInconsistent(`block ${to} changed meanwhile`);
    return [to, await saveSeen(client, reading, { from: seen, to, blocks, logs, kept: [end] })];
  }

  /** The newest blocks, which may still be taken back: each with its hash, as its parent's child. */
  async #seeOneByOne(
    client: PoolClient,
    seen: number,
    latest: ChainBlock,
  ): Promise<[to: number, events: number]> {
    const { book, reading } = this.#parts;
    const [before] = await rows<KnownBlock>(client, SQL.watchBlocks, [book.id, seen, 1]);
    let parent = before?.number === seen ? before.hash : null;
    const blocks: ChainBlock[] = [];
    for (let number = seen + 1; number <= latest.number; number++) {
      const block = await reading.blockOf(number);
      if (parent !== null && block.parentHash !== parent)
        throw new ChainInconsistent(`block ${number} is not a child of block ${number - 1} as it was seen`);
      parent = block.hash;
      blocks.push(block);
    }
    let [from, events] = [seen, 0];
    let logs: RpcLog[] = [];
    let done: ChainBlock[] = [];
    for (const block of blocks) {
      done.push(block);
      if (mayHoldLogs(block, reading.addresses)) logs = logs.concat(await reading.ofBlock(block));
      if (logs.length < SOME_EVENTS && block.number < latest.number) continue;
      events += await saveSeen(client, reading, { from, to: block.number, blocks: done, logs });
      [from, logs, done] = [block.number, [], []];
    }
    return [from, events];
  }
}

export async function cursorOf(db: Queryable, book: number): Promise<Cursor> {
  const cursor = await firstRow<Cursor>(db, SQL.watchCursor, [book]);
  if (!cursor) throw new Error(`the watcher of book ${book} has not begun`);
  return cursor;
}

/** Forgets what was seen above a block, which the chain has no more; what counted already is remembered as lost. */
export async function takeBack(
  client: PoolClient,
  { book, log }: Pick<SeeingParts, "book" | "log">,
  kept: number,
): Promise<void> {
  const { seen_block: seen, final_block: final } = await cursorOf(client, book.id);
  const lost = (await firstRow<{ lost: number }>(client, SQL.watchRollBack, [book.id, kept]))?.lost ?? 0;
  const fields = { book: book.id, seen, kept, final, lost };
  if (lost > 0)
    log.error(
      { ...fields, alarm: true },
      "the chain took back events that were final and have been credited",
    );
  else log.warn(fields, "the chain took blocks back");
}
