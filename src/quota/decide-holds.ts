/**
 * Holds of quota inside a unit of work, decided as consumption is. A hold that is
 * due counts for nothing from that second on; ending one that has ended in the
 * same way again is no error and changes nothing.
 */
import { DomainError, toRfc3339, type UnixSeconds, utcDay } from "#kernel";
import type { RowRead, View } from "#ledger";
import { assertUnits, quotaReads } from "./decide.ts";
import { holdAt, type QuotaHold } from "./hold.ts";
import { admits, type QuotaTarget, secondsLeftInDay } from "./model.ts";
import { putDay, type QuotaDay, readDay } from "./quota-day.ts";
import { quotaExceeded } from "./quota-exceeded.ts";
import { holdTable, openHoldsTable } from "./tables.ts";
import { noteTouched } from "./watch-unit.ts";

export const HOLD_SECONDS = { min: 1, max: 604_800, default: 300 } as const;
/** Of one quota and day: all of them are read where one is changed. */
export const MAX_OPEN_HOLDS = 1_000;

export interface ReserveRequest extends QuotaTarget {
  /** Chosen by the caller, fresh. */
  readonly holdId: string;
  /** A whole number from 1. */
  readonly units: number;
  /** Within `HOLD_SECONDS`. */
  readonly ttlSeconds: number;
  readonly createdBy: string;
  readonly reference: string | null;
}

/**
 * Takes `units` out of today until they are committed, released or expire.
 *
 * @throws DomainError `quota_exceeded`; `rate_limited` where too many holds are open
 */
export function reserveQuota(view: View, request: ReserveRequest): QuotaHold {
  const { holdId, userId, entityType, units, ttlSeconds, createdBy, reference } = request;
  assertUnits(units, 1);
  assertTtl(ttlSeconds);
  const day = readDay(view, request, { withHolds: true });
  if (!admits(day.state, units)) {
    noteTouched(view, day.state, false);
    throw quotaExceeded(day.state, units);
  }
  const open = day.open ?? [];
  if (open.length >= MAX_OPEN_HOLDS) throw tooManyHolds(open, view.now);
  const hold: QuotaHold = {
    ...{ id: holdId, userId, entityType, day: day.state.day, units, reference, createdBy },
    createdAt: view.now,
    expiresAt: view.now + ttlSeconds,
    status: "open",
    committed: null,
    endedAt: null,
  };
  view.putRow(holdTable, hold);
  putDay(view, day, { with: hold });
  return hold;
}

/**
 * Books what it cost and gives the rest back. More than was held is booked as far as its day has it free.
 *
 * @param units by default all that is held; from 0
 * @throws DomainError `not_found`; `not_active` where it was released, expired, or committed with another
 *   number; `quota_exceeded` where there is not enough: then it stays as it is
 */
export function commitHold(
  view: View,
  request: { readonly holdId: string; readonly units?: number },
): QuotaHold {
  const hold = holdOf(view, request.holdId);
  const units = request.units ?? hold.committed ?? hold.units;
  assertUnits(units, 0);
  if (hold.status === "committed" && hold.committed === units) return hold;
  if (hold.status !== "open") throw hasEnded(hold);
  const day = readDay(view, hold, { day: hold.day, withHolds: true });
  assertRoom(day, hold, units);
  const committed: QuotaHold = { ...hold, status: "committed", committed: units, endedAt: view.now };
  view.putRow(holdTable, committed);
  putDay(view, day, { used: day.usage.used + units, without: hold });
  return committed;
}

/**
 * Gives back what is held; of an expired one nothing is left to give back.
 *
 * @throws DomainError `not_found`; `not_active` where it was committed
 */
export function releaseHold(view: View, request: { readonly holdId: string }): QuotaHold {
  const hold = holdOf(view, request.holdId);
  if (hold.status === "released" || hold.status === "expired") return hold;
  if (hold.status !== "open") throw hasEnded(hold);
  const day = readDay(view, hold, { day: hold.day, withHolds: true });
  const released: QuotaHold = { ...hold, status: "released", endedAt: view.now };
  view.putRow(holdTable, released);
  putDay(view, day, { without: hold });
  return released;
}

/**
 * Lets it live for `ttlSeconds` from now, if that is longer than it would; and hold another number of units.
 *
 * @throws DomainError `not_found`; `not_active` where it has ended; `quota_exceeded` where more units are
 *   wanted than its day has: then it stays as it is
 */
export function extendHold(
  view: View,
  request: { readonly holdId: string; readonly ttlSeconds: number; readonly units?: number },
): QuotaHold {
  const hold = holdOf(view, request.holdId);
  assertTtl(request.ttlSeconds);
  if (hold.status !== "open") throw hasEnded(hold);
  const units = request.units ?? hold.units;
  assertUnits(units, 1);
  const day = readDay(view, hold, { day: hold.day, withHolds: true });
  assertRoom(day, hold, units);
  const expiresAt = Math.max(hold.expiresAt, view.now + request.ttlSeconds);
  if (units === hold.units && expiresAt === hold.expiresAt) return hold;
  const extended: QuotaHold = { ...hold, units, expiresAt };
  view.putRow(holdTable, extended);
  putDay(view, day, { without: hold, with: extended });
  return extended;
}

/** Ends the holds of one day that are due. Answers how many. */
export function expireHolds(view: View, target: QuotaTarget & { readonly day: number }): number {
  const day = readDay(view, target, { day: target.day });
  if (day.due.length > 0) putDay(view, day, {});
  return day.due.length;
}

/** What the functions here will read of the quota of a day, for `Unit.reads`. */
export function holdReads(target: QuotaTarget, day: number, holdId?: string): RowRead[] {
  const { userId, entityType } = target;
  return [
    ...quotaReads(target, day),
    { table: openHoldsTable, key: { user_id: userId, entity_type: entityType, day } },
    ...(holdId === undefined ? [] : [{ table: holdTable, key: { id: holdId } }]),
  ];
}

/** As it is now. @throws DomainError `not_found` */
function holdOf(view: View, id: string): QuotaHold {
  const hold = view.row(holdTable, { id });
  if (!hold) throw noSuchHold(id);
  return holdAt(hold, view.now);
}

export function noSuchHold(id: string): DomainError {
  return new DomainError("not_found", `There is no hold ${id}`);
}

/** More than is held has to be free on the hold's day, and a day that is over has nothing free. */
function assertRoom({ state }: QuotaDay, hold: QuotaHold, units: number): void {
  const more = units - hold.units;
  if (more <= 0) return;
  const isToday = state.day === utcDay(state.now);
  if (isToday && admits(state, more)) return;
  const free = isToday ? Math.max(0, state.limit - state.used - state.held) : 0;
  throw new DomainError(
    "quota_exceeded",
    `${units} is more than the ${hold.units} that are held and the ${free} that are free on that day`,
    {
      details: {
        hold_id: hold.id,
        entity_type: hold.entityType,
        requested: units,
        held: hold.units,
        quota_remaining: free,
      },
      retryAfterSeconds: secondsLeftInDay(state.now),
    },
  );
}

function hasEnded(hold: QuotaHold): DomainError {
  const at = toRfc3339(hold.endedAt ?? hold.expiresAt);
  const how = hold.status === "committed" ? `committed with ${hold.committed}` : hold.status;
  return new DomainError("not_active", `Hold ${hold.id} was ${how} at ${at}`, {
    details: { hold_id: hold.id, status: hold.status, committed: hold.committed, ended_at: at },
  });
}

function tooManyHolds(open: readonly QuotaHold[], now: UnixSeconds): DomainError {
  const first = open[0]?.expiresAt ?? now + 1;
  return new DomainError(
    "rate_limited",
    `${MAX_OPEN_HOLDS} holds of this quota are open today; commit or release some`,
    { details: { open_holds: open.length }, retryAfterSeconds: first - now },
  );
}

function assertTtl(seconds: number): void {
  if (!Number.isSafeInteger(seconds) || seconds < HOLD_SECONDS.min || seconds > HOLD_SECONDS.max)
    throw new RangeError(
      `${seconds} is not a number of seconds from ${HOLD_SECONDS.min} to ${HOLD_SECONDS.max}`,
    );
}
