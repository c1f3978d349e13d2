/**
 * Builds a section's whole tree from leaf records that arrive run by run. A large
 * one is hashed by threads of its own, so that the thread which answers requests
 * does next to nothing meanwhile; a small one is not worth starting any.
 */
import { Worker } from "node:worker_threads";
import {
  allocateTree,
  type Hex,
  hashRun,
  hashTop,
  levelsOf,
  RUN_LEAVES,
  SumTree,
  type SumTreeOptions,
  type TreeMemory,
} from "#proof";
import { type PackedRun, recordsIn } from "./leaf-packing.ts";
import { endingOf } from "./thread-end.ts";
import type { RunAnswer, RunJob, TreeWork } from "./tree-worker.ts";

/** A thread takes about a fifth of a second to start. */
const LEAVES_WORTH_THREADS = 8 * RUN_LEAVES;
const THREADS = 2;
/** Runs that wait at each thread, so that it never does. */
const RUNS_AHEAD = 2;

export interface TreeToHash {
  readonly domain: Hex;
  readonly count: number;
  /** In order, each of RUN_LEAVES leaves but the last. */
  readonly runs: AsyncIterable<Uint8Array | PackedRun> | Iterable<Uint8Array | PackedRun>;
  /** Default by the count. */
  readonly threads?: number;
  /** Its threads leave the processor to whoever else wants it. */
  readonly yielding?: boolean;
}

export interface TreeToBuild extends TreeToHash {
  readonly options: SumTreeOptions;
}

/** @throws FormatError, or Error from a thread, where the leaves make no tree */
export async function buildTree(tree: TreeToBuild): Promise<SumTree> {
  return new SumTree(tree.domain, tree.options, await hashTree(tree));
}

/** As `buildTree`; the memory is whoever's asked for it. */
export async function hashTree(tree: TreeToHash): Promise<TreeMemory> {
  const { domain, count, runs, threads, yielding = false } = tree;
  const memory = allocateTree(count);
  const levels = levelsOf(memory);
  const wanted = threads ?? (count < LEAVES_WORTH_THREADS ? 0 : THREADS);
  const hashed =
    wanted === 0
      ? await hashHere(runs, (first, run) =>
          hashRun(levels, { domain, first, records: recordsIn(first, run) }),
        )
      : await hashByThreads(runs, wanted, { domain, memory, yielding });
  if (hashed !== Math.ceil(count / RUN_LEAVES))
    throw new Error(`${hashed} runs of leaves are not ${count} leaves`);
  hashTop(levels);
  return memory;
}

async function hashHere(
  runs: TreeToHash["runs"],
  hash: (first: number, run: Uint8Array | PackedRun) => void,
): Promise<number> {
  let done = 0;
  for await (const run of runs) {
    hash(done * RUN_LEAVES, run);
    done += 1;
  }
  return done;
}

async function hashByThreads(runs: TreeToHash["runs"], count: number, work: TreeWork): Promise<number> {
  const threads = Array.from({ length: count }, () => new TreeThread(work));
  try {
    let given = 0;
    for await (const run of runs) {
      const free = await Promise.race(threads.map((thread) => thread.ready()));
      free.give({ first: given * RUN_LEAVES, run });
      given += 1;
    }
    await Promise.all(threads.map((thread) => thread.finished()));
    return given;
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}

class TreeThread {
  readonly #worker: Worker;
  /** Answers when it has ended. */
  readonly end: () => Promise<void>;
  #waiting = 0;
  #failure: Error | undefined;
  /** Told at each change. */
  #listeners: (() => void)[] = [];

  constructor(workerData: TreeWork) {
    this.#worker = new Worker(new URL("./tree-worker.ts", import.meta.url), { workerData });
    this.end = endingOf(this.#worker);
    this.#worker.on("message", ({ error }: RunAnswer) => {
      this.#waiting -= 1;
      if (error !== undefined) this.#failure ??= new Error(error);
      this.#tell();
    });
    this.#worker.on("error", (error: Error) => {
      this.#failure ??= error;
      this.#tell();
    });
    this.#worker.on("exit", () => {
      this.#failure ??= new Error("a thread that hashes leaves ended");
      this.#tell();
    });
  }

  give(job: RunJob): void {
    this.#waiting += 1;
    this.#worker.postMessage(job);
  }

  /** Answers when it can take another run. */
  async ready(): Promise<TreeThread> {
    await this.#until(RUNS_AHEAD - 1);
    return this;
  }

  finished(): Promise<void> {
    return this.#until(0);
  }

  async #until(waiting: number): Promise<void> {
    while (this.#waiting > waiting && !this.#failure)
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    if (this.#failure) throw this.#failure;
  }

  #tell(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }
}
