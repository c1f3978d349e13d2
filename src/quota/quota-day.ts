/**
 * One day of one quota inside a unit of work: read with the limit in force and
 * without the holds that are due, and written back as one row. Whatever is due is
 * ended by the next write; reading alone writes nothing, so that a denial leaves
 * no trace.
 */
import { DomainError, SECONDS_PER_DAY, toRfc3339, type UnixSeconds, utcDay } from "#kernel";
import type { View } from "#ledger";
import { isDue, type QuotaHold } from "./hold.ts";
import { type QuotaState, type QuotaTarget, toUse } from "./model.ts";
import {
  type AllowanceRow,
  allowanceTable,
  holdTable,
  openHoldsTable,
  type UsageRow,
  usageTable,
} from "./tables.ts";
import { noteTouched } from "./watch-unit.ts";

const PER_CENT = 100;

export interface QuotaDay {
  readonly allowance: AllowanceRow;
  readonly usage: UsageRow;
  readonly state: QuotaState;
  /** Due, and still to be ended. */
  readonly due: readonly QuotaHold[];
  /** Open and not due, the first to expire first; `null` where nobody had to look at them. */
  readonly open: readonly QuotaHold[] | null;
}

/**
 * @param options.day by default the batch's
 * @param options.withHolds reads the open holds even where none is due
 * @throws DomainError `invalid_request` where there is no such entity type
 */
export function readDay(
  view: View,
  { userId, entityType }: QuotaTarget,
  options: { readonly day?: number; readonly withHolds?: boolean } = {},
): QuotaDay {
  const day = options.day ?? utcDay(view.now);
  const allowance = view.row(allowanceTable, { user_id: userId, entity_type: entityType });
  if (!allowance)
    throw new DomainError("invalid_request", `entity_type ${entityType} does not exist`, {
      details: { member: "entity_type" },
    });
  const key = { user_id: userId, entity_type: entityType, day };
  const usage = view.row(usageTable, key) ?? {
    ...{ userId, entityType, day, used: 0, held: 0, version: 0, nextExpiry: null, told: 0 },
  };
  const anyDue = usage.nextExpiry !== null && usage.nextExpiry <= view.now;
  const holds = anyDue || options.withHolds ? (view.row(openHoldsTable, key)?.holds ?? []) : null;
  const due = anyDue && holds ? holds.slice(0, firstNotDue(holds, view.now)) : [];
  const open = holds && due.length > 0 ? holds.slice(due.length) : holds;
  const lapsed = unitsOf(due);
  const state: QuotaState = {
    ...{ userId, entityType, day, lapsed },
    limit: allowance.quotaPerDay,
    used: usage.used,
    held: usage.held - lapsed,
    nextExpiry: open ? firstExpiry(open) : usage.nextExpiry,
    version: allowance.version + usage.version,
    now: view.now,
  };
  return { allowance, usage, state, due, open };
}

export interface DayChange {
  readonly used?: number;
  /** One of the open holds, to be open no more. */
  readonly without?: QuotaHold;
  /** An open hold more. */
  readonly with?: QuotaHold;
}

/** Writes what changed, ends what is due, tells of thresholds that are reached by it. */
export function putDay(view: View, day: QuotaDay, change: DayChange): QuotaState {
  const { allowance, usage, due } = day;
  const open = day.open && changed(day.open, change);
  const used = change.used ?? usage.used;
  const held = day.state.held - (change.without?.units ?? 0) + (change.with?.units ?? 0);
  const nextExpiry = open ? firstExpiry(open) : usage.nextExpiry;
  const { userId, entityType } = usage;
  for (const hold of due) endDue(view, hold);
  if (open && (open !== day.open || due.length > 0))
    view.putRow(openHoldsTable, { userId, entityType, day: usage.day, holds: open });
  const state: QuotaState = {
    ...day.state,
    ...{ used, held, lapsed: 0, nextExpiry },
    version: allowance.version + usage.version + 1,
  };
  // The limit in force is today's: of a day that is over nothing can be reached any more.
  const isToday = usage.day === utcDay(view.now);
  const told = isToday ? tellThresholds(view, state, allowance.thresholds, usage.told) : usage.told;
  view.putRow(usageTable, { ...usage, used, held, nextExpiry, told, version: usage.version + 1 });
  note(view, state, day.state);
  return state;
}

/** Where a limit changed: writes the day only if it reaches a threshold by that. */
export function putLimit(view: View, day: QuotaDay, limit: number): QuotaState {
  const { allowance, usage } = day;
  view.putRow(allowanceTable, { ...allowance, quotaPerDay: limit, version: allowance.version + 1 });
  const limited: QuotaState = { ...day.state, limit, version: day.state.version + 1 };
  const told = tellThresholds(view, limited, allowance.thresholds, usage.told);
  if (told === usage.told) {
    noteTouched(view, limited, true);
    return limited;
  }
  view.putRow(usageTable, { ...usage, told, version: usage.version + 1 });
  const state = { ...limited, version: limited.version + 1 };
  noteTouched(view, state, true);
  return state;
}

/** A day that is over has no counter that anybody asks for. */
function note(view: View, state: QuotaState, before: QuotaState): void {
  if (state.day !== utcDay(view.now)) return;
  noteTouched(view, state, state.used + state.held < before.used + before.held + before.lapsed);
}

function endDue(view: View, hold: QuotaHold): void {
  view.putRow(holdTable, { ...hold, status: "expired", endedAt: view.now });
  view.emit({
    type: "quota.hold_expired",
    subject: hold.userId,
    data: {
      hold_id: hold.id,
      user_id: hold.userId,
      entity_type: hold.entityType,
      day: dateOf(hold.day),
      units: hold.units,
      reference: hold.reference,
      expired_at: toRfc3339(hold.expiresAt),
    },
  });
}

/** Tells once a day of each threshold, and of none below one that was told of. Answers the highest one told of. */
function tellThresholds(view: View, state: QuotaState, thresholds: readonly number[], told: number): number {
  const { limit, used, held } = state;
  const { used: taken, remaining } = toUse(state);
  const reached = thresholds.filter(
    (percent) => percent > told && taken > 0 && taken * PER_CENT >= percent * limit,
  );
  for (const threshold of reached)
    view.emit({
      type: "quota.threshold_reached",
      subject: state.userId,
      data: {
        user_id: state.userId,
        entity_type: state.entityType,
        day: dateOf(state.day),
        threshold,
        ...{ limit, used, held, remaining },
      },
    });
  return reached.at(-1) ?? told;
}

function unitsOf(holds: readonly QuotaHold[]): number {
  return holds.reduce((sum, hold) => sum + hold.units, 0);
}

function firstExpiry(holds: readonly QuotaHold[]): number | null {
  return holds[0]?.expiresAt ?? null;
}

function firstNotDue(holds: readonly QuotaHold[], now: UnixSeconds): number {
  const first = holds.findIndex((hold) => !isDue(hold, now));
  return first === -1 ? holds.length : first;
}

/** Kept in order rather than sorted: a batch may change a thousand of them, one after the other. */
function changed(open: readonly QuotaHold[], change: DayChange): readonly QuotaHold[] {
  if (!change.without && !change.with) return open;
  const { without } = change;
  const others = without ? open.filter(({ id }) => id !== without.id) : open;
  const added = change.with;
  if (!added) return others;
  const behind = others.findLastIndex((hold) => hold.expiresAt <= added.expiresAt) + 1;
  return others.toSpliced(behind, 0, added);
}

/** "2026-01-30" */
export function dateOf(day: number): string {
  return toRfc3339(day * SECONDS_PER_DAY).slice(0, "2026-01-30".length);
}
