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
  /** Reserved, not yet committed or released; counts as if it were used. */
  readonly held: number;
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
  /** Never below 0, also where a limit was lowered under what is used. */
  readonly remaining: number;
  readonly day: number;
  readonly version: number;
}

export interface QuotaKind {
  readonly id: number;
  readonly name: string;
  readonly defaultPerDay: number;
}

export function toUse(state: QuotaState): QuotaUse {
  const used = state.used + state.held;
  return {
    limit: state.limit,
    used,
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

/** One text for one quota. */
export function targetText({ userId, entityType }: QuotaTarget): string {
  return `${entityType}/${userId}`;
}
