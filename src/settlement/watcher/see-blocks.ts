/**
 * Sees what happened on the chain since the last look, and takes back what the chain took back. Nothing here counts yet:
 * blocks that are not final may go away again. A look trusts no single answer of the node: a newest block must be there
 * by its number, blocks must be each other's parents, logs must lie in blocks with the hashes that the node itself gives,
 * and a block whose bloom speaks of logs must have been answered with some. Every write happens in one statement with the
 * cursor, so that a kill between any two leaves a cursor that is right.
 */
import type { PoolClient } from "pg";
import {
  type BookEvent,
  bookContracts,
  type ChainBlock,
  ChainInconsistent,
  type ChainReader,
  type DeploymentRecord,
  decodeBookEvent,
  type Log,
  mayHoldLogs,
  quantity,
  RangeTooWide,
  type RpcLog,
} from "#infra";
import type { Clock, UnixSeconds } from "#kernel";
import type { BookRow } from "../model.ts";
import { firstRow, type Queryable, rows, SQL } from "../sql.ts";

/** How deep a block must lie to be final: so many blocks on top of it, or as the node's tag `finalized` says. */
export type Finality = number | "finalized";

export interface SeeingParts {
  readonly reader: ChainReader;
  readonly book: BookRow;
  readonly record: DeploymentRecord;
  readonly finality: Finality;
  readonly clock: Clock;
  readonly log: Log;
  /** Most blocks of one question. Default 2,000. */
  readonly widestRange?: number | undefined;
}

export interface Seen {
  readonly latest: number;
  readonly final: number;
  readonly seen: number;
  readonly events: number;
  /** Once all events up to `final` have their line, all have it that were final by then. Unix seconds. */
  readonly completeTime: UnixSeconds;
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

interface SeenEvent extends BookEvent {
  readonly log: RpcLog;
  readonly block: ChainBlock;
}

/** So near to the newest block each is looked at by itself, with its parent. */
const ONE_BY_ONE = 64;
/** Hashes that are kept below the newest final block, to find where a chain went back to that lost final ones. */
const KEEP_BLOCKS = 256;
const WIDEST_RANGE = 2_000;
/** What auditors take for final where nobody tells them otherwise. */
const FINAL_FOR_AUDITORS = 64;
const PAGE = 64;

export class Seeing {
  readonly #parts: SeeingParts;
  readonly #contracts: ReturnType<typeof bookContracts>;
  readonly #addresses: readonly `0x${string}`[];
  #range: number;
  #timed: ChainBlock | undefined;
  /** Most blocks of one question; lower after a node left events out of a longer answer. */
  #widest: number;

  constructor(parts: SeeingParts) {
    this.#parts = parts;
    this.#contracts = bookContracts(parts.record);
    this.#addresses = [...this.#contracts.keys()];
    this.#widest = parts.widestRange ?? WIDEST_RANGE;
    this.#range = this.#widest;
  }

  /** The node left something out: it is asked for less at a time. */
  narrow(): void {
    this.#widest = Math.max(1, Math.floor(Math.min(this.#range, this.#widest) / 4));
    this.#range = this.#widest;
  }

  /** All was there: twice as much may be asked for again. */
  widen(): void {
    this.#widest = Math.min(this.#widest * 2, this.#parts.widestRange ?? WIDEST_RANGE);
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
    const counted = await this.#noteLook(client, latest.number, Math.min(final, seen));
    const completeTime = await this.#completeTime(counted, latest, began?.now ?? 0);
    return { latest: latest.number, final: counted, seen, events, completeTime };
  }

  /**
   * By the chain's own time, since a node may be stuck and answer all the same. A chain of one's own, where every block
   * is final, makes none while nothing happens: there it is the time of the look.
   */
  async #completeTime(final: number, latest: ChainBlock, lookedAt: UnixSeconds): Promise<UnixSeconds> {
    if (this.#parts.finality === 0) return lookedAt;
    const number = Math.min(final + FINAL_FOR_AUDITORS, latest.number);
    if (number === latest.number) return latest.time;
    if (this.#timed?.number !== number) this.#timed = await this.#blockOf(number);
    return this.#timed.time;
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

  /** @returns the newest block that counts */
  async #noteLook(client: PoolClient, latest: number, final: number): Promise<number> {
    const { book, clock, reader } = this.#parts;
    const { final_block: before } = await cursorOf(client, book.id);
    const time = final > before ? ((await reader.block(final))?.time ?? 0) : null;
    const values = [book.id, latest, clock.nowMs(), final, time];
    const noted = await firstRow<{ final_block: number }>(client, SQL.watchLooked, values);
    const counted = noted?.final_block ?? before;
    if (counted > before) await rows(client, SQL.watchPrune, [book.id, counted - KEEP_BLOCKS]);
    return counted;
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
    const { seen_block: seen, final_block: final } = await cursorOf(client, book.id);
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
    if (kept >= seen) return;
    const lost = (await firstRow<{ lost: number }>(client, SQL.watchRollBack, [book.id, kept]))?.lost ?? 0;
    const fields = { book: book.id, seen, kept, final, lost };
    if (lost > 0)
      log.error(
        { ...fields, alarm: true },
        "the chain took back events that were final and have been credited",
      );
    else log.warn(fields, "the chain took blocks back");
  }

  /** Blocks far below the newest: many with one question, fewer where the node finds it too much. */
  async #seeRange(client: PoolClient, seen: number, last: number): Promise<[to: number, events: number]> {
    const { reader } = this.#parts;
    const to = Math.min(seen + this.#range, last);
    const end = await this.#blockOf(to);
    try {
      const logs = await reader.logs(this.#addresses, seen + 1, to);
      const blocks = new Map([[to, end]]);
      for (const log of logs) {
        const number = quantity(log.blockNumber);
        if (!blocks.has(number)) blocks.set(number, await this.#blockOf(number));
      }
      const events = this.#decode(logs, blocks);
      if ((await this.#blockOf(to)).hash !== end.hash)
        throw new ChainInconsistent(`block ${to} changed meanwhile`);
      await this.#save(client, seen, [end], events, to);
      this.#range = Math.min(this.#range * 2, this.#widest);
      return [to, events.length];
    } catch (error) {
      if (!(error instanceof RangeTooWide)) throw error;
      this.#range = Math.max(1, Math.floor((to - seen) / 2));
      return [seen, 0];
    }
  }

  /** The newest blocks, which may still be taken back: each with its hash, as its parent's child. */
  async #seeOneByOne(
    client: PoolClient,
    seen: number,
    latest: ChainBlock,
  ): Promise<[to: number, events: number]> {
    const { book, reader } = this.#parts;
    const [before] = await rows<KnownBlock>(client, SQL.watchBlocks, [book.id, seen, 1]);
    let parent = before?.number === seen ? before.hash : null;
    const blocks: ChainBlock[] = [];
    for (let number = seen + 1; number <= latest.number; number++) {
      const block = await this.#blockOf(number);
      if (parent !== null && block.parentHash !== parent)
        throw new ChainInconsistent(`block ${number} is not a child of block ${number - 1} as it was seen`);
      parent = block.hash;
      blocks.push(block);
    }
    const logs: RpcLog[] = [];
    for (const block of blocks)
      if (mayHoldLogs(block, this.#addresses)) logs.push(...(await reader.logsOf(this.#addresses, block)));
    const events = this.#decode(logs, new Map(blocks.map((block) => [block.number, block])));
    await this.#save(client, seen, blocks, events, latest.number);
    return [latest.number, events.length];
  }

  async #blockOf(number: number): Promise<ChainBlock> {
    const block = await this.#parts.reader.block(number);
    if (!block) throw new ChainInconsistent(`block ${number} is not there`);
    return block;
  }

  #decode(logs: readonly RpcLog[], blocks: ReadonlyMap<number, ChainBlock>): SeenEvent[] {
    return logs.flatMap((log) => {
      const block = blocks.get(quantity(log.blockNumber));
      if (block?.hash !== log.blockHash.toLowerCase())
        throw new ChainInconsistent(`a log lies in a block ${log.blockNumber} that the chain does not have`);
      const event = decodeBookEvent(this.#contracts, log);
      return event ? [{ ...event, log, block }] : [];
    });
  }

  async #save(
    client: PoolClient,
    seen: number,
    blocks: readonly ChainBlock[],
    events: readonly SeenEvent[],
    to: number,
  ): Promise<void> {
    const records = events.map(({ log, block, contract, event, args }) => ({
      block: block.number,
      block_hash: block.hash,
      block_time: block.time,
      tx_hash: log.transactionHash.toLowerCase(),
      log_index: quantity(log.logIndex),
      ...{ contract, event, args },
    }));
    const hashes = blocks.map(({ number, hash }) => ({ number, hash }));
    const values = [this.#parts.book.id, JSON.stringify(hashes), JSON.stringify(records), to, seen];
    const saved = await firstRow<{ moved: number }>(client, SQL.watchSave, values);
    if (saved?.moved !== 1) throw new Error("another instance moved the watcher's cursor without its lock");
  }
}

export async function cursorOf(db: Queryable, book: number): Promise<Cursor> {
  const cursor = await firstRow<Cursor>(db, SQL.watchCursor, [book]);
  if (!cursor) throw new Error(`the watcher of book ${book} has not begun`);
  return cursor;
}
