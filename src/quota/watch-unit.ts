/**
 * Which quotas a unit of work touched and how it left them, so that this can be
 * published once its batch is committed. `decide` may run more than once, each
 * time on a view of its own; the last run is the one that counts.
 */
import { DomainError } from "#kernel";
import type { Json, RowRead, Unit, View } from "#ledger";
import { type QuotaState, targetText } from "./model.ts";

export interface WatchedUnit<R extends Json> {
  readonly unit: Unit<R>;
  /** Only true once the unit was committed or denied, and not where it was replayed. */
  touched(): readonly Touched[];
}

export interface Touched {
  readonly state: QuotaState;
  /** Whether it may admit more than before: a counter that denies has to learn of it. */
  readonly gaveRoom: boolean;
}

const touchedBy = new WeakMap<View, Map<string, Touched>>();

/** To be called by whatever changes a quota in a view, or denies by it. */
export function noteTouched(view: View, state: QuotaState, gaveRoom: boolean): void {
  const text = targetText(state);
  const known = touchedBy.get(view);
  const touched = { state, gaveRoom: gaveRoom || (known?.get(text)?.gaveRoom ?? false) };
  if (known) known.set(text, touched);
  else touchedBy.set(view, new Map([[text, touched]]));
}

/** @param reads of quota tables, added to the unit's own */
export function watchUnit<R extends Json>(unit: Unit<R>, reads: readonly RowRead[]): WatchedUnit<R> {
  let decidedOn: View | null = null;
  const watched: Unit<R> = {
    ...unit,
    reads: { ...unit.reads, rows: unit.reads?.rows ? [...unit.reads.rows, ...reads] : reads },
    decide: (view) => {
      decidedOn = view;
      return unit.decide(view);
    },
  };
  const touched = () => [...((decidedOn && touchedBy.get(decidedOn))?.values() ?? [])];
  return { unit: watched, touched };
}

export function isQuotaExceeded(error: unknown): boolean {
  return error instanceof DomainError && error.code === "quota_exceeded";
}
