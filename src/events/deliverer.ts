/**
 * Brings events to webhooks: to each endpoint in order, one at a time, at least
 * once; to several at once. Who delivers to an endpoint holds a lease on it, a row
 * with an expiry, written in a statement of its own: no transaction is open while
 * a receiver is asked. What a receiver took is recorded before the next event goes
 * out, and only under the lease, so that a process that stalled or was killed
 * leads to a second delivery at worst, never to a missing one.
 */
import type { Pool } from "pg";
import type { Log, Metrics } from "#infra";
import { type Clock, type Ids, toRfc3339 } from "#kernel";
import { BACK_OFF, type BackOff, delayMs } from "./back-off.ts";
import { type EventRecord, eventAnswer } from "./model.ts";
import { type Attempt, Poster } from "./post-event.ts";
import { readPage } from "./read-events.ts";
import { SIGNATURE_HEADER, signature } from "./sign.ts";
import { rows, SQL } from "./sql.ts";
import { type TypeFilter, typeFilter } from "./type-filter.ts";

export interface DelivererOptions {
  readonly pool: Pool;
  readonly ledgerId: string;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "webhookAttempts" | "webhookDeadLetters">;
  readonly allowPrivate: boolean;
  readonly timeoutMs?: number;
  readonly backOff?: BackOff;
}

interface Claim {
  readonly webhook: string;
  readonly url: string;
  readonly types: readonly string[] | null;
  readonly secret: string;
  readonly after_seq: number;
  readonly attempts: number;
  readonly failures: number;
  readonly failing_seconds: number;
  readonly now: number;
}

const TIMEOUT_MS = 10_000;
/** Beyond the longest attempt, for what comes before and after it. */
const LEASE_MARGIN_MS = 5_000;
const MAX_AT_ONCE = 16;
const EVENTS_A_PAGE = 100;
/** Batches that follow each other in no time ask once. */
const WAKE_PAUSE_MS = 50;
/** How long attempts under way may go on when the process stops. */
const STOP_GRACE_MS = 3_000;
const MS_PER_SECOND = 1_000;

export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #poster: Poster;
  readonly #timeoutMs: number;
  readonly #backOff: BackOff;
  readonly #serving = new Map<string, Promise<void>>();
  readonly #cut = new AbortController();
  #claiming: Promise<void> | null = null;
  #again = false;
  #wakeTimer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#backOff = options.backOff ?? BACK_OFF;
    this.#poster = new Poster({ timeoutMs: this.#timeoutMs, allowPrivate: options.allowPrivate });
  }

  /** Something was written: look soon. */
  wake(): void {
    if (this.#stopping) return;
    this.#wakeTimer ??= setTimeout(() => {
      this.#wakeTimer = undefined;
      this.deliver().catch((error: unknown) =>
        this.#options.log.warn({ err: error }, "webhooks could not be looked for; tried again"),
      );
    }, WAKE_PAUSE_MS);
    this.#wakeTimer.unref();
  }

  /**
   * Begins delivering whatever is due and not in anybody's hands; answers when that has begun, not when it has ended.
   * @throws what the database throws where it is away
   */
  deliver(): Promise<void> {
    this.#again = true;
    this.#claiming ??= this.#claimDue().finally(() => {
      this.#claiming = null;
    });
    return this.#claiming;
  }

  /** Begins nothing more, gives attempts under way a moment, and lets go of every lease. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#wakeTimer);
    const cut = setTimeout(() => this.#cut.abort(), STOP_GRACE_MS);
    await this.#claiming?.catch(() => {});
    await Promise.all(this.#serving.values());
    clearTimeout(cut);
    this.#poster.close();
  }

  async #claimDue(): Promise<void> {
    while (this.#again && !this.#stopping) {
      this.#again = false;
      const room = MAX_AT_ONCE - this.#serving.size;
      if (room <= 0) return;
      const lease = this.#options.ids.uuid();
      const claims = await rows<Claim>(this.#options.pool, SQL.claim, [
        ...[lease, this.#leaseMs, room, [...this.#serving.keys()]],
      ]);
      for (const claim of claims) this.#begin(claim, lease);
    }
  }

  get #leaseMs(): number {
    return this.#timeoutMs + LEASE_MARGIN_MS;
  }

  #begin(claim: Claim, lease: string): void {
    const { log } = this.#options;
    const served = this.#serve(claim, lease)
      .catch((error: unknown) =>
        // The lease runs out by itself.
        log.warn({ err: error, webhook: claim.webhook }, "a webhook's deliveries could not be recorded"),
      )
      .finally(() => {
        this.#serving.delete(claim.webhook);
        // What came while this one was in hand was left out by every look.
        this.wake();
      });
    this.#serving.set(claim.webhook, served);
  }

  /** Delivers until all is delivered, something fails, or the lease is lost. */
  async #serve(claim: Claim, lease: string): Promise<void> {
    const { pool } = this.#options;
    const wanted = typeFilter(claim.types);
    let done = claim.after_seq;
    for (let first = true; !this.#stopping; ) {
      const page = await readPage(pool, { after: done, limit: EVENTS_A_PAGE, subject: null });
      const reached = await this.#servePage(claim, lease, { events: page.events, wanted, done, first });
      if (reached === null) return;
      if (reached > done) first = false;
      done = reached;
      if (!page.more || this.#stopping) break;
      // Long stretches of types that nobody wants: the lease must not run out meanwhile, and a restart not begin anew.
      if (!(await this.#hold(claim, lease, done))) break;
    }
    await rows(pool, SQL.release, [claim.webhook, lease, done]);
  }

  /** @returns the last event done with; null where this claim is over and was let go of */
  async #servePage(
    claim: Claim,
    lease: string,
    work: { events: readonly EventRecord[]; wanted: TypeFilter; done: number; first: boolean },
  ): Promise<number | null> {
    const { pool, metrics } = this.#options;
    let { done, first } = work;
    for (const event of work.events) {
      if (this.#stopping) break;
      if (!work.wanted(event.type)) {
        done = event.seq;
        continue;
      }
      const attempts = first ? claim.attempts : 0;
      const attempt = await this.#attempt(claim, event, attempts);
      metrics.webhookAttempts.inc({ outcome: attempt.kind });
      if (attempt.kind === "stopped") break;
      if (attempt.kind !== "delivered") {
        const failures = first ? claim.failures : 0;
        await this.#fail(claim, lease, { event, done, attempt, attempts, failures });
        return null;
      }
      const recorded = await rows(pool, SQL.recordDelivered, [
        ...[claim.webhook, lease, event.seq, this.#leaseMs],
      ]);
      if (recorded.length === 0) {
        await rows(pool, SQL.release, [claim.webhook, lease, done]);
        return null;
      }
      done = event.seq;
      first = false;
    }
    return done;
  }

  #attempt(claim: Claim, event: EventRecord, attempts: number): Promise<Attempt> {
    const { clock, ledgerId } = this.#options;
    const answer = eventAnswer(ledgerId, event);
    const body = JSON.stringify(answer);
    const time = Math.floor(clock.nowMs() / MS_PER_SECOND);
    return this.#poster.post({
      url: claim.url,
      body,
      signal: this.#cut.signal,
      headers: {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Anchorbook-Webhook",
        "Anchorbook-Event-Id": answer.id,
        "Anchorbook-Event-Seq": String(event.seq),
        "Anchorbook-Event-Type": event.type,
        "Anchorbook-Webhook-Id": claim.webhook,
        "Anchorbook-Attempt": String(attempts + 1),
        [SIGNATURE_HEADER]: signature(claim.secret, time, body),
      },
    });
  }

  async #fail(
    claim: Claim,
    lease: string,
    failed: {
      readonly event: EventRecord;
      readonly done: number;
      readonly attempt: Attempt & { readonly error: string };
      readonly attempts: number;
      readonly failures: number;
    },
  ): Promise<void> {
    const { pool, log, ids, metrics } = this.#options;
    const { event, attempt, attempts, failures } = failed;
    const random = (ids.bytes(1)[0] ?? 0) / 256;
    const refused = attempt.kind === "refused";
    const told = { webhook: claim.webhook, seq: event.seq, error: attempt.error, attempts: attempts + 1 };
    const outOfReach =
      Math.min(claim.failing_seconds, claim.now - event.time) * MS_PER_SECOND >= this.#backOff.unreachableMs;
    const giveUp = refused ? attempts + 1 >= this.#backOff.refusals : failures > 0 && outOfReach;
    if (!giveUp) {
      const delay = delayMs(this.#backOff, refused ? attempts : failures, random);
      log.debug({ ...told, delay_ms: delay }, "a webhook did not take an event");
      await rows(pool, SQL.recordFailure, [claim.webhook, lease, failed.done, attempt.error, delay]);
      return;
    }
    // The next event is not at fault where the receiver answers; where nobody does, it waits its turn.
    const delay = refused ? 0 : delayMs(this.#backOff, failures, random);
    log.warn(
      { ...told, at: toRfc3339(event.time) },
      "a webhook's event is given up and kept as a dead letter",
    );
    metrics.webhookDeadLetters.inc();
    await rows(pool, SQL.recordDeadLetter, [
      ...[claim.webhook, lease, event.seq, attempt.error, delay, attempts + 1],
    ]);
  }

  async #hold(claim: Claim, lease: string, done: number): Promise<boolean> {
    const held = await rows(this.#options.pool, SQL.hold, [claim.webhook, lease, done, this.#leaseMs]);
    return held.length > 0;
  }
}
