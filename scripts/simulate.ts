/**
 * `npm run simulate`: random programs against the real writer, with everything
 * that can go wrong going wrong, and a plain model that must agree after every
 * round. See docs/simulation.md.
 */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { makeFolder } from "#infra";
import { counted } from "#kernel";
import { type Counts, gapsIn, sumOf } from "../test/simulation/coverage.ts";
import { CROWD } from "../test/simulation/generator.ts";
import { SeedFailed, type SeedResult, simulateSeed } from "../test/simulation/simulation.ts";
import { startStack } from "../test/simulation/stack.ts";

const HELP = `Usage: npm run simulate -- [options]

  --seed N         one seed (default: drawn at random, and said)
  --seeds A..B     all seeds from A to B
  --steps M        requests a seed sends, repetitions included (default 2,000)
  --crowd N        requests in the largest round (default 70): larger ones spend less
                   time on comparing and starting, and have fewer faults a request
  --coverage       fail where a code or a fault was reached by no seed
                   (always so in runs of 20,000 steps or more; in larger
                   crowds of as many more)
  --json FILE      writes the summary as JSON
  --log DIR        where the rounds of a seed that fails are written (default: .anchorbook/simulation)
  --help           this

Ends with 0 where model and ledger agreed throughout, with 1 where not, and with
2 after bad usage; a seed that fails is named with its step and the command that
runs it again.
`;
/** From so many steps on, in crowds of the usual size, every code and fault is expected to be reached. */
const FULL_COVERAGE_FROM = 20_000;

interface Plan {
  readonly seeds: readonly number[];
  readonly steps: number;
  readonly crowd: number;
  readonly coverage: boolean;
  readonly json: string | undefined;
  readonly log: string;
}

function planOf(args: readonly string[]): Plan | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      steps: { type: "string", default: "2000" },
      crowd: { type: "string", default: `${CROWD}` },
      coverage: { type: "boolean", default: false },
      json: { type: "string" },
      log: { type: "string", default: ".anchorbook/simulation" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const steps = wholeNumber(values.steps, "--steps");
  const crowd = wholeNumber(values.crowd, "--crowd");
  const seeds = seedsOf(values.seed, values.seeds);
  const coverage =
    values.coverage || (steps * seeds.length * CROWD) / Math.max(CROWD, crowd) >= FULL_COVERAGE_FROM;
  return { seeds, steps, crowd, coverage, json: values.json, log: values.log };
}

function seedsOf(one: string | undefined, range: string | undefined): number[] {
  if (range === undefined)
    return [one === undefined ? Math.floor(Math.random() * 2 ** 31) + 1 : wholeNumber(one, "--seed")];
  const [, first = "", last = ""] = /^(\d+)\.\.(\d+)$/.exec(range) ?? [];
  const [from, to] = [wholeNumber(first, "--seeds"), wholeNumber(last, "--seeds")];
  if (to < from) throw new Error("--seeds A..B needs A to be at most B");
  return Array.from({ length: to - from + 1 }, (_, place) => from + place);
}

function wholeNumber(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${option} needs a whole number above zero`);
  return value;
}

async function simulate(plan: Plan): Promise<boolean> {
  const results: SeedResult[] = [];
  const stack = await startStack();
  try {
    for (const seed of plan.seeds) {
      const { steps, crowd } = plan;
      const onProgress = (done: number) => progress(seed, done, plan);
      const result = await simulateSeed(stack, seed, { steps, crowd, onProgress });
      results.push(result);
      report(result);
    }
  } catch (error) {
    if (!(error instanceof SeedFailed)) throw error;
    tellFailure(error, plan);
    return false;
  } finally {
    await stack.close();
  }
  return summarise(results, plan);
}

function progress(seed: number, done: number, { steps }: Plan): void {
  if (process.stdout.isTTY) process.stdout.write(`\rseed ${seed}: step ${done} of ${steps} `);
}

function report({ seed, steps, rounds, lines, seconds, counts }: SeedResult): void {
  const faults = Object.values(counts.faults ?? {}).reduce((sum, count) => sum + count, 0);
  const figures = `${steps} steps in ${rounds} rounds, ${lines} journal lines, ${faults} faults`;
  process.stdout.write(
    `${process.stdout.isTTY ? "\r" : ""}seed ${seed}: ${figures}, ${seconds.toFixed(1)} s: agreed\n`,
  );
}

function tellFailure(failure: SeedFailed, { log }: Plan): void {
  makeFolder(resolve(log));
  const file = join(log, `seed-${failure.seed}.jsonl`);
  writeFileSync(file, `${failure.log.join("\n")}\n`);
  process.stdout.write(`\n${failure.message}\n\nIts last rounds: ${file}\n`);
}

function summarise(results: readonly SeedResult[], plan: Plan): boolean {
  const counts = sumOf(results.map((result) => result.counts));
  const gaps = gapsIn(counts);
  const steps = results.reduce((sum, result) => sum + result.steps, 0);
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  process.stdout.write(`\n${table(counts)}\n`);
  process.stdout.write(
    `${steps} steps over ${counted(results.length, "seed")} in ${seconds.toFixed(0)} s: model and ledger agreed\n`,
  );
  if (gaps.length > 0) process.stdout.write(`never reached: ${gaps.join(", ")}\n`);
  if (plan.json !== undefined)
    writeFileSync(
      plan.json,
      `${JSON.stringify({ steps, seconds, counts, gaps, seeds: results }, null, 2)}\n`,
    );
  return gaps.length === 0 || !plan.coverage;
}

function table(counts: Counts): string {
  return Object.entries(counts)
    .map(([kind, members]) => {
      const lines = Object.entries(members).map(
        ([name, count]) => `  ${name.padEnd(46)}${String(count).padStart(9)}`,
      );
      return `${kind.replaceAll("_", " ")}\n${lines.join("\n")}`;
    })
    .join("\n");
}

/** What was asked for; a mistake in it is said in one line. */
function readPlan(): Plan | "help" | "wrong" {
  try {
    return planOf(process.argv.slice(2)) ?? "help";
  } catch (error) {
    process.stderr.write(`simulate: ${error instanceof Error ? error.message : String(error)}\n`);
    return "wrong";
  }
}

const plan = readPlan();
if (plan === "help") process.stdout.write(HELP);
else if (plan === "wrong") {
  process.stderr.write("Try: npm run simulate -- --help\n");
  process.exitCode = 2;
} else process.exitCode = (await simulate(plan)) ? 0 : 1;
