/**
 * Every test there is: vitest (unit, database, HTTP, end to end) and the
 * contracts' own under Hardhat. What failed stands at the end once more, and the
 * last line says how many passed and failed.
 * With arguments only vitest runs, and gets them: `npm test -- test/kernel`.
 *
 * Of a whole run, a file with a failure runs once more, alone: twelve minutes of real databases and chains on two cores
 * have moments in which a machine stands still. What then passes counts as passed, and is named all the same: a test that
 * needs a second try has a fault, or shows one. A run with many failures is not tried again.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestFile, TestRun } from "./failures-reporter.ts";
import { runCommand } from "./run-command.ts";

interface Totals {
  readonly passed: number;
  readonly failed: number;
}

const REPORTER = fileURLToPath(new URL("failures-reporter.ts", import.meta.url));
/** More failed files than these are no moment of the machine. */
const MOST_TRIED_AGAIN = 4;
const LINES_OF_AN_ERROR = 12;

/** A run that breaks before it can report, or beside its tests, says so as something uncaught. */
async function runVitest(args: readonly string[]): Promise<TestRun> {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-report-"));
  try {
    const file = join(folder, "run.json");
    const { code } = await runCommand(
      ["vitest", "run", "--reporter=default", `--reporter=${REPORTER}`, ...args],
      { env: { ...process.env, FAILURES_FILE: file } },
    );
    const run = reportOf(file);
    const found = run.uncaught.length + run.files.flatMap(({ failed }) => failed).length;
    return found === 0 && code !== 0 ? { ...run, uncaught: [`vitest ended with ${code}`] } : run;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function reportOf(file: string): TestRun {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return { files: [], uncaught: ["vitest ended without a report"] };
  }
}

/** A whole run, whose few failed files have run once more, alone. @returns with what passed only then */
async function runAll(): Promise<{ readonly run: TestRun; readonly unsteady: readonly string[] }> {
  const first = await runVitest([]);
  const failed = first.files.filter((file) => file.failed.length > 0);
  const few = failed.length > 0 && failed.length <= MOST_TRIED_AGAIN;
  if (!few || first.uncaught.length > 0) return { run: first, unsteady: [] };
  const names = failed.map(({ name }) => name);
  say("Failed, and once more alone:", names);
  const again = await runVitest([...names, "--no-file-parallelism"]);
  const steady = first.files.filter((file) => !failed.includes(file));
  const now = new Set(again.files.filter((file) => file.failed.length === 0).map(({ name }) => name));
  return {
    run: { files: [...steady, ...again.files], uncaught: again.uncaught },
    unsteady: failed.filter(({ name }) => now.has(name)).flatMap(failuresOf),
  };
}

function failuresOf({ name, failed }: TestFile): string[] {
  return failed.map(({ test, why }) => `${name}${test === null ? "" : `: ${test}`}\n${indented(why)}`);
}

function indented(text: string): string {
  const lines = text
    .split("\n")
    .filter((line) => !line.includes("/node_modules/") && !/\(node:|at new Promise/.test(line));
  return lines
    .slice(0, LINES_OF_AN_ERROR)
    .map((line) => `    ${line}`)
    .join("\n");
}

function say(title: string, texts: readonly string[]): void {
  if (texts.length > 0) process.stdout.write(`\n${title}\n${texts.map((text) => `  ${text}\n`).join("")}`);
}

async function runHardhat(): Promise<Totals> {
  const { code, output } = await runCommand(["hardhat", "test", "solidity"], { capture: true });
  const passed = sum(output, /(\d+) passing/g);
  const failed = sum(output, /(\d+) failing/g);
  const broken = failed === 0 && (code !== 0 || passed === 0);
  return { passed, failed: broken ? 1 : failed };
}

function sum(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);
}

const args = process.argv.slice(2);
const { run, unsteady } = args.length === 0 ? await runAll() : { run: await runVitest(args), unsteady: [] };
const hardhat = args.length === 0 ? await runHardhat() : { passed: 0, failed: 0 };

say(
  "Not run, for want of a redis-server or a chromium, or of what failed before them:",
  run.files.flatMap((file) => file.notRun),
);
say("Passed only alone, after they had failed beside others:", unsteady);
const failures = [...run.files.flatMap(failuresOf), ...run.uncaught.map(indented)];
say("Failed:", failures);
const passed = run.files.reduce((count, file) => count + file.passed, hardhat.passed);
const failed = failures.length + hardhat.failed;
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
