/** A run as a table for people and as JSON for scripts, with the machine it ran on. */
import { cpus, totalmem } from "node:os";
import type { BenchResult } from "./benchmark.ts";

/** What one run found. */
export interface BenchRun {
  readonly settings: Readonly<Record<string, Readonly<Record<string, number | string>>>>;
  readonly results: readonly BenchResult[];
}

/** Of the repeated runs of one figure. */
interface Spread {
  readonly runs: number;
  readonly lowest: number;
  readonly highest: number;
}

export interface BenchReport {
  readonly settings: {
    readonly machine: Machine;
    readonly scale: string;
    /** By result; results of a single run are left out. */
    readonly spread: Readonly<Record<string, Spread>>;
    /** By benchmark: counts, clients, durations. */
    readonly benchmarks: Readonly<Record<string, Readonly<Record<string, number | string>>>>;
  };
  readonly results: readonly BenchResult[];
}

interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_gib: number;
  readonly node: string;
  readonly note: string;
}

const GIB = 2 ** 30;

function describeMachine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    memory_gib: Math.round(totalmem() / GIB),
    node: process.version,
    note: "clients, servers and databases share this machine; Postgres with fsync on",
  };
}

/** Medians of each figure over the runs; a ratio is the median of the ratios, each of which is of one run. */
export function reportOf(scale: string, runs: readonly BenchRun[]): BenchReport {
  const spread: Record<string, Spread> = {};
  const results = (runs[0]?.results ?? []).map((first) => {
    const same = runs.flatMap(({ results: all }) => all.filter(({ name }) => name === first.name));
    const values = same.map(({ value }) => value);
    if (same.length > 1)
      spread[first.name] = {
        runs: same.length,
        lowest: Math.min(...values),
        highest: Math.max(...values),
      };
    const baselines = first.baselines.map(({ name }) => {
      const runsOf = same.flatMap((result) => result.baselines.filter((one) => one.name === name));
      return {
        name,
        value: median(runsOf.map(({ value }) => value)),
        ratio: median(runsOf.map(({ ratio }) => ratio)),
      };
    });
    return { name: first.name, value: median(values), unit: first.unit, baselines };
  });
  const benchmarks = Object.assign({}, ...runs.toReversed().map(({ settings }) => settings));
  return { settings: { machine: describeMachine(), scale, spread, benchmarks }, results };
}

/** Of an even number the lower of the two in the middle: a figure that was measured. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

/** Aligned columns; a row for each result, and one for each of its baselines. */
export function toTable(report: BenchReport): string {
  const rows: string[][] = [["benchmark", "value", "unit", "ratio", "runs"]];
  for (const { name, value, unit, baselines } of report.results) {
    rows.push([name, grouped(value), unit, "", rangeOf(report.settings.spread[name])]);
    for (const baseline of baselines)
      rows.push([`  against ${baseline.name}`, grouped(baseline.value), unit, `${baseline.ratio} x`, ""]);
  }
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 1 || column === 3 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  const { machine, scale } = report.settings;
  const about = [
    `${machine.cores} cores (${machine.cpu}), ${machine.memory_gib} GiB, Node ${machine.node}; ${machine.note}; scale: ${scale}`,
    ...Object.entries(report.settings.benchmarks).map(
      ([name, settings]) =>
        `${name}: ${Object.entries(settings)
          .map(([key, value]) => `${key.replaceAll("_", " ")} ${grouped(value)}`)
          .join(", ")}`,
    ),
  ];
  return [...lines, "", ...about, ""].join("\n");
}

function rangeOf(spread: Spread | undefined): string {
  return spread ? `${spread.runs}: ${grouped(spread.lowest)} to ${grouped(spread.highest)}` : "";
}

function grouped(value: number | string): string {
  return typeof value === "number" ? value.toLocaleString("en-US", { maximumFractionDigits: 4 }) : value;
}
