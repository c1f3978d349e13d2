/**
 * The logs of a book's contracts, range by range: as many blocks at a time as the node takes and leaves nothing out of,
 * and the blocks that they lie in. Nothing is kept here.
 */
import {
  bookContracts,
  type ChainBlock,
  ChainInconsistent,
  type ChainReader,
  type DeploymentRecord,
  quantity,
  RangeTooWide,
  type RpcLog,
} from "#infra";
import { SOME_EVENTS } from "./save-seen.ts";

export interface LogsOfRange {
  /** The last block. */
  readonly end: ChainBlock;
  readonly logs: readonly RpcLog[];
}

const WIDEST_RANGE = 2_000;

export class LogReading {
  readonly #reader: ChainReader;
  /** Of the book. */
  readonly id: number;
  readonly contracts: ReturnType<typeof bookContracts>;
  readonly addresses: readonly `0x${string}`[];
  readonly #limit: number;
  #range: number;
  /** Most blocks of one question; lower after a node left events out of a longer answer. */
  #widest: number;

  /** @param limit most blocks of one question ever. Default 2,000 */
  constructor(reader: ChainReader, book: number, record: DeploymentRecord, limit = WIDEST_RANGE) {
    this.#reader = reader;
    this.id = book;
    this.contracts = bookContracts(record);
    this.addresses = [...this.contracts.keys()];
    this.#limit = limit;
    this.#widest = limit;
    this.#range = limit;
  }

  /** Blocks of the next question. */
  get range(): number {
    return this.#range;
  }

  /** The node left something out: it is asked for less at a time. */
  narrow(): void {
    this.#widest = Math.max(1, Math.floor(Math.min(this.#range, this.#widest) / 2));
    this.#range = this.#widest;
  }

  /** All was there: twice as much may be asked for again. */
  widen(): void {
    this.#widest = Math.min(this.#widest * 2, this.#limit);
  }

  /** Of the blocks behind `after` up to `to`; null where the node finds them too many, and fewer are to be asked for. */
  async ofRange(after: number, to: number): Promise<LogsOfRange | null> {
    const end = await this.blockOf(to);
    try {
      const logs = await this.#reader.logs(this.addresses, after + 1, to);
      // About so many at a time, where there are many.
      if (logs.length > SOME_EVENTS)
        this.#range = Math.max(1, Math.floor((this.#range * SOME_EVENTS) / logs.length));
      else this.#range = Math.min(this.#range * 2, this.#widest);
      return { end, logs };
    } catch (error) {
      if (!(error instanceof RangeTooWide)) throw error;
      this.#range = Math.max(1, Math.floor((to - after) / 2));
      return null;
    }
  }

  /** By its hash. */
  ofBlock(block: ChainBlock): Promise<readonly RpcLog[]> {
    return this.#reader.logsOf(this.addresses, block);
  }

  /** All blocks that logs lie in. @param known needs no question */
  async blocksOf(logs: readonly RpcLog[], known: ChainBlock): Promise<ChainBlock[]> {
    const blocks = new Map([[known.number, known]]);
    for (const { blockNumber } of logs) {
      const number = quantity(blockNumber);
      if (!blocks.has(number)) blocks.set(number, await this.blockOf(number));
    }
    return [...blocks.values()];
  }

  async blockOf(number: number): Promise<ChainBlock> {
    const block = await this.#reader.block(number);
    if (!block) throw new ChainInconsistent(`block ${number} is not there`);
    return block;
  }
}
