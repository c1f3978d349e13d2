/**
 * Quotas inside a unit of work: decided under the head lock, with the day and the
 * limit of that batch, seen by the units behind it. Pure functions of the view.
 */
import type { RowRead, View } from "#ledger";
import { admits, type QuotaTarget, type QuotaUse, toUse } from "./model.ts";
import { putDay, putLimit, readDay } from "./quota-day.ts";
import { quotaExceeded } from "./quota-exceeded.ts";
import { allowanceTable, usageTable } from "./tables.ts";
import { noteTouched } from "./watch-unit.ts";

/** Beyond this a limit is a mistake; the database refuses it too. */
const MAX_UNITS = 1_000_000_000_000;

/**
 * Uses `units` of today's quota, or nothing at all.
 *
 * @throws DomainError `quota_exceeded` where used + held + units is more than the limit
 */
export function consumeQuota(view: View, request: QuotaTarget & { readonly units: number }): QuotaUse {
  assertUnits(request.units, 1);
  const day = readDay(view, request);
  if (!admits(day.state, request.units)) {
    noteTouched(view, day.state, false);
    throw quotaExceeded(day.state, request.units);
  }
  return toUse(putDay(view, day, { used: day.usage.used + request.units }));
}

/** Today's quota as this batch sees it; changes nothing. */
export function viewQuota(view: View, target: QuotaTarget): QuotaUse {
  return toUse(readDay(view, target).state);
}

/** Sets the limit a day, from now on. What is used stays used: a lowered limit leaves 0, not less. */
export function setAllowance(view: View, request: QuotaTarget & { readonly quotaPerDay: number }): QuotaUse {
  assertUnits(request.quotaPerDay, 0);
  const day = readDay(view, request);
  if (day.state.limit === request.quotaPerDay) return toUse(day.state);
  return toUse(putLimit(view, day, request.quotaPerDay));
}

/**
 * What the functions here will read, for `Unit.reads`.
 *
 * @param day the UTC day the batch is expected to have; another one costs a round trip more
 */
export function quotaReads({ userId, entityType }: QuotaTarget, day: number): RowRead[] {
  return [
    { table: allowanceTable, key: { user_id: userId, entity_type: entityType } },
    { table: usageTable, key: { user_id: userId, entity_type: entityType, day } },
  ];
}

export function assertUnits(units: number, least: number): void {
  if (!Number.isSafeInteger(units) || units < least || units > MAX_UNITS)
    throw new RangeError(`${units} is not a whole number of units from ${least} to ${MAX_UNITS}`);
}
