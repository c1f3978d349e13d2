/**
 * Every test there is: vitest (unit, database, HTTP, end to end) and the
 * contracts' own under Hardhat. The last line says how many passed and failed.
 * With arguments only vitest runs, and gets them: `npm test -- test/kernel`.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "./run-command.ts";

interface Totals {
  passed: number;
  failed: number;
  /** Names of tests that did not run, for want of a Redis server or a browser. */
  skipped: string[];
}

interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numFailedTestSuites: number;
  success: boolean;
  testResults: { assertionResults: { status: string; fullName: string }[] }[];
}

async function runVitest(args: readonly string[]): Promise<Totals> {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-report-"));
  try {
    const file = join(folder, "vitest.json");
    const { code } = await runCommand([
      "vitest",
      "run",
      ...["--reporter=default", "--reporter=json", `--outputFile.json=${file}`],
      ...args,
    ]);
    return vitestTotals(file, code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A run that breaks beside its tests (a file that does not load, an unhandled rejection) is one failure at least. */
function vitestTotals(file: string, code: number): Totals {
  let report: VitestReport;
  try {
    report = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return { passed: 0, failed: 1, skipped: [] };
  }
  const failed = report.numFailedTests;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && code !== 0 ? Math.max(1, report.numFailedTestSuites) : failed,
    skipped: report.testResults
      .flatMap((result) => result.assertionResults)
      .filter(({ status }) => status !== "passed" && status !== "failed")
      .map(({ fullName }) => fullName),
  };
}

async function runHardhat(): Promise<Totals> {
  const { code, output } = await runCommand(["hardhat", "test", "solidity"], { capture: true });
  const passed = sum(output, /(\d+) passing/g);
  const failed = sum(output, /(\d+) failing/g);
  const broken = failed === 0 && (code !== 0 || passed === 0);
  return { passed, failed: broken ? 1 : failed, skipped: [] };
}

function sum(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);
}

const args = process.argv.slice(2);
const totals = [await runVitest(args)];
if (args.length === 0) totals.push(await runHardhat());

const skipped = totals.flatMap((part) => part.skipped);
if (skipped.length > 0) {
  process.stdout.write("\nNot run, because no redis-server or no chromium is installed:\n");
  for (const name of skipped) process.stdout.write(`  ${name}\n`);
}
const [passed, failed] = [
  totals.reduce((count, part) => count + part.passed, 0),
  totals.reduce((count, part) => count + part.failed, 0),
];
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
