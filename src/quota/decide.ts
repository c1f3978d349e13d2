/**
 * Quotas inside a unit of work: decided under the head lock, with the day and the
 * limit of that batch, seen by the units behind it. Pure functions of the view.
 */
import { DomainError, utcDay } from "#kernel";
import type { RowRead, View } from "#ledger";
import { admits, type QuotaState, type QuotaTarget, type QuotaUse, toUse } from "./model.ts";
import { quotaExceeded } from "./quota-exceeded.ts";
import { allowanceTable, usageTable } from "./tables.ts";

/** Beyond this a limit is a mistake; the database refuses it too. */
const MAX_UNITS = 1_000_000_000_000;

/** @throws DomainError `invalid_request` where there is no such entity type */
export function quotaState(view: View, { userId, entityType }: QuotaTarget): QuotaState {
  const day = utcDay(view.now);
  const allowance = view.row(allowanceTable, { user_id: userId, entity_type: entityType });
  if (!allowance)
    throw new DomainError("invalid_request", `entity_type ${entityType} does not exist`, {
      details: { member: "entity_type" },
    });
  const usage = view.row(usageTable, { user_id: userId, entity_type: entityType, day });
  return {
    userId,
    entityType,
    limit: allowance.quotaPerDay,
    used: usage?.used ?? 0,
    held: usage?.held ?? 0,
    day,
    version: allowance.version + (usage?.version ?? 0),
    now: view.now,
  };
}

/**
 * Uses `units` of today's quota, or nothing at all.
 *
 * @throws DomainError `quota_exceeded` where used + held + units is more than the limit
 */
export function consumeQuota(view: View, request: QuotaTarget & { readonly units: number }): QuotaUse {
  assertUnits(request.units, 1);
  const state = quotaState(view, request);
  if (!admits(state, request.units)) throw quotaExceeded(state, request.units);
  const { userId, entityType, day } = state;
  const usage = view.row(usageTable, { user_id: userId, entity_type: entityType, day });
  view.putRow(usageTable, {
    userId,
    entityType,
    day,
    used: state.used + request.units,
    held: state.held,
    version: (usage?.version ?? 0) + 1,
  });
  return toUse({ ...state, used: state.used + request.units, version: state.version + 1 });
}

/** Today's quota as this batch sees it; changes nothing. */
export function viewQuota(view: View, target: QuotaTarget): QuotaUse {
  return toUse(quotaState(view, target));
}

/** Sets the limit a day, from now on. What is used stays used: a lowered limit leaves 0, not less. */
export function setAllowance(view: View, request: QuotaTarget & { readonly quotaPerDay: number }): QuotaUse {
  assertUnits(request.quotaPerDay, 0);
  const state = quotaState(view, request);
  if (state.limit === request.quotaPerDay) return toUse(state);
  const { userId, entityType } = state;
  const allowance = view.row(allowanceTable, { user_id: userId, entity_type: entityType });
  view.putRow(allowanceTable, {
    userId,
    entityType,
    quotaPerDay: request.quotaPerDay,
    version: (allowance?.version ?? 0) + 1,
  });
  return toUse({ ...state, limit: request.quotaPerDay, version: state.version + 1 });
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

function assertUnits(units: number, least: number): void {
  if (!Number.isSafeInteger(units) || units < least || units > MAX_UNITS)
    throw new RangeError(`${units} is not a whole number of units from ${least} to ${MAX_UNITS}`);
}
