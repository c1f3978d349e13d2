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
import type { RunAnswer, RunJob } from "./tree-worker.ts";

/** A thread takes about a fifth of a second to start. */
const LEAVES_WORTH_THREADS = 8 * RUN_LEAVES;
const THREADS = 2;
/** Runs that wait at each thread, so that it never does. */
const RUNS_AHEAD = 2;

export interface TreeToBuild {
  readonly domain: Hex;
  readonly count: number;
  readonly options: SumTreeOptions;
  /** In order, each of RUN_LEAVES leaves but the last. */
  readonly runs: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Default by the count. */
  readonly threads?: number;
}

/** @throws FormatError, or Error from a thread, where the leaves make no tree */
export async function buildTree({ domain, count, options, runs, threads }: TreeToBuild): Promise<SumTree> {
  const memory = allocateTree(count);
  const levels = levelsOf(memory);
  const wanted = threads ?? (count < LEAVES_WORTH_THREADS ? 0 : THREADS);
  const hashed =
    wanted === 0
      ? await hashHere(runs, (first, records) => hashRun(levels, { domain, first, records }))
      : await hashByThreads(runs, wanted, { domain, memory });
  if (hashed !== Math.ceil(count / RUN_LEAVES))
    throw new Error(`${hashed} runs of leaves are not ${count} leaves`);
  hashTop(levels);
  return new SumTree(domain, options, memory);
}

async function hashHere(
  runs: TreeToBuild["runs"],
  hash: (first: number, records: Uint8Array) => void,
): Promise<number> {
  let done = 0;
  for await (const records of runs) {
    hash(done * RUN_LEAVES, records);
    done += 1;
  }
  return done;
}

async function hashByThreads(
  runs: TreeToBuild["runs"],
  count: number,
  work: { domain: Hex; memory: TreeMemory },
): Promise<number> {
  const threads = Array.from({ length: count }, () => new TreeThread(work));
  try {
    let given = 0;
    for await (const records of runs) {
      const free = await Promise.race(threads.map((thread) => thread.ready()));
      free.give({ first: given * RUN_LEAVES, records });
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
  #waiting = 0;
  #failure: Error | undefined;
  /** Told at each change. */
  #listeners: (() => void)[] = [];

  constructor(workerData: { domain: Hex; memory: TreeMemory }) {
    this.#worker = new Worker(new URL("./tree-worker.ts", import.meta.url), { workerData });
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

  async end(): Promise<void> {
    await this.#worker.terminate();
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
