/**
 * Quotas inside a unit of work: decided under the head lock, with the day and the
 * limit of that batch, seen by the units behind it. Pure functions of the view.
 */
import { DomainError, utcDay } from "#kernel";
import type { RowRead, View } from "#ledger";
import { admits, type QuotaState, type QuotaTarget, type QuotaUse, toUse } from "./model.ts";
import { quotaExceeded } from "./quota-exceeded.ts";
import { allowanceTable, usageTable } from "./tables.ts";
import { noteTouched } from "./watch-unit.ts";

/** Beyond this a limit is a mistake; the database refuses it too. */
const MAX_UNITS = 1_000_000_000_000;

interface Rows {
  readonly state: QuotaState;
  readonly allowanceVersion: number;
  readonly usageVersion: number;
}

/** @throws DomainError `invalid_request` where there is no such entity type */
function readRows(view: View, { userId, entityType }: QuotaTarget): Rows {
  const day = utcDay(view.now);
  const allowance = view.row(allowanceTable, { user_id: userId, entity_type: entityType });
  if (!allowance)
    throw new DomainError("invalid_request", `entity_type ${entityType} does not exist`, {
      details: { member: "entity_type" },
    });
  const usage = view.row(usageTable, { user_id: userId, entity_type: entityType, day });
  const [allowanceVersion, usageVersion] = [allowance.version, usage?.version ?? 0];
  const state: QuotaState = {
    userId,
    entityType,
    limit: allowance.quotaPerDay,
    used: usage?.used ?? 0,
    held: usage?.held ?? 0,
    day,
    version: allowanceVersion + usageVersion,
    now: view.now,
  };
  return { state, allowanceVersion, usageVersion };
}

/**
 * Uses `units` of today's quota, or nothing at all.
 *
 * @throws DomainError `quota_exceeded` where used + held + units is more than the limit
 */
export function consumeQuota(view: View, request: QuotaTarget & { readonly units: number }): QuotaUse {
  assertUnits(request.units, 1);
  const { state, usageVersion } = readRows(view, request);
  if (!admits(state, request.units)) {
    noteTouched(view, state);
    throw quotaExceeded(state, request.units);
  }
  const { userId, entityType, day, held } = state;
  const used = state.used + request.units;
  view.putRow(usageTable, { userId, entityType, day, used, held, version: usageVersion + 1 });
  const after: QuotaState = { ...state, used, version: state.version + 1 };
  noteTouched(view, after);
  return toUse(after);
}

/** Today's quota as this batch sees it; changes nothing. */
export function viewQuota(view: View, target: QuotaTarget): QuotaUse {
  return toUse(readRows(view, target).state);
}

/** Sets the limit a day, from now on. What is used stays used: a lowered limit leaves 0, not less. */
export function setAllowance(view: View, request: QuotaTarget & { readonly quotaPerDay: number }): QuotaUse {
  assertUnits(request.quotaPerDay, 0);
  const { state, allowanceVersion } = readRows(view, request);
  const limit = request.quotaPerDay;
  if (state.limit === limit) return toUse(state);
  const { userId, entityType } = state;
  view.putRow(allowanceTable, { userId, entityType, quotaPerDay: limit, version: allowanceVersion + 1 });
  const after: QuotaState = { ...state, limit, version: state.version + 1 };
  noteTouched(view, after);
  return toUse(after);
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
