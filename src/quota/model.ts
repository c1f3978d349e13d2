/**
 * A quota: how many units of an entity type a user may use a UTC day, and what
 * of it is used today. Units are whole numbers far below 2^53 (they are counts,
 * not money); days are counted from 1970-01-01 UTC in ledger time.
 */
import { SECONDS_PER_DAY, type UnixSeconds } from "#kernel";

export interface QuotaTarget {
  readonly userId: string;
  /** A row of `quota_kind`. */
  readonly entityType: number;
}

/** One quota at one committed moment. */
export interface QuotaState extends QuotaTarget {
  readonly limit: number;
  readonly used: number;
  /** By open holds that are not due; counts as if it were used. */
  readonly held: number;
  /** By holds that are due and hold nothing any more, but still stand in the row. */
  readonly lapsed: number;
  /** When the first of the holds that are not due expires: until then time alone changes nothing. */
  readonly nextExpiry: UnixSeconds | null;
  readonly day: number;
  /** Of two states of a day the one with the higher version is the newer. */
  readonly version: number;
  /** Ledger time of that moment. */
  readonly now: UnixSeconds;
}

/** What programs tell their users. */
export interface QuotaUse {
  readonly limit: number;
  /** Units that today no longer has, the held ones included. */
  readonly used: number;
  /** Those of `used` that holds keep, and may give back. */
  readonly held: number;
  /** Never below 0, also where a limit was lowered under what is used. */
  readonly remaining: number;
  readonly day: number;
  readonly version: number;
}

export interface QuotaKind {
  readonly id: number;
  readonly name: string;
  readonly defaultPerDay: number;
  /** Per cent of a day's quota that are told of when they are reached; ascending. */
  readonly thresholds: readonly number[];
}

export function toUse(state: QuotaState): QuotaUse {
  const used = state.used + state.held;
  return {
    limit: state.limit,
    used,
    held: state.held,
    remaining: Math.max(0, state.limit - used),
    day: state.day,
    version: state.version,
  };
}

/** The rule itself. */
export function admits(
  state: { readonly limit: number; readonly used: number; readonly held: number },
  units: number,
) {
  return state.used + state.held + units <= state.limit;
}

/** Seconds until the next 00:00 UTC; from 1 to 86,400. */
export function secondsLeftInDay(now: UnixSeconds): number {
  return SECONDS_PER_DAY - (now % SECONDS_PER_DAY);
}

/** Whether `a` is newer than `b`; equal ones are not. */
export function isNewer(
  a: { readonly day: number; readonly version: number },
  b: { readonly day: number; readonly version: number },
): boolean {
  return a.day > b.day || (a.day === b.day && a.version > b.version);
}

/** The state does not change by time alone before this many seconds: no day begins, no hold expires. */
export function secondsUntilChange(state: Pick<QuotaState, "now" | "nextExpiry">): number {
  const { now, nextExpiry } = state;
  const untilMidnight = secondsLeftInDay(now);
  return nextExpiry === null ? untilMidnight : Math.min(untilMidnight, nextExpiry - now);
}

/** One text for one quota. */
export function targetText({ userId, entityType }: QuotaTarget): string {
  return `${entityType}/${userId}`;
}
