/**
 * Makes the epochs before the one that a book's trees were built for readable, from
 * the newest to the oldest, behind everything else: the leaves as they were come from
 * Postgres, a thread leads copies of the trees back. Until it has reached an epoch,
 * who asks for that one waits.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { SECTIONS, type Section, type SumTree, type TreeMemory, type TreeUndo } from "#proof";
import type { HistoryAnswer, HistoryJob, HistoryWork } from "./history-worker.ts";
import type { BookRow } from "./model.ts";
import { firstRow, type Queryable, SQL } from "./sql.ts";
import { endingOf } from "./thread-end.ts";

const PAGES_AT_ONCE = 4;

export interface HistoryParts {
  readonly db: Queryable;
  readonly book: BookRow;
  readonly trees: Readonly<Record<Section, SumTree>>;
  /** The epoch that the trees show. */
  readonly newest: number;
  /** The last one that is to be readable. */
  readonly oldest: number;
  /** How many pages of leaves, of a thousand each, are taken from the driver in one go. Default some 2 ms, for which nothing else runs. */
  readonly pagesAtOnce?: number | undefined;
}

export class TreeHistory {
  readonly #parts: HistoryParts;
  readonly #worker: Worker;
  readonly #end: () => Promise<void>;
  readonly #ended: Promise<void>;
  #reached: number;
  #isStopped = false;
  #waiting: { epoch: number; tell: () => void }[] = [];

  private constructor(parts: HistoryParts, worker: Worker, end: () => Promise<void>) {
    this.#parts = parts;
    this.#worker = worker;
    this.#end = end;
    this.#reached = parts.newest;
    this.#ended = this.#goBack();
  }

  /** Answers when the trees may change. @param memories of the trees, in which nothing was changed yet */
  static async begin(
    parts: HistoryParts,
    memories: Readonly<Record<Section, TreeMemory>>,
  ): Promise<TreeHistory> {
    const trees = SECTIONS.map((section) => ({
      ...{ domain: parts.trees[section].domain, memory: memories[section] },
    }));
    const workerData: HistoryWork = { trees };
    const worker = new Worker(new URL("./history-worker.ts", import.meta.url), { workerData });
    const end = endingOf(worker);
    // The server does not stay up for it.
    worker.unref();
    await once(worker, "message");
    return new TreeHistory(parts, worker, end);
  }

  /** Answers when the epoch is readable, or will not be. */
  async reached(epoch: number): Promise<void> {
    if (epoch >= this.#reached || epoch < this.#parts.oldest || this.#isStopped) return;
    await new Promise<void>((tell) => this.#waiting.push({ epoch, tell }));
  }

  /** Answers when it has ended, and why where something failed. */
  async ended(): Promise<void> {
    await this.#ended;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #goBack(): Promise<void> {
    const { trees, newest, oldest } = this.#parts;
    let next = this.#read(0, newest);
    try {
      for (let epoch = newest; epoch > oldest; epoch--) {
        for (const [number, section] of SECTIONS.entries()) {
          const job = await next;
          // The leaves of the next step are read while these are hashed.
          next = number + 1 < SECTIONS.length ? this.#read(number + 1, epoch) : this.#read(0, epoch - 1);
          next.catch(() => {});
          if (this.#isStopped) return;
          const undo = job.indexes.length === 0 ? { count: job.count, levels: [] } : await this.#ask(job);
          if (!trees[section].prepend(BigInt(epoch - 1), BigInt(epoch), undo)) return;
        }
        this.#reached = epoch - 1;
        this.#tell();
      }
    } finally {
      this.#isStopped = true;
      this.#tell();
      await next.catch(() => {});
      await this.#end();
    }
  }

  /** What an epoch changed of a section, as it was before; nothing of the first one. */
  async #read(section: number, epoch: number): Promise<HistoryJob> {
    const { db, book, oldest, pagesAtOnce = PAGES_AT_ONCE } = this.#parts;
    const job = { tree: section, count: 0, indexes: [] as Uint8Array[], packed: [] as Uint8Array[] };
    if (epoch <= oldest || this.#isStopped) return job;
    const before = await firstRow<{ count: number }>(db, SQL.sectionCountAtEpoch, [
      book.id,
      epoch - 1,
      section,
    ]);
    if (!before) throw new Error(`there is no epoch ${epoch - 1}`);
    for (let after: number | null = -1; after !== null; ) {
      const values: unknown[] = [book.id, section, epoch, after, pagesAtOnce];
      const page: OlderPage | undefined = await firstRow<OlderPage>(db, SQL.olderLeaves, values);
      if (page?.indexes) job.indexes.push(page.indexes);
      if (page?.records) job.packed.push(page.records);
      after = page?.last ?? null;
    }
    return { ...job, count: before.count };
  }

  async #ask(job: HistoryJob): Promise<TreeUndo> {
    const answered = once(this.#worker, "message");
    this.#worker.postMessage(job);
    const [answer] = (await answered) as [HistoryAnswer];
    if ("error" in answer) throw new Error(answer.error);
    return answer.undo;
  }

  #tell(): void {
    const done = this.#waiting.filter(({ epoch }) => epoch >= this.#reached || this.#isStopped);
    this.#waiting = this.#waiting.filter((one) => !done.includes(one));
    for (const { tell } of done) tell();
  }
}

interface OlderPage {
  indexes: Buffer | null;
  last: number | null;
  records: Buffer | null;
}
