/** A thread that hashes runs of leaves into the memory of a tree that it shares with whoever started it. */
import { parentPort, workerData } from "node:worker_threads";
import { type Hex, hashRun, levelsOf, type TreeMemory } from "#proof";
import { type PackedRun, recordsIn } from "./leaf-packing.ts";
import { END } from "./thread-end.ts";
import { yieldProcessor } from "./yield-processor.ts";

/** What the thread is started with. */
export interface TreeWork {
  readonly domain: Hex;
  readonly memory: TreeMemory;
  readonly yielding: boolean;
}

/** One run; answered by its `first`, or by the error that stopped it. */
export interface RunJob {
  readonly first: number;
  readonly run: Uint8Array | PackedRun;
}

export type RunAnswer = { readonly first: number; readonly error?: string };

const { domain, memory, yielding } = workerData as TreeWork;
if (yielding) yieldProcessor();
const levels = levelsOf(memory);
parentPort?.on("message", (job: RunJob | typeof END) => {
  if (job === END) return parentPort?.close();
  const { first, run } = job;
  let answer: RunAnswer = { first };
  try {
    hashRun(levels, { domain, first, records: recordsIn(first, run) });
  } catch (error) {
    answer = { first, error: error instanceof Error ? error.message : "unknown failure" };
  }
  parentPort?.postMessage(answer);
});
