/**
 * The answers that idempotency keys stand for: those stored earlier, and those
 * of the batch under way, so that the second request with a key is simply a
 * later unit and replays.
 */
import { DomainError, type ErrorCode } from "#kernel";
import type { UnitResult } from "./batch.ts";
import type { StoredOutcome } from "./batch-save.ts";
import type { Json } from "./json.ts";
import type { Idempotency } from "./unit.ts";

export interface EarlierOutcome {
  readonly principal: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly outcome: { ok?: Json; error?: { code: ErrorCode; message: string; details: unknown } };
}

export function outcomeKey({ principal, key }: { principal: string; key: string }): string {
  return JSON.stringify([principal, key]);
}

/** Stored answers: the earlier ones of this batch's keys, and those that this batch adds. */
export class Outcomes {
  readonly fresh: StoredOutcome[] = [];
  readonly #known: Map<string, EarlierOutcome>;
  #before: Outcomes | null;
  /** @param before those of the batch under way that this one is decided on */
  constructor(earlier: ReadonlyMap<string, EarlierOutcome>, before: Outcomes | null = null) {
    this.#known = new Map(earlier);
    this.#before = before;
  }

  /** The batch before is committed. */
  settle(): void {
    this.#before = null;
  }

  find(idempotency: Idempotency): UnitResult | null {
    const earlier = this.#known.get(outcomeKey(idempotency));
    if (!earlier) return this.#before?.find(idempotency) ?? null;
    if (earlier.fingerprint !== idempotency.fingerprint) {
      const message = "This Idempotency-Key was used for another request; send a new key with a new request";
      return { error: new DomainError("idempotency_key_reused", message) };
    }
    const { ok, error } = earlier.outcome;
    if (error)
      return {
        error: new DomainError(error.code, error.message, { details: error.details, replayed: true }),
      };
    return { value: { value: ok ?? null, replayed: true } };
  }

  store(idempotency: Idempotency, outcome: EarlierOutcome["outcome"]): void {
    const { principal, key, fingerprint } = idempotency;
    this.#known.set(outcomeKey(idempotency), { principal, key, fingerprint, outcome });
    this.fresh.push({ principal, key, fingerprint, outcome: outcome as Json });
  }
}
