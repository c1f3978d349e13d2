/**
 * Asks for the logs of blocks that became final once more, before anything in them counts, and holds them against what
 * was seen. One answer may leave out what happened: behind an address that stands for many nodes some know a block and not
 * yet its logs, and the contracts count entries and claims, but no demand, cancellation or freeze. What is new is learned,
 * with an alarm; where a stored event is gone from the chain, its block is taken back. No block is final that was not asked
 * for twice: first by its hash or in one range, now by another. A log that a node leaves out of every answer stays unknown.
 */
import type { PoolClient } from "pg";
import { type ChainBlock, ChainInconsistent, type Log, type Metrics, quantity, type RpcLog } from "#infra";
import type { Clock, UnixSeconds } from "#kernel";
import type { BookRow } from "../model.ts";
import { firstRow, rows, SQL } from "../sql.ts";
import type { LogReading } from "./read-logs.ts";
import { saveSeen } from "./save-seen.ts";
import { cursorOf, type Finality, type Seen, takeBack } from "./see-blocks.ts";

export interface ConfirmingParts {
  readonly reading: LogReading;
  readonly book: BookRow;
  readonly finality: Finality;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
}

export interface Confirmed {
  /** The newest block that counts. */
  readonly final: number;
  /** Once all events up to `final` have their line, all have it that were final by then. Unix seconds. */
  readonly completeTime: UnixSeconds;
}

interface StoredPlace {
  readonly block: number;
  readonly block_hash: string;
  readonly tx_hash: string;
  readonly log_index: number;
}

/** Hashes that are kept below the newest final block, to find where a chain went back to that lost final ones. */
const KEEP_BLOCKS = 256;
/** What auditors take for final where nobody tells them otherwise. */
const FINAL_FOR_AUDITORS = 64;

export class Confirming {
  readonly #parts: ConfirmingParts;
  #timed: ChainBlock | undefined;

  constructor(parts: ConfirmingParts) {
    this.#parts = parts;
  }

  /**
   * @param client holds the watcher's lock
   * @throws ChainUnavailable, ChainInconsistent: what was confirmed until then stays
   */
  async confirm(client: PoolClient, { latest, final: wanted, seen, lookedAt }: Seen): Promise<Confirmed> {
    const { book, clock, reading } = this.#parts;
    await rows(client, SQL.watchLooked, [book.id, latest.number, clock.nowMs()]);
    const { final_block: before } = await cursorOf(client, book.id);
    const last = Math.min(wanted, seen);
    let final = before;
    // The first half as wide, so that no later question is for the same blocks as when they were seen.
    for (let width = Math.ceil(reading.range / 2); final < last; width = reading.range)
      final = await this.#confirmRange(client, seen, final, Math.min(final + width, last));
    if (final > before) await rows(client, SQL.watchPrune, [book.id, final - KEEP_BLOCKS]);
    return { final, completeTime: await this.#completeTime(final, latest, lookedAt) };
  }

  /** @returns the newest block that counts: `to`, or `after` where less is to be asked for */
  async #confirmRange(client: PoolClient, seen: number, after: number, to: number): Promise<number> {
    const { book, reading } = this.#parts;
    const answered = await reading.ofRange(after, to);
    if (!answered) return after;
    const { end, logs } = answered;
    const stored = await rows<StoredPlace>(client, SQL.watchStored, [book.id, after, to]);
    const said = new Set(logs.map(placeOf));
    const gone = stored.find((place) => !said.has(keyOf(place)));
    if (gone) await this.#doubt(client, gone);
    const known = new Set(stored.map(keyOf));
    const others = logs.filter((log) => !known.has(placeOf(log)));
    const blocks = await reading.blocksOf(others, end);
    // Kept before the blocks count: whoever is killed between finds these stored.
    const learned =
      others.length === 0
        ? 0
        : await saveSeen(client, reading, { from: seen, to: seen, blocks, logs: others, kept: [] });
    const values = [book.id, after, to, end.time];
    const confirmed = await firstRow<{ moved: number }>(client, SQL.watchConfirm, values);
    if (confirmed?.moved !== 1)
      throw new Error("another instance moved the watcher's cursor without its lock");
    if (learned > 0) this.#tell(learned, others, to - after);
    return to;
  }

  /** Either its block is gone from the chain, or the second answer was not whole, and confirms nothing. */
  async #doubt(client: PoolClient, gone: StoredPlace): Promise<never> {
    const { book, log, reading } = this.#parts;
    const what = `event ${gone.tx_hash}/${gone.log_index} of block ${gone.block}`;
    if ((await reading.blockOf(gone.block)).hash !== gone.block_hash) {
      await takeBack(client, { book, log }, gone.block - 1);
      throw new ChainInconsistent(`${what} is not on the chain any more`);
    }
    reading.narrow();
    throw new ChainInconsistent(`${what} was left out when it was asked for again`);
  }

  #tell(learned: number, logs: readonly RpcLog[], ofBlocks: number): void {
    const { book, log, metrics, reading } = this.#parts;
    metrics?.watcherMissed.inc();
    metrics?.watcherEvents.inc(learned);
    const fields = { book: book.id, learned, first: logs.slice(0, 10).map(placeOf), alarm: true };
    log.error(fields, "the node left out events; they were found when their blocks became final");
    if (ofBlocks > 1) reading.narrow();
  }

  /**
   * By the chain's own time, since a node may be stuck and answer all the same. A chain of one's own, where every block
   * is final, makes none while nothing happens: there it is the time of the look.
   */
  async #completeTime(final: number, latest: ChainBlock, lookedAt: UnixSeconds): Promise<UnixSeconds> {
    if (this.#parts.finality === 0) return lookedAt;
    const number = Math.min(final + FINAL_FOR_AUDITORS, latest.number);
    if (number === latest.number) return latest.time;
    if (this.#timed?.number !== number) this.#timed = await this.#parts.reading.blockOf(number);
    return this.#timed.time;
  }
}

function placeOf({ blockHash, transactionHash, logIndex }: RpcLog): string {
  return `${blockHash}/${transactionHash}/${quantity(logIndex)}`.toLowerCase();
}

function keyOf({ block_hash, tx_hash, log_index }: StoredPlace): string {
  return `${block_hash}/${tx_hash}/${log_index}`;
}
