/**
 * `npm run bench`: every benchmark beside its baselines in one run, as a table
 * and as JSON. Results go to standard output, progress to standard error. It
 * starts its own servers, binds to 127.0.0.1 alone, and leaves nothing behind.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import type { Benchmark, BenchResult, Scale } from "./benchmark.ts";
import { benchmarks } from "./benchmarks.ts";
import { type BenchReport, type BenchRun, reportOf, toTable } from "./report.ts";
import { type BenchStack, createBenchStack } from "./stack.ts";

const once = benchmarks.flatMap((benchmark) => (benchmark.once ? [benchmark.name] : [])).join(", ");
const HELP = `Usage: npm run bench [-- --only NAME,… --json FILE --quick]

Measures this build beside its baselines, on this machine, in one run.

  --only NAME,…  some of: ${benchmarks.map(({ name }) => name).join(", ")}
  --json FILE    also writes { settings, results } to FILE; "-" is standard output
  --quick        small counts, to see that it works; its figures mean nothing
  --repeat N     runs all of it N times, each time on fresh servers, and answers medians; default 3, with
                 --quick 1. What takes long and does not vary (${once}) is run once.
  --history N    lines of history for ledger.history; default 10,000,000
  --positions N  positions of settle.epoch; default 1,000,000
  --epochs N     epochs of changes that it closes; default 101
  -h, --help     print this
`;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_STOPPED = 130;
/** Enough for a median. */
const RUNS = 3;
const MOST_RUNS = 99;
const MOST_HISTORY = 1_000_000_000;
const MOST_POSITIONS = 100_000_000;
const MOST_EPOCHS = 1_000;

interface Request {
  readonly chosen: readonly Benchmark[];
  readonly json: string | undefined;
  readonly scale: Scale;
  readonly repeat: number;
  readonly history: number | null;
  readonly positions: number | null;
  readonly epochs: number | null;
}

// As the server runs (src/main.ts), whose writer and settlement run here too.
setFlagsFromString("--no-allocation-site-pretenuring");

process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(HELP);
    return 0;
  }
  let request: Request;
  try {
    request = readRequest(args);
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : "bad usage"}\n\n${HELP}`);
    return EXIT_USAGE;
  }
  let stack: BenchStack | undefined;
  const stopEarly = () => void Promise.resolve(stack?.stop()).finally(() => process.exit(EXIT_STOPPED));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, stopEarly);
  process.once("disconnect", stopEarly);
  const runs: BenchRun[] = [];
  try {
    const rounds = request.chosen.some(({ once: alone }) => !alone) ? request.repeat : 1;
    for (let round = 1; round <= rounds; round++) {
      stack = createBenchStack();
      runs.push(await runAll(request, stack, round));
      await stack.stop();
    }
    publish(reportOf(request.scale, runs), request.json);
    return 0;
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
    return EXIT_FAILED;
  } finally {
    await stack?.stop();
  }
}

async function runAll(request: Request, stack: BenchStack, round: number): Promise<BenchRun> {
  const results: BenchResult[] = [];
  const settings: Record<string, Record<string, number | string>> = {};
  const started = performance.now();
  const clock = () => `${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s`;
  const chosen = request.chosen.filter((benchmark) => round === 1 || !benchmark.once);
  const of = request.repeat > 1 ? `run ${round} of ${request.repeat}: ` : "";
  for (const [place, { name, run }] of chosen.entries()) {
    process.stderr.write(`${clock()}  ${of}${place + 1}/${chosen.length}  ${name}\n`);
    results.push(
      ...(await run({
        scale: request.scale,
        ...{ history: request.history, positions: request.positions, epochs: request.epochs },
        stack,
        log: (message) => process.stderr.write(`${clock()}        ${message}\n`),
        note: (noted) => {
          settings[name] = { ...settings[name], ...noted };
        },
      })),
    );
  }
  process.stderr.write(`${clock()}  ${of}done\n`);
  return { settings, results };
}

function publish(report: BenchReport, json: string | undefined): void {
  if (json !== "-") process.stdout.write(toTable(report));
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (json === "-") process.stdout.write(text);
  else if (json !== undefined) writeFileSync(json, text);
}

/** @throws Error where an argument or a name is not known */
function readRequest(args: readonly string[]): Request {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      json: { type: "string" },
      quick: { type: "boolean", default: false },
      repeat: { type: "string" },
      history: { type: "string" },
      positions: { type: "string" },
      epochs: { type: "string" },
    },
  });
  const wanted = values.only?.split(",").map((name) => name.trim());
  const unknown = wanted?.find((name) => !benchmarks.some((benchmark) => benchmark.name === name));
  if (unknown !== undefined) throw new Error(`there is no benchmark "${unknown}"`);
  return {
    chosen: wanted ? benchmarks.filter(({ name }) => wanted.includes(name)) : benchmarks,
    json: values.json,
    scale: values.quick ? "quick" : "full",
    repeat: wholeNumber("--repeat", values.repeat, MOST_RUNS) ?? (values.quick ? 1 : RUNS),
    history: wholeNumber("--history", values.history, MOST_HISTORY) ?? null,
    positions: wholeNumber("--positions", values.positions, MOST_POSITIONS) ?? null,
    epochs: wholeNumber("--epochs", values.epochs, MOST_EPOCHS) ?? null,
  };
}

/** @throws Error where it is none from 1 to `most` */
function wholeNumber(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) throw new Error(`${name} must be a whole number from 1 to ${most}`);
  return value;
}
