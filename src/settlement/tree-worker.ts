/** A thread that hashes runs of leaves into the memory of a tree that it shares with whoever started it. */
import { parentPort, workerData } from "node:worker_threads";
import { type Hex, hashRun, levelsOf, type TreeMemory } from "#proof";

/** What the thread is started with. */
export interface TreeWork {
  readonly domain: Hex;
  readonly memory: TreeMemory;
}

/** One run; answered by its `first`, or by the error that stopped it. */
export interface RunJob {
  readonly first: number;
  readonly records: Uint8Array;
}

export type RunAnswer = { readonly first: number; readonly error?: string };

const { domain, memory } = workerData as TreeWork;
const levels = levelsOf(memory);
parentPort?.on("message", ({ first, records }: RunJob) => {
  let answer: RunAnswer = { first };
  try {
    hashRun(levels, { domain, first, records });
  } catch (error) {
    answer = { first, error: error instanceof Error ? error.message : "unknown failure" };
  }
  parentPort?.postMessage(answer);
});
