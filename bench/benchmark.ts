/**
 * What a benchmark is: a name, what it is handed, and what it answers. Everything
 * it measures against (its baselines) runs in the same run, on the same machine,
 * on the same kind of database, because figures from elsewhere say nothing.
 */
import type { BenchStack } from "./stack.ts";

export interface Baseline {
  readonly name: string;
  readonly value: number;
  /** This project's value divided by the baseline's. */
  readonly ratio: number;
}

export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baselines: readonly Baseline[];
}

export type Scale = "full" | "quick";

export interface BenchContext {
  readonly scale: Scale;
  /** Lines of history for `ledger.history`; null: what the scale says. */
  readonly history: number | null;
  /** Of `settle.epoch`, and how many epochs of changes it closes; null: what the scale says. */
  readonly positions: number | null;
  readonly epochs: number | null;
  /** The servers of this run; each is started when it is first asked for. */
  readonly stack: BenchStack;
  /** Progress, for a person who waits. */
  log(message: string): void;
  /** Counts, clients, durations: whatever a figure cannot be read without. */
  note(settings: Readonly<Record<string, number | string>>): void;
}

export interface Benchmark {
  readonly name: string;
  /** Run once where the others are repeated: it takes long, or does not vary. */
  readonly once?: boolean;
  run(context: BenchContext): Promise<readonly BenchResult[]>;
}

/** `full` for figures, `quick` to see that the benchmark works. */
export function choose<T extends Readonly<Record<Scale, unknown>>>(
  context: { readonly scale: Scale },
  sizes: T,
): T[Scale] {
  return sizes[context.scale];
}

/** @param baselines by name, in the same unit */
export function resultOf(
  name: string,
  value: number,
  unit: string,
  baselines: Readonly<Record<string, number>> = {},
): BenchResult {
  return {
    name,
    value: rounded(value),
    unit,
    baselines: Object.entries(baselines).map(([baseline, of]) => ({
      name: baseline,
      value: rounded(of),
      ratio: Number((value / of).toPrecision(3)),
    })),
  };
}

/** Three significant digits below 1,000, whole numbers above: the rest is noise. */
function rounded(value: number): number {
  return value >= 1_000 ? Math.round(value) : Number(value.toPrecision(3));
}
