/**
 * Keeps what a look saw: events, hashes of blocks, and how far it was, in one transaction. A block may hold more events than
 * a statement should, and decoding them must not hold up the process: they go in pieces.
 */
import type { PoolClient } from "pg";
import {
  type bookContracts,
  type ChainBlock,
  ChainInconsistent,
  decodeBookEvent,
  quantity,
  type RpcLog,
} from "#infra";
import { firstRow, SQL } from "../sql.ts";

/** Of one statement, and about so many of one question to the node. */
export const SOME_EVENTS = 1_000;

export interface SeenBook {
  readonly id: number;
  readonly contracts: ReturnType<typeof bookContracts>;
}

export interface SeenBlocks {
  /** The last block that was seen before. */
  readonly from: number;
  readonly to: number;
  /** All that hold logs. */
  readonly blocks: readonly ChainBlock[];
  /** In the order of the chain. */
  readonly logs: readonly RpcLog[];
  /** Blocks whose hash is compared later; default all. */
  readonly kept?: readonly ChainBlock[];
}

/**
 * @param client where this throws in the middle, its transaction is open
 * @returns how many events there were
 */
export async function saveSeen(client: PoolClient, book: SeenBook, seen: SeenBlocks): Promise<number> {
  const { from, to, logs, blocks, kept = blocks } = seen;
  const byNumber = new Map(blocks.map((block) => [block.number, block]));
  if (logs.length <= SOME_EVENTS) {
    const records = recordsOf(book, logs, byNumber);
    await save(client, book, { from, to, kept, records });
    return records.length;
  }
  let count = 0;
  await client.query("BEGIN");
  for (let at = 0; at < logs.length; at += SOME_EVENTS) {
    const records = recordsOf(book, logs.slice(at, at + SOME_EVENTS), byNumber);
    await save(client, book, { from, to: from, kept: [], records });
    count += records.length;
  }
  await save(client, book, { from, to, kept, records: [] });
  await client.query("COMMIT");
  return count;
}

function recordsOf(
  { contracts }: SeenBook,
  logs: readonly RpcLog[],
  blocks: ReadonlyMap<number, ChainBlock>,
): object[] {
  return logs.flatMap((log) => {
    const block = blocks.get(quantity(log.blockNumber));
    if (block?.hash !== log.blockHash.toLowerCase())
      throw new ChainInconsistent(`a log lies in a block ${log.blockNumber} that the chain does not have`);
    const event = decodeBookEvent(contracts, log);
    if (!event) return [];
    return {
      ...{ block: block.number, block_hash: block.hash, block_time: block.time },
      ...{ tx_hash: log.transactionHash.toLowerCase(), log_index: quantity(log.logIndex) },
      ...event,
    };
  });
}

async function save(
  client: PoolClient,
  { id }: SeenBook,
  piece: {
    readonly from: number;
    readonly to: number;
    readonly kept: readonly ChainBlock[];
    readonly records: readonly object[];
  },
): Promise<void> {
  const { from, to, kept, records } = piece;
  const hashes = kept.map(({ number, hash }) => ({ number, hash }));
  const values = [id, JSON.stringify(hashes), JSON.stringify(records), to, from];
  const saved = await firstRow<{ moved: number }>(client, SQL.watchSave, values);
  if (saved?.moved !== 1) throw new Error("another instance moved the watcher's cursor without its lock");
}
