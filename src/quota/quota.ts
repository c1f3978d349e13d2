/**
 * Consumption with the gate in front of the writer. The writer alone admits; the
 * gate spares it the requests that it would deny. A denial of the gate stands
 * only while Postgres confirmed the same within a second, and only for a request
 * that does not repeat an earlier one. Without Redis all goes to the writer.
 */
import type { DataSource } from "typeorm";
import type { Log, Metrics, Redis } from "#infra";
import { type Clock, utcDay } from "#kernel";
import type { Idempotency, Json, Ledger, RowRead, Submitted, Unit } from "#ledger";
import { Confirmations } from "./confirmations.ts";
import { quotaReads } from "./decide.ts";
import { type Drift, isSame, measureDrift } from "./drift.ts";
import {
  admits,
  isNewer,
  type QuotaKind,
  type QuotaState,
  type QuotaTarget,
  type QuotaUse,
  targetText,
  toUse,
} from "./model.ts";
import { Publisher } from "./publisher.ts";
import { quotaExceeded } from "./quota-exceeded.ts";
import { type Counter, createRedisGate, GateAway, type RedisGate } from "./redis-gate.ts";
import { createTruth, readKinds, readLedgerId, readStates, type Truth } from "./truth.ts";
import { isQuotaExceeded, type Touched, watchUnit } from "./watch-unit.ts";

export interface QuotaOptions {
  readonly ledger: Pick<Ledger, "submit">;
  /** `null`: no Redis is configured; everything goes to the writer. */
  readonly redis: Redis | null;
  readonly dataSource: DataSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "counterDrift" | "quotaDecisions" | "quotaGateBypassed">;
}

export interface ConsumeRequest<R extends Json> extends QuotaTarget {
  /** A whole number from 1. */
  readonly units: number;
  /** Calls `consumeQuota` for the same user, entity type and units; its reads of quota tables are added here. */
  readonly unit: Unit<R>;
  /** Instead of those that `consumeQuota` needs. */
  readonly reads?: readonly RowRead[];
  /** Called before the answer, a refusal too, where the gate was not asked. */
  readonly onGateBypassed?: (() => void) | undefined;
}

export interface Consumed<R> extends Submitted<R> {
  /** True where Redis was not asked: the API says `X-Quota-Gate: bypassed`. */
  readonly gateBypassed: boolean;
}

export interface KindUse extends QuotaUse {
  readonly entityType: number;
  /** "risk", "strategy", … */
  readonly name: string;
}

/** The response header that says that Redis was not asked. */
export const QUOTA_GATE_HEADER = "X-Quota-Gate";

type Outcome = "admitted" | "replayed" | "denied" | "denied_by_gate";

const COUNTERS_SAMPLED = 1_000;

export class Quota {
  readonly #ledger: Pick<Ledger, "submit">;
  readonly #dataSource: DataSource;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #metrics: QuotaOptions["metrics"];
  readonly #kinds: readonly QuotaKind[];
  readonly #truth: Truth;
  readonly #gate: RedisGate | null;
  readonly #publisher: Publisher | null;
  readonly #confirmed = new Confirmations();
  /** The newest day that a batch or a read had: ledger time may run ahead of the clock. */
  #lastDay = 0;

  constructor(options: QuotaOptions, ledgerId: string, kinds: readonly QuotaKind[]) {
    const { redis, clock, log } = options;
    this.#ledger = options.ledger;
    this.#dataSource = options.dataSource;
    this.#clock = clock;
    this.#metrics = options.metrics;
    this.#kinds = kinds;
    this.#truth = createTruth(options.dataSource);
    this.#gate = redis && createRedisGate({ redis, ledgerId, clock });
    this.#publisher = this.#gate && new Publisher(this.#gate);
    this.#log = log;
  }

  /**
   * Runs a unit that consumes.
   *
   * @throws DomainError `quota_exceeded` with `retryAfterSeconds`; what the unit throws; what
   *   `Ledger.submit` throws
   */
  async consume<R extends Json>(request: ConsumeRequest<R>): Promise<Consumed<R>> {
    const askedMs = this.#clock.nowMs();
    const gateBypassed = !(await this.#passGate(request));
    if (gateBypassed) {
      this.#metrics.quotaGateBypassed.inc();
      request.onGateBypassed?.();
    }
    const reads = request.reads ?? quotaReads(request, this.expectedDay());
    const watched = watchUnit(request.unit, reads);
    try {
      const submitted = await this.#ledger.submit(watched.unit);
      this.#count(submitted.replayed ? "replayed" : "admitted");
      if (!submitted.replayed) this.#learn(watched.touched(), request.units, askedMs);
      return { ...submitted, gateBypassed };
    } catch (error) {
      if (isQuotaExceeded(error)) {
        this.#count("denied");
        this.#learn(watched.touched(), request.units, askedMs);
      }
      throw error;
    }
  }

  /**
   * Runs a unit that sets allowances of one user, and publishes what it changed before it answers, so that
   * a raise counts at once in every process. Where Redis cannot be reached, a process whose gate denied
   * within the last second may deny for the rest of it.
   *
   * @throws what `Ledger.submit` throws
   */
  submit<R extends Json>(userId: string, unit: Unit<R>): Promise<Submitted<R>> {
    const day = this.expectedDay();
    const reads = this.#kinds.flatMap(({ id }) => quotaReads({ userId, entityType: id }, day));
    return this.submitWatched(unit, reads);
  }

  /** The same for a unit that says by itself which rows of quota tables it reads. */
  async submitWatched<R extends Json>(unit: Unit<R>, reads: readonly RowRead[]): Promise<Submitted<R>> {
    const watched = watchUnit(unit, reads);
    const submitted = await this.#ledger.submit(watched.unit);
    // A unit that was replayed in the end may have been decided before, in a batch that never committed.
    const touched = submitted.replayed ? [] : watched.touched();
    this.#noteDay(touched);
    await Promise.all(touched.map(({ state }) => this.#publisher?.publish(state, { urgent: true })));
    return submitted;
  }

  /** As they were at the start, by id: their thresholds may have changed. */
  get kinds(): readonly QuotaKind[] {
    return this.#kinds;
  }

  /** Today's use of every kind, by ledger time, all at one moment; in the order of their ids. */
  async usageOf(userId: string): Promise<KindUse[]> {
    const targets = this.#kinds.map((kind) => ({ userId, entityType: kind.id }));
    const states = await readStates(this.#dataSource, targets);
    return this.#kinds.flatMap(({ id, name }) => {
      const state = states.get(targetText({ userId, entityType: id }));
      return state ? [{ ...toUse(state), entityType: id, name }] : [];
    });
  }

  /**
   * Compares counters that this process published lately with Postgres, and mends those that differ.
   * Sets the metric; `null` (and no metric) where there is no Redis or it is away.
   */
  async measureDrift(sample = COUNTERS_SAMPLED): Promise<Drift | null> {
    const drift =
      this.#gate && this.#publisher
        ? await measureDrift({
            gate: this.#gate,
            publisher: this.#publisher,
            dataSource: this.#dataSource,
            sample,
          })
        : null;
    if (drift) this.#metrics.counterDrift.set(drift.differing);
    else this.#metrics.counterDrift.remove();
    return drift;
  }

  /** To be called when ledger time was moved: what was confirmed belongs to the time before. */
  forgetConfirmations(): void {
    this.#confirmed.clear();
  }

  /** Waits for what is being published. */
  async close(): Promise<void> {
    await this.#publisher?.settled();
  }

  /**
   * @returns true where the gate let the request through, false where it could not be asked
   * @throws DomainError `quota_exceeded`
   */
  async #passGate({ userId, entityType, units, unit }: ConsumeRequest<Json>): Promise<boolean> {
    if (!this.#gate) return false;
    const target = { userId, entityType };
    let counter: Counter | null;
    try {
      counter = await this.#gate.check(target, units);
    } catch (error) {
      if (error instanceof GateAway) return false;
      throw error;
    }
    if (!counter) return true;
    const denial = await this.#confirmDenial(target, units, counter, unit.idempotency);
    if (!denial) return true;
    this.#count("denied_by_gate");
    throw quotaExceeded(denial, units);
  }

  /**
   * The state that denies, as Postgres had it within the last second; `null` where it would admit, where
   * the request repeats one that had its effect, and where Postgres cannot be asked (the writer says so).
   */
  async #confirmDenial(
    target: QuotaTarget,
    units: number,
    counter: Counter,
    idempotency: Idempotency | undefined,
  ): Promise<QuotaState | null> {
    try {
      const state = await this.#confirmedState(target, units, counter);
      if (!state || admits(state, units)) return null;
      // Looked up after the denial was confirmed: an effect that is not there by then would meet it too.
      return idempotency && (await this.#truth.isKnownKey(idempotency)) ? null : state;
    } catch (error) {
      this.#log.warn({ err: error }, "a denial of the quota gate could not be confirmed");
      return null;
    }
  }

  async #confirmedState(
    target: QuotaTarget,
    units: number,
    counter: Counter,
  ): Promise<QuotaState | undefined> {
    const askedMs = this.#clock.nowMs();
    const known = this.#confirmed.get(target, askedMs);
    if (known && !isNewer(counter, known) && !admits(known, units)) return known;
    const state = await this.#truth.state(target);
    if (!state) return undefined;
    this.#noteDay([{ state }]);
    this.#confirmed.add(state, askedMs);
    if (!isSame(state, counter) || state.held !== counter.held)
      void this.#publisher?.publish(state, { replaces: counter });
    return state;
  }

  /**
   * A committed state that denies the same again: to the counters, and to what this process knows for
   * sure. One that leaves room as before would tell the gate nothing, so it is not sent.
   */
  #learn(touched: readonly Touched[], units: number, askedMs: number): void {
    this.#noteDay(touched);
    for (const { state, gaveRoom } of touched) {
      const denies = !admits(state, units);
      if (denies) this.#confirmed.add(state, askedMs);
      if (denies || gaveRoom) void this.#publisher?.publish(state);
    }
  }

  #count(outcome: Outcome): void {
    this.#metrics.quotaDecisions.inc({ outcome });
  }

  #noteDay(touched: readonly Pick<Touched, "state">[]): void {
    for (const { state } of touched) if (state.day > this.#lastDay) this.#lastDay = state.day;
  }

  /** The day that the next batch will have, as far as one can know. */
  expectedDay(): number {
    return Math.max(this.#lastDay, utcDay(Math.floor(this.#clock.nowMs() / 1_000)));
  }
}

/** Reads what stays the same for a ledger's life: its id and its kinds of quota. */
export async function createQuota(options: QuotaOptions): Promise<Quota> {
  const [ledgerId, kinds] = await Promise.all([
    readLedgerId(options.dataSource),
    readKinds(options.dataSource),
  ]);
  return new Quota(options, ledgerId, kinds);
}
