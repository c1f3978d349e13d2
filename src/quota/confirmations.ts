/**
 * What Postgres itself said within the last second, for quotas that deny. A
 * counter in Redis may be from another time (a stale replica, a restored
 * snapshot, a publish that never arrived), so its denial counts only while it
 * agrees with what stands here. Kept in the process: a failover cannot touch it.
 */
import { isNewer, type QuotaState, type QuotaTarget, secondsUntilChange, targetText } from "./model.ts";

/** The longest that a raise which could not be published can be overlooked. */
const TRUSTED_MS = 1_000;
const MAX_ENTRIES = 100_000;

interface Confirmation {
  readonly state: QuotaState;
  readonly atMs: number;
  readonly trustedMs: number;
}

export class Confirmations {
  readonly #byTarget = new Map<string, Confirmation>();

  /** @param atMs when the question was sent, so that a slow answer is not trusted for longer */
  add(state: QuotaState, atMs: number): void {
    const text = targetText(state);
    const known = this.#byTarget.get(text);
    if (known && isTrusted(known, atMs) && isNewer(known.state, state)) return;
    // Ledger time is floored to the second, so the last one before a change by time alone is not trusted at all.
    const unchangedMs = (secondsUntilChange(state) - 1) * 1_000;
    this.#byTarget.delete(text);
    this.#byTarget.set(text, { state, atMs, trustedMs: Math.min(TRUSTED_MS, unchangedMs) });
    this.#dropOld(atMs);
  }

  /** `null` where nothing was confirmed, or too long ago, or the clock was set back. */
  get(target: QuotaTarget, nowMs: number): QuotaState | null {
    const known = this.#byTarget.get(targetText(target));
    if (!known) return null;
    return isTrusted(known, nowMs) ? known.state : null;
  }

  clear(): void {
    this.#byTarget.clear();
  }

  /** In the order in which they were confirmed; each is looked at once when it is dropped. */
  #dropOld(nowMs: number): void {
    for (const [text, confirmation] of this.#byTarget) {
      if (this.#byTarget.size <= MAX_ENTRIES && isTrusted(confirmation, nowMs)) return;
      this.#byTarget.delete(text);
    }
  }
}

function isTrusted({ atMs, trustedMs }: Confirmation, nowMs: number): boolean {
  return nowMs >= atMs && nowMs - atMs < trustedMs;
}
