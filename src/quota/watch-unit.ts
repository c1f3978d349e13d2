/**
 * A unit of work with an eye on quotas: notes the state in which it left them, so
 * that this state can be published once its batch is committed. `decide` may run
 * more than once; the last run is the one that counts, and replaces the note.
 */
import { DomainError } from "#kernel";
import type { Json, Unit } from "#ledger";
import { quotaReads, quotaState } from "./decide.ts";
import type { QuotaState, QuotaTarget } from "./model.ts";

export interface WatchedUnit<R extends Json> {
  readonly unit: Unit<R>;
  /** Only true once the unit was committed or denied; empty where it was replayed. */
  seen(): readonly QuotaState[];
}

/** @param day the UTC day the batch is expected to have */
export function watchUnit<R extends Json>(
  unit: Unit<R>,
  targets: readonly QuotaTarget[],
  day: number,
): WatchedUnit<R> {
  let states: readonly QuotaState[] = [];
  const watched: Unit<R> = {
    ...unit,
    reads: {
      ...unit.reads,
      rows: [...(unit.reads?.rows ?? []), ...targets.flatMap((target) => quotaReads(target, day))],
    },
    decide: (view) => {
      states = [];
      try {
        const value = unit.decide(view);
        states = targets.map((target) => quotaState(view, target));
        return value;
      } catch (error) {
        if (isQuotaExceeded(error)) states = targets.map((target) => quotaState(view, target));
        throw error;
      }
    },
  };
  return { unit: watched, seen: () => states };
}

export function isQuotaExceeded(error: unknown): boolean {
  return error instanceof DomainError && error.code === "quota_exceeded";
}
