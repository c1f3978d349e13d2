/** A run as a table for people and as JSON for scripts, with the machine it ran on. */
import { cpus, totalmem } from "node:os";
import type { BenchResult } from "./benchmark.ts";

export interface BenchReport {
  readonly settings: {
    readonly machine: Machine;
    readonly scale: string;
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

export function describeMachine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    memory_gib: Math.round(totalmem() / GIB),
    node: process.version,
    note: "clients, servers and databases share this machine; Postgres with fsync on",
  };
}

/** Aligned columns; a row for each result, and one for each of its baselines. */
export function toTable(report: BenchReport): string {
  const rows: string[][] = [["benchmark", "value", "unit", "ratio"]];
  for (const { name, value, unit, baselines } of report.results) {
    rows.push([name, grouped(value), unit, ""]);
    for (const baseline of baselines)
      rows.push([`  against ${baseline.name}`, grouped(baseline.value), unit, `${baseline.ratio} x`]);
  }
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
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

function grouped(value: number | string): string {
  return typeof value === "number" ? value.toLocaleString("en-US", { maximumFractionDigits: 4 }) : value;
}
