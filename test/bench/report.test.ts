import { expect, test } from "vitest";
import type { BenchResult } from "../../bench/benchmark.ts";
import { reportOf, toTable } from "../../bench/report.ts";

const result = (value: number, baseline: number): BenchResult => ({
  ...{ name: "a", value, unit: "1/s" },
  baselines: [{ name: "b", value: baseline, ratio: value / baseline }],
});
const run = (...results: BenchResult[]) => ({ settings: { a: { seconds: 1 } }, results });

test("a figure is the median of the runs, a ratio the median of the ratios of single runs", () => {
  const report = reportOf("full", [run(result(100, 50)), run(result(300, 100)), run(result(200, 200))]);
  expect(report.results).toEqual([
    { name: "a", value: 200, unit: "1/s", baselines: [{ name: "b", value: 100, ratio: 2 }] },
  ]);
  expect(report.settings.spread).toEqual({ a: { runs: 3, lowest: 100, highest: 300 } });
  expect(toTable(report)).toContain("3: 100 to 300");
});

test("one run has no spread, and what ran once is what it was", () => {
  const once = { ...result(7, 7), name: "once" };
  const report = reportOf("full", [run(result(1, 1), once), run(result(3, 1))]);
  expect(report.results.map(({ name, value }) => [name, value])).toEqual([
    ["a", 1],
    ["once", 7],
  ]);
  expect(Object.keys(report.settings.spread)).toEqual(["a"]);
});
