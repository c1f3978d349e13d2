/**
 * The group-commit writer: requests that arrive together commit together. One
 * batch is under way at a time; what arrives meanwhile is the next one. An idle
 * ledger answers at once, a loaded one fills its batches.
 *
 * Interactive units go before bulk ones. A batch that the database refuses is
 * bisected until the unit that poisons it stands alone. A connection lost in
 * COMMIT is resolved under the head lock: either the batch is there, or it is
 * decided again.
 */
import type { Client } from "pg";
import { isConnectionLost, isRetryable, isUnavailable, type Log, SQL_STATE, sqlState } from "#infra";
import { DomainError, type Ids } from "#kernel";
import { type BatchContext, type BatchResult, CommitLost, runBatch, type UnitResult } from "./batch.ts";
import type { Json } from "./json.ts";
import type { Submitted, Unit } from "./unit.ts";

export interface WriterOptions {
  /** A fresh, unconnected pipelining client on the ledger's schema. */
  readonly createClient: () => Client;
  readonly context: Omit<BatchContext, "writerId">;
  readonly ids: Ids;
  readonly log: Log;
  /** Monotonic milliseconds. */
  readonly monotonicMs: () => number;
  readonly onBatch?: (batch: BatchObservation) => void;
  readonly limits?: Partial<WriterLimits>;
}

export interface BatchObservation {
  readonly units: number;
  readonly lines: number;
  /** How long the oldest unit waited for its batch to begin. */
  readonly waitMs: number;
  readonly durationMs: number;
}

export interface WriterLimits {
  /** Journal lines a batch is filled up to. */
  readonly batchWeight: number;
  /** Bulk lines that may join a batch that carries interactive units. */
  readonly bulkWeightBesideInteractive: number;
  /** Lines that may wait; beyond that submit answers `unavailable`. */
  readonly queueWeight: number;
  /** How long a batch waits for the database to come back before its units answer `unavailable`. */
  readonly patienceMs: number;
}

const LIMITS: WriterLimits = {
  batchWeight: 4_000,
  bulkWeightBesideInteractive: 500,
  queueWeight: 100_000,
  patienceMs: 2_000,
};
const MAX_RETRIES = 10;
const RECONNECT_PAUSE_MS = 50;
/**
 * A batch reads by key alone, and its statements are written so that they have one plan at any size
 * (one key array, or LATERAL ... OFFSET 0 behind an unnest). Told so, the planner makes that plan once
 * for a connection: neither the whole-table scans that look cheap while a ledger is empty (100,000
 * first accounts took 3 s a thousand with them), nor a millisecond of planning for every batch.
 */
const KEY_ACCESS_ONLY =
  "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan";

interface Queued {
  readonly unit: Unit<Json>;
  readonly since: number;
  resolve(value: Submitted<Json>): void;
  reject(error: unknown): void;
}

export class Writer {
  readonly #options: WriterOptions;
  readonly #limits: WriterLimits;
  readonly #context: BatchContext;
  readonly #interactive: Queued[] = [];
  readonly #bulk: Queued[] = [];
  #queuedWeight = 0;
  #client: Client | null = null;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#context = { ...options.context, writerId: options.ids.uuid() };
  }

  submit<R extends Json>(unit: Unit<R>): Promise<Submitted<R>> {
    if (this.#closed) return Promise.reject(unavailable("The ledger is shutting down"));
    const weight = unit.weight ?? 1;
    if (this.#queuedWeight + weight > this.#limits.queueWeight)
      return Promise.reject(unavailable("The ledger has more work than it can take now"));
    return new Promise<Submitted<R>>((resolve, reject) => {
      const queued: Queued = {
        unit,
        since: this.#options.monotonicMs(),
        resolve: resolve as (value: Submitted<Json>) => void,
        reject,
      };
      (unit.bulk ? this.#bulk : this.#interactive).push(queued);
      this.#queuedWeight += weight;
      // Started in a later turn, so that what arrives in this one is in the first batch.
      this.#running ??= new Promise<void>((done) => setImmediate(done)).then(() => this.#run());
    });
  }

  /** Writes what is queued, then ends the connection. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => undefined);
  }

  async #run(): Promise<void> {
    try {
      while (this.#interactive.length + this.#bulk.length > 0) {
        const batch = this.#takeBatch();
        try {
          await this.#writeBatch(batch);
        } catch (error) {
          const answer = isAway(error) ? unavailable(sentenceFor(error), error) : error;
          for (const queued of batch) queued.reject(answer);
          if (isAway(error)) this.#rejectQueue(answer);
        }
      }
    } finally {
      this.#running = null;
    }
  }

  #takeBatch(): Queued[] {
    const batch: Queued[] = [];
    const take = (queue: Queued[], limit: number) => {
      let weight = 0;
      let count = 0;
      while (count < queue.length) {
        const next = queue[count]?.unit.weight ?? 1;
        if (count > 0 && weight + next > limit) break;
        weight += next;
        count++;
        if (weight >= limit) break;
      }
      batch.push(...queue.splice(0, count));
      this.#queuedWeight -= weight;
    };
    take(this.#interactive, this.#limits.batchWeight);
    if (this.#bulk.length > 0)
      take(
        this.#bulk,
        batch.length > 0 ? this.#limits.bulkWeightBesideInteractive : this.#limits.batchWeight,
      );
    return batch;
  }

  #rejectQueue(error: unknown): void {
    for (const queue of [this.#interactive, this.#bulk]) {
      for (const queued of queue.splice(0)) queued.reject(error);
    }
    this.#queuedWeight = 0;
  }

  /** Writes the batch, or halves of it, and answers each unit. */
  async #writeBatch(batch: readonly Queued[]): Promise<void> {
    const started = this.#options.monotonicMs();
    let result: BatchResult;
    try {
      result = await this.#attempt(batch.map((queued) => queued.unit));
    } catch (error) {
      if (isAway(error)) throw error;
      const [first] = batch;
      if (batch.length === 1 && first) {
        this.#options.log.error({ err: error, unit: first.unit.name }, "the database refused a unit of work");
        first.reject(error);
        return;
      }
      const middle = Math.ceil(batch.length / 2);
      await this.#writeBatch(batch.slice(0, middle));
      await this.#writeBatch(batch.slice(middle));
      return;
    }
    for (const [place, queued] of batch.entries()) answer(queued, result.results[place]);
    this.#options.onBatch?.({
      units: batch.length,
      lines: result.lines,
      waitMs: started - (batch[0]?.since ?? started),
      durationMs: this.#options.monotonicMs() - started,
    });
  }

  /** Runs the batch until it is committed, refused, or the database stays away for too long. */
  async #attempt(units: readonly Unit<Json>[]): Promise<BatchResult> {
    // Counted from the first sign of trouble: this process may have been busy for longer than that itself.
    let deadline: number | null = null;
    const isOver = () => {
      deadline ??= this.#options.monotonicMs() + this.#limits.patienceMs;
      return this.#options.monotonicMs() > deadline;
    };
    let lost: CommitLost | null = null;
    for (let retries = 0; ; ) {
      try {
        const client = await this.#connected(isOver);
        if (lost?.result && (await this.#wasCommitted(client, lost))) return lost.result;
        lost = null;
        return await runBatch(client, units, this.#context);
      } catch (error) {
        if (error instanceof CommitLost) lost = error;
        const connectionLost = error instanceof CommitLost || isConnectionLost(error);
        if (connectionLost) this.#dropClient();
        else await this.#rollback();
        const again = connectionLost ? !isOver() : isRetryable(error) && ++retries < MAX_RETRIES;
        if (!again) throw error instanceof CommitLost ? error.cause : error;
      }
    }
  }

  /** Under the head lock, so that a commit still under way on the lost connection is waited for. */
  async #wasCommitted(client: Client, lost: CommitLost): Promise<boolean> {
    await client.query("BEGIN");
    await client.query("SELECT take_head()");
    const { rows } = await client.query<{ last_batch: string }>(
      "SELECT last_batch FROM writer WHERE id = $1",
      [this.#context.writerId],
    );
    await client.query("ROLLBACK");
    return rows[0]?.last_batch === lost.batchId;
  }

  async #connected(isOver: () => boolean): Promise<Client> {
    while (!this.#client) {
      const client = this.#options.createClient();
      // A connection that breaks while idle says so here; the next batch opens another.
      client.on("error", () => {
        if (this.#client === client) this.#client = null;
      });
      try {
        await client.connect();
        await client.query(KEY_ACCESS_ONLY);
        this.#client = client;
      } catch (error) {
        client.end().catch(() => undefined);
        if (isOver()) {
          this.#options.log.error({ err: error }, "the database takes no connection of the writer");
          throw new NoConnection("the database takes no connection", { cause: error });
        }
        await new Promise((done) => setTimeout(done, RECONNECT_PAUSE_MS));
      }
    }
    return this.#client;
  }

  async #rollback(): Promise<void> {
    try {
      await this.#client?.query("ROLLBACK");
    } catch {
      this.#dropClient();
    }
  }

  #dropClient(): void {
    const client = this.#client;
    this.#client = null;
    client?.end().catch(() => undefined);
  }
}

function answer(queued: Queued, result: UnitResult | undefined): void {
  if (!result) queued.reject(new Error("a batch left a unit without an answer"));
  else if ("error" in result) queued.reject(result.error);
  else queued.resolve(result.value);
}

/** Whatever the reason (a wrong password, a closed database): it is no fault of a unit, so none is looked for. */
class NoConnection extends Error {}

function isAway(error: unknown): boolean {
  return error instanceof NoConnection || isUnavailable(error);
}

function sentenceFor(error: unknown): string {
  return sqlState(error) === SQL_STATE.diskFull
    ? "The disk of the database is full; reads go on"
    : "The database cannot be reached";
}

function unavailable(message: string, cause?: unknown): DomainError {
  return new DomainError("unavailable", `${message}; try again`, { retryAfterSeconds: 1, cause });
}
