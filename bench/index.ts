/**
 * `npm run bench`: every benchmark beside its baselines in one run, as a table
 * and as JSON. Results go to standard output, progress to standard error. It
 * starts its own servers, binds to 127.0.0.1 alone, and leaves nothing behind.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Benchmark, BenchResult, Scale } from "./benchmark.ts";
import { benchmarks } from "./benchmarks.ts";
import { type BenchReport, describeMachine, toTable } from "./report.ts";
import { createBenchStack } from "./stack.ts";

const HELP = `Usage: npm run bench [-- --only NAME,… --json FILE --quick]

Measures this build beside its baselines, on this machine, in one run.

  --only NAME,…  some of: ${benchmarks.map(({ name }) => name).join(", ")}
  --json FILE    also writes { settings, results } to FILE; "-" is standard output
  --quick        small counts, to see that it works; its figures mean nothing
  -h, --help     print this
`;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_STOPPED = 130;

interface Request {
  readonly chosen: readonly Benchmark[];
  readonly json: string | undefined;
  readonly scale: Scale;
}

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
  const stack = createBenchStack();
  const stopEarly = () => void stack.stop().finally(() => process.exit(EXIT_STOPPED));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, stopEarly);
  process.once("disconnect", stopEarly);
  try {
    publish(await runAll(request, stack), request.json);
    return 0;
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
    return EXIT_FAILED;
  } finally {
    await stack.stop();
  }
}

async function runAll(
  { chosen, scale }: Request,
  stack: ReturnType<typeof createBenchStack>,
): Promise<BenchReport> {
  const results: BenchResult[] = [];
  const settings: Record<string, Record<string, number | string>> = {};
  const started = performance.now();
  const clock = () => `${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s`;
  for (const [place, { name, run }] of chosen.entries()) {
    process.stderr.write(`${clock()}  ${place + 1}/${chosen.length}  ${name}\n`);
    results.push(
      ...(await run({
        scale,
        stack,
        log: (message) => process.stderr.write(`${clock()}        ${message}\n`),
        note: (noted) => {
          settings[name] = { ...settings[name], ...noted };
        },
      })),
    );
  }
  process.stderr.write(`${clock()}  done\n`);
  return { settings: { machine: describeMachine(), scale, benchmarks: settings }, results };
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
    },
  });
  const wanted = values.only?.split(",").map((name) => name.trim());
  const unknown = wanted?.find((name) => !benchmarks.some((benchmark) => benchmark.name === name));
  if (unknown !== undefined) throw new Error(`there is no benchmark "${unknown}"`);
  return {
    chosen: wanted ? benchmarks.filter(({ name }) => wanted.includes(name)) : benchmarks,
    json: values.json,
    scale: values.quick ? "quick" : "full",
  };
}
