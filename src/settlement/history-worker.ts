/**
 * A thread that leads a book's trees back, epoch by epoch, and answers what each overwrote. It works on copies of its
 * own, which it makes before anything else: the originals must not change until it says that it has them.
 */
import { parentPort, workerData } from "node:worker_threads";
import { copyTree, type Hex, hashRecords, levelsOf, stepBack, type TreeMemory, type TreeUndo } from "#proof";
import { unpackAt } from "./leaf-packing.ts";
import { END } from "./thread-end.ts";
import { yieldProcessor } from "./yield-processor.ts";

/** What the thread is started with. */
export interface HistoryWork {
  readonly trees: readonly { readonly domain: Hex; readonly memory: TreeMemory }[];
}

/** One epoch of one tree, the newest first; answered in the order in which they are asked. */
export interface HistoryJob {
  /** Which of the trees. */
  readonly tree: number;
  /** Leaves before the epoch. */
  readonly count: number;
  /** As older-leaves.sql has them. */
  readonly indexes: readonly Uint8Array[];
  readonly packed: readonly Uint8Array[];
}

export type HistoryAnswer = { readonly undo: TreeUndo } | { readonly error: string };

const INDEX_BYTES = 8;

const copies = (workerData as HistoryWork).trees.map(({ domain, memory }) => ({
  domain,
  levels: levelsOf(copyTree(memory)),
}));
yieldProcessor();
parentPort?.on("message", (job: HistoryJob | typeof END) => {
  if (job === END) return parentPort?.close();
  let answer: HistoryAnswer;
  try {
    answer = { undo: undoOf(job) };
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : "unknown failure" };
  }
  parentPort?.postMessage(answer);
});
parentPort?.postMessage("copied");

function undoOf({ tree, count, indexes, packed }: HistoryJob): TreeUndo {
  const copy = copies[tree];
  if (!copy) throw new Error(`there is no tree ${tree}`);
  const changed = indexesIn(Buffer.concat(indexes));
  const existed = changed.findIndex((index) => index >= count);
  const records = unpackAt(
    Buffer.concat(packed),
    existed === -1 ? changed.length : existed,
    (place) => changed[place] as number,
  );
  return stepBack(copy.levels, { count, indexes: changed, records: hashRecords(copy.domain, records) });
}

function indexesIn(bytes: Buffer): Uint32Array {
  return Uint32Array.from({ length: bytes.length / INDEX_BYTES }, (_, place) => {
    if (bytes.readUInt32BE(place * INDEX_BYTES) !== 0) throw new Error("a leaf's index does not fit 32 bits");
    return bytes.readUInt32BE(place * INDEX_BYTES + 4);
  });
}
