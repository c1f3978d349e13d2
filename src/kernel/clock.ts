/**
 * Time is passed in. Ledger time is a whole number of Unix seconds and belongs
 * to the batch that writes (see `src/ledger`); wall time is for tokens, rate
 * limits and timeouts and comes from a `Clock`.
 */
export type UnixSeconds = number;

export interface Clock {
  /** Wall time in milliseconds since 1970-01-01 UTC. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };

export const SECONDS_PER_DAY = 86_400;

/** RFC 3339 UTC with whole seconds: 1769774400 → "2026-01-30T12:00:00Z". */
export function toRfc3339(time: UnixSeconds): string {
  return new Date(time * 1000).toISOString().replace(".000Z", "Z");
}

/** Days since 1970-01-01 UTC. */
export function utcDay(time: UnixSeconds): number {
  return Math.floor(time / SECONDS_PER_DAY);
}
