/**
 * When to try again, and when to give an event up. Waiting doubles from a second
 * to a quarter of an hour, with jitter, so that endpoints that failed together do
 * not come back together.
 *
 * An event that the receiver answers but does not take may be at fault itself: it
 * is given up after a number of attempts, and the next one gets its turn. Where
 * nobody answers, no event is at fault: all wait, for a day; then each attempt gives
 * up one that is older than a day, so that an endpoint that is gone cannot hold the
 * rest in line for ever. A dead letter is not lost: a replay delivers it.
 */
export interface BackOff {
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
  /** Answers other than 2xx that one event gets. */
  readonly refusals: number;
  /** How long an endpoint may be out of reach before its events that are as old are given up. */
  readonly unreachableMs: number;
}

export const BACK_OFF: BackOff = {
  firstDelayMs: 1_000,
  longestDelayMs: 900_000,
  refusals: 10,
  unreachableMs: 86_400_000,
};

/**
 * @param failures how many there were before this one
 * @param random 0 to 1: half of the wait is fixed, half is drawn
 */
export function delayMs(backOff: BackOff, failures: number, random: number): number {
  const full = Math.min(backOff.longestDelayMs, backOff.firstDelayMs * 2 ** Math.min(failures, 30));
  return Math.round(full / 2 + (full / 2) * random);
}
