/**
 * The newest events of a ledger in this process's memory, read once for all who
 * follow: one small query when this process has committed a batch, and a few
 * times a second for the batches of others. It asks nothing while nobody follows,
 * and keeps a bounded number of events; who is further behind reads pages.
 */
import type { Pool } from "pg";
import type { Log } from "#infra";
import type { EventRecord } from "./model.ts";
import { newestSeq } from "./read-events.ts";
import { rows, SQL } from "./sql.ts";

const POLL_MS = 250;
const KEPT = 2_000;
const ROWS_A_READ = 500;

export interface EventTailOptions {
  readonly pool: Pool;
  readonly log: Log;
  readonly pollMs?: number;
}

export class EventTail {
  readonly #options: EventTailOptions;
  readonly #waiters = new Set<() => void>();
  #recent: EventRecord[] = [];
  #newest = 0;
  #followers = 0;
  #timer: NodeJS.Timeout | undefined;
  #refreshing: Promise<void> | null = null;
  #again = false;
  #failing = false;

  constructor(options: EventTailOptions) {
    this.#options = options;
  }

  /** Keeps reading until the returned function is called. @returns the newest event's number as of now */
  async attach(): Promise<{ newest: number; detach: () => void }> {
    const newest = await newestSeq(this.#options.pool);
    this.#followers += 1;
    if (this.#followers === 1) {
      this.#recent = [];
      this.#newest = newest;
      this.#schedule();
    } else this.wake();
    let attached = true;
    const detach = () => {
      if (!attached) return;
      attached = false;
      this.#followers -= 1;
      if (this.#followers > 0) return;
      clearTimeout(this.#timer);
      this.#recent = [];
    };
    return { newest, detach };
  }

  /** A batch of this process was committed: look now. Costs nothing where nobody follows. */
  wake(): void {
    if (this.#followers > 0) this.#refresh();
  }

  /** All events behind `seq` that are known here; null where memory does not reach back so far. */
  recentAfter(seq: number): readonly EventRecord[] | null {
    if (seq >= this.#newest) return [];
    const first = this.#recent[0]?.seq;
    if (first === undefined || first > seq + 1) return null;
    return this.#recent.slice(seq + 1 - first);
  }

  /** Settles when there is more than `seq`, when `signal` is aborted, or after `timeoutMs`. */
  async beyond(seq: number, signal: AbortSignal, timeoutMs: number): Promise<void> {
    if (this.#newest > seq || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      signal.addEventListener("abort", done);
      this.#waiters.add(done);
    });
  }

  /** Answers when no read is under way. */
  async idle(): Promise<void> {
    await this.#refreshing;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#followers === 0) return;
    this.#timer = setTimeout(() => this.#refresh(), this.#options.pollMs ?? POLL_MS);
    this.#timer.unref();
  }

  #refresh(): void {
    this.#again = true;
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = null;
      this.#schedule();
    });
  }

  /** Never rejects: streams stay open while the database is away, and go on when it is back. */
  async #read(): Promise<void> {
    try {
      while (this.#again && this.#followers > 0) {
        this.#again = false;
        for (let full = true; full; ) {
          const page = await rows<EventRecord>(this.#options.pool, SQL.page, [this.#newest, ROWS_A_READ]);
          full = page.length === ROWS_A_READ;
          this.#take(page);
        }
      }
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.log.warn({ err: error }, "events cannot be read; tried again");
      this.#failing = true;
    }
  }

  #take(page: readonly EventRecord[]): void {
    const last = page.at(-1);
    if (!last) return;
    // Whoever attached first may have come while this was read from an older place.
    if (this.#newest + 1 !== page[0]?.seq) return;
    this.#newest = last.seq;
    this.#recent = [...this.#recent, ...page].slice(-KEPT);
    for (const waiter of [...this.#waiters]) waiter();
  }
}
