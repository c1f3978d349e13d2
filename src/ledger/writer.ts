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
import {
  type BatchContext,
  type BatchResult,
  CommitLost,
  type Decided,
  decideAhead,
  decideFromMemory,
  runBatch,
  type UnderWay,
  type UnitResult,
  writeAhead,
} from "./batch.ts";
import { BatchClock } from "./batch-clock.ts";
import type { Json } from "./json.ts";
import { Retained } from "./retained.ts";
import { statement } from "./sql-text.ts";
import type { Submitted, Unit } from "./unit.ts";

export interface WriterOptions {
  /** A fresh, unconnected pipelining client on the ledger's schema. */
  readonly createClient: () => Client;
  readonly context: Omit<BatchContext, "writerId" | "retained" | "clock">;
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
  /** Whether it was decided while the one before was being written, and held. */
  readonly decidedAhead: boolean;
  /** Whether it was decided from what the writer remembered, without reading, and held. */
  readonly decidedFromMemory: boolean;
  /** Units that wait now. */
  readonly waiting: number;
  /** Units refused since the last observation because the queue was full. */
  readonly refused: number;
  /** How often batches were run again since the last observation. */
  readonly retries: Readonly<Partial<Record<RetryReason, number>>>;
}

/** Decided ahead and overtaken; decided from memory, which was wrong; a deadlock or serialization failure; a lost connection. */
export type RetryReason = "overtaken" | "memory" | "conflict" | "connection";

export interface WriterLimits {
  /** Journal lines a batch is filled up to. */
  readonly batchWeight: number;
  /** Bulk lines that may join a batch that carries interactive units. */
  readonly bulkWeightBesideInteractive: number;
  /** Lines that may wait; beyond that submit answers `unavailable`. */
  readonly queueWeight: number;
  /** Interactive lines that must wait before the next batch is decided while one is being written; a smaller one waits for company. */
  readonly aheadWeight: number;
  /** Lines up to which a batch is decided from memory where that is enough; in a larger one too much could be wrong. */
  readonly memoryWeight: number;
  /** How long a batch waits for the database to come back before its units answer `unavailable`. */
  readonly patienceMs: number;
}

const LIMITS: WriterLimits = {
  batchWeight: 4_000,
  bulkWeightBesideInteractive: 500,
  queueWeight: 100_000,
  aheadWeight: 48,
  memoryWeight: 48,
  patienceMs: 2_000,
};
const MAX_RETRIES = 10;
const RECONNECT_PAUSE_MS = 50;
/**
 * A plan is made anew when the journal has grown so many times since: which of two indexes is the better one may show
 * only then. Seldom once it is long: making thirty plans holds up a batch.
 */
const REPLAN_GROWTH = { young: 2, grown: 10 };
const REPLAN_FROM_SEQ = 200;
const GROWN_SEQ = 10_000;

/**
 * A batch reads by key alone, and its statements are written so that they have one plan at any size
 * (one key array, or LATERAL ... OFFSET 0 behind an unnest). Told so, the planner makes that plan once
 * for a connection: neither the whole-table scans that look cheap while a ledger is empty (100,000
 * first accounts took 3 s a thousand with them), nor a millisecond of planning for every batch.
 */
const KEY_ACCESS_ONLY =
  "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan";

const WAS_WRITTEN = statement("was-written");

/** A batch taken from the queue while another was being written. */
interface Ahead {
  readonly batch: readonly Queued[];
  /** Null where it has to be decided under the head. */
  readonly decided: Decided | null;
  /** The batch that it was decided on. */
  readonly after: string;
}

/** What was decided before the head was taken, and the batch that it was decided on. */
interface Beforehand {
  readonly decided: Decided;
  readonly after: string;
}

function decidedAhead({ decided, after }: Ahead): Beforehand | null {
  return decided && { decided, after };
}

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
  #interactiveWeight = 0;
  #refused = 0;
  #retries: Partial<Record<RetryReason, number>> = {};
  #client: Client | null = null;
  /** How long the journal was when the connections' plans were made. */
  #plannedAtSeq = Number.POSITIVE_INFINITY;
  /** Reads for the batch that is decided ahead; never writes. */
  #reader: Client | null = null;
  /** The batch that the database is writing. */
  #underWay: UnderWay | null = null;
  /** To batches that are written. */
  readonly #answers: (() => void)[] = [];
  /** Ends the wait of `#takeAhead`. */
  #wake: (() => void) | null = null;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#context = {
      ...options.context,
      writerId: options.ids.uuid(),
      retained: new Retained(),
      clock: new BatchClock(options.monotonicMs),
    };
  }

  submit<R extends Json>(unit: Unit<R>): Promise<Submitted<R>> {
    if (this.#closed) return Promise.reject(unavailable("The ledger is shutting down"));
    const weight = unit.weight ?? 1;
    if (this.#queuedWeight + weight > this.#limits.queueWeight) {
      this.#refused += 1;
      return Promise.reject(unavailable("The ledger has more work than it can take now"));
    }
    return new Promise<Submitted<R>>((resolve, reject) => {
      const queued: Queued = {
        unit,
        since: this.#options.monotonicMs(),
        resolve: resolve as (value: Submitted<Json>) => void,
        reject,
      };
      (unit.bulk ? this.#bulk : this.#interactive).push(queued);
      this.#queuedWeight += weight;
      if (!unit.bulk) this.#interactiveWeight += weight;
      if (this.#interactiveWeight >= this.#limits.aheadWeight) this.#wake?.();
      // Started in a later turn, so that what arrives in this one is in the first batch.
      this.#running ??= new Promise<void>((done) => setImmediate(done)).then(() => this.#run());
    });
  }

  /** Writes what is queued, then ends the connection. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    const clients = [this.#client, this.#reader];
    this.#client = null;
    this.#reader = null;
    await Promise.all(clients.map((client) => client?.end().catch(() => undefined)));
  }

  async #run(): Promise<void> {
    try {
      let ahead: Ahead | null = null;
      while (ahead || this.#interactive.length + this.#bulk.length > 0) {
        // Where the next batch is ready, it is sent before this process turns to the answers of the last.
        const writing: Promise<void> = this.#writeOrReject(ahead?.batch ?? this.#takeBatch(), ahead);
        if (ahead) setImmediate(() => this.#giveAnswers());
        ahead = await this.#takeAhead(writing);
        await writing;
        if (!ahead) this.#giveAnswers();
      }
    } finally {
      this.#giveAnswers();
      this.#running = null;
    }
  }

  #giveAnswers(): void {
    for (const give of this.#answers.splice(0)) give();
  }

  async #writeOrReject(batch: readonly Queued[], ahead: Ahead | null): Promise<void> {
    try {
      await this.#writeBatch(batch, ahead);
    } catch (error) {
      const answer = isAway(error) ? unavailable(sentenceFor(error), error) : error;
      for (const queued of batch) queued.reject(answer);
      if (isAway(error)) this.#rejectQueue(answer);
    }
  }

  /**
   * While a batch is being written: takes the next one once enough has come together, and decides it.
   * Null where the writing ended before that. Whatever fails here, the batch is decided under the head.
   */
  async #takeAhead(writing: Promise<void>): Promise<Ahead | null> {
    let isOver = false;
    void writing.then(() => {
      isOver = true;
      this.#wake?.();
    });
    const { retained } = this.#context;
    const isWorthIt = () => {
      if (this.#underWay === null || !retained.isAlone) return false;
      // Two batches in turns should be of a size: many small ones beside a large one cost more than they save.
      const half = Math.min(this.#underWay.result.lines, this.#limits.batchWeight) / 2;
      return this.#interactiveWeight >= Math.max(this.#limits.aheadWeight, half);
    };
    while (!isOver && !isWorthIt())
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    this.#wake = null;
    // What arrives in this turn belongs to it.
    if (!isOver) await new Promise<void>((done) => setImmediate(done));
    const before = this.#underWay;
    if (isOver || !before) return null;
    const batch = this.#takeBatch();
    const units = batch.map((queued) => queued.unit);
    let decided: Decided | null = null;
    try {
      decided = await decideAhead(await this.#connectedReader(), units, before, this.#context);
    } catch (error) {
      this.#options.log.warn(
        { err: error },
        "a batch could not be decided ahead; it is decided under the head",
      );
      this.#reader?.end().catch(() => undefined);
      this.#reader = null;
    }
    return { batch, decided, after: before.batchId };
  }

  async #connectedReader(): Promise<Client> {
    if (this.#reader) return this.#reader;
    const reader = this.#options.createClient();
    reader.on("error", () => {
      if (this.#reader === reader) this.#reader = null;
    });
    await reader.connect();
    await reader.query(KEY_ACCESS_ONLY);
    this.#reader = reader;
    return reader;
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
      if (queue === this.#interactive) this.#interactiveWeight -= weight;
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
    this.#interactiveWeight = 0;
  }

  /** Writes the batch, or halves of it, and answers each unit. */
  async #writeBatch(batch: readonly Queued[], ahead: Ahead | null = null): Promise<void> {
    const started = this.#options.monotonicMs();
    let result: BatchResult;
    this.#underWay = null;
    const units = batch.map((queued) => queued.unit);
    const beforehand = ahead ? decidedAhead(ahead) : this.#fromMemory(units);
    try {
      result = await this.#attempt(units, beforehand);
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
    this.#replanAt(result.nextSeq);
    this.#answers.push(() => {
      for (const [place, queued] of batch.entries()) answer(queued, result.results[place]);
    });
    this.#options.onBatch?.({
      units: batch.length,
      lines: result.lines,
      waitMs: started - (batch[0]?.since ?? started),
      durationMs: this.#options.monotonicMs() - started,
      decidedAhead: ahead !== null && result === beforehand?.decided.result,
      decidedFromMemory: ahead === null && result === beforehand?.decided.result,
      waiting: this.#interactive.length + this.#bulk.length,
      refused: this.#refused,
      retries: this.#retries,
    });
    this.#refused = 0;
    this.#retries = {};
  }

  /** Runs the batch until it is committed, refused, or the database stays away for too long. */
  async #attempt(units: readonly Unit<Json>[], before: Beforehand | null): Promise<BatchResult> {
    // Counted from the first sign of trouble: this process may have been busy for longer than that itself.
    let deadline: number | null = null;
    const isOver = () => {
      deadline ??= this.#options.monotonicMs() + this.#limits.patienceMs;
      return this.#options.monotonicMs() > deadline;
    };
    let lost: CommitLost | null = null;
    let beforehand = before;
    const onSent = (sent: UnderWay) => {
      this.#underWay = sent;
      this.#wake?.();
    };
    for (let retries = 0; ; ) {
      try {
        const client = await this.#connected(isOver);
        if (lost?.result && (await this.#wasCommitted(client, lost))) {
          // What it changed was not taken over when its answer was lost.
          this.#context.retained.forget();
          return lost.result;
        }
        // From here on it cannot come in any more.
        lost = null;
        const written =
          beforehand &&
          (await writeAhead(client, beforehand.decided, beforehand.after, this.#context, onSent));
        if (written) return written;
        beforehand = null;
        return await runBatch(client, units, this.#context, onSent);
      } catch (error) {
        const refused = beforehand;
        beforehand = null;
        if (error instanceof CommitLost) lost = error;
        const connectionLost = error instanceof CommitLost || isConnectionLost(error);
        // Refused: others wrote meanwhile, what is remembered is wrong, or the units themselves are at fault.
        // Where only an id was not new or the time another, the next head tells whether memory holds.
        const onlyGuessed = refused?.decided.assumed && sqlState(error) === SQL_STATE.decidedBeforehand;
        if (!onlyGuessed) this.#context.retained.forget();
        if (connectionLost) this.#dropClient();
        else await this.#rollback();
        const overtaken = refused !== null && !connectionLost;
        const again =
          overtaken || (connectionLost ? !isOver() : isRetryable(error) && ++retries < MAX_RETRIES);
        if (!again) throw error instanceof CommitLost ? error.cause : error;
        const reason = connectionLost
          ? "connection"
          : !refused
            ? "conflict"
            : refused.decided.assumed
              ? "memory"
              : "overtaken";
        this.#retries[reason] = (this.#retries[reason] ?? 0) + 1;
      }
    }
  }

  /** Not where others write too: what is remembered would be wrong too often. */
  #fromMemory(units: readonly Unit<Json>[]): Beforehand | null {
    const { retained } = this.#context;
    const after = retained.last?.batchId;
    const weight = units.reduce((sum, unit) => sum + (unit.weight ?? 1), 0);
    if (after === undefined || !retained.isAlone || weight > this.#limits.memoryWeight) return null;
    const decided = decideFromMemory(units, this.#context);
    return decided && { decided, after };
  }

  /** Under the head lock, so that a commit still under way on the lost connection is waited for; one that is not there is kept out. */
  async #wasCommitted(client: Client, lost: CommitLost): Promise<boolean> {
    const { rows } = await client.query<{ written: boolean }>({
      ...WAS_WRITTEN,
      values: [this.#context.writerId, lost.batchId],
    });
    return rows[0]?.written === true;
  }

  /** The planner sees a table's size, not its future: plans made on an empty ledger may take an index that is as good then and not later. */
  #replanAt(seq: number): void {
    this.#plannedAtSeq = Math.min(this.#plannedAtSeq, seq);
    const growth = this.#plannedAtSeq < GROWN_SEQ ? REPLAN_GROWTH.young : REPLAN_GROWTH.grown;
    if (seq < REPLAN_FROM_SEQ || seq < this.#plannedAtSeq * growth) return;
    this.#plannedAtSeq = seq;
    // Sent ahead of the next batch on the same connection; one that is lost has no plans either.
    for (const client of [this.#client, this.#reader]) client?.query("DISCARD PLANS").catch(() => undefined);
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
        this.#plannedAtSeq = Number.POSITIVE_INFINITY;
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
