/** Small counters by a whole number; zeros are left out, so that equal counts are equal objects. */
import type { Counts } from "./model.ts";

export function countOf(counts: Counts, at: number): number {
  return counts[`${at}`] ?? 0;
}

/** @throws Error below zero: the rows and their totals disagree, which is a bug */
export function addTo(counts: Counts, at: number, change: number): Counts {
  const value = countOf(counts, at) + change;
  if (value < 0) throw new Error(`a count fell below zero at ${at}`);
  const { [`${at}`]: _, ...others } = counts;
  return value === 0 ? others : { ...others, [`${at}`]: value };
}
