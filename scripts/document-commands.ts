/**
 * Runs the commands that the documents show, each document on a stack of its own, so that a reader who types them gets
 * what is printed. In the README a fenced block is run when its first line says so; its output is compared with the
 * `text` or `json` block that follows, in which `…` stands for anything.
 *
 *     ```sh run
 *     curl -s http://127.0.0.1:3000/livez
 *     ```
 *     ```json
 *     {"status":"alive"}
 *     ```
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "#devstack";
import { fencedBlocks, isAsPrinted } from "./fenced-blocks.ts";
import { walkThrough } from "./walk-through.ts";

interface Example {
  file: string;
  line: number;
  command: string;
  /** Absent: only the exit code counts. */
  expected: string | undefined;
}

const README = "README.md";
const DOCUMENTED_PORT = 3000;
const START_TIMEOUT_MS = 180_000;
const EXAMPLE_TIMEOUT_MS = 120_000;

/** Blocks marked `sh run`, each with the output block right behind it. */
function examplesIn(file: string): Example[] {
  const blocks = fencedBlocks(file);
  return blocks.flatMap(({ line, info, text: command }, at) => {
    if (!/^sh run\b/.test(info)) return [];
    const next = blocks[at + 1];
    // Nothing but an empty line lies between.
    const isNext = next !== undefined && next.line <= line + command.split("\n").length + 3;
    const expected = isNext && /^(text|json)$/.test(next.info) ? next.text : undefined;
    return [{ file, line, command, expected }];
  });
}

async function startServer(dataDir: string, port: number): Promise<{ stop(): Promise<number> }> {
  const server = spawn("npm", ["start"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PORT: String(port), DATA_DIR: dataDir, LOG_LEVEL: "warn" },
  });
  const exited = once(server, "exit").then(([code]) => Number(code));
  const timer = setTimeout(() => server.kill("SIGTERM"), START_TIMEOUT_MS);
  for await (const line of createInterface({ input: server.stdout })) {
    if (!line.startsWith("anchorbook ready ")) continue;
    clearTimeout(timer);
    server.stdout.resume();
    return {
      stop: () => {
        server.kill("SIGTERM");
        return exited;
      },
    };
  }
  throw new Error(`npm start ended with code ${await exited} before it was ready`);
}

/** @returns what is wrong, or undefined */
async function runExample(example: Example, port: number): Promise<string | undefined> {
  const shell = spawn(
    "bash",
    ["-euo", "pipefail", "-c", example.command.replaceAll(`:${DOCUMENTED_PORT}`, `:${port}`)],
    {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ANCHORBOOK_API: `http://127.0.0.1:${port}` },
      timeout: EXAMPLE_TIMEOUT_MS,
    },
  );
  const chunks: Buffer[] = [];
  shell.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [code] = await once(shell, "close");
  const output = Buffer.concat(chunks).toString("utf8").replaceAll(`:${port}`, `:${DOCUMENTED_PORT}`);
  if (code !== 0) return `ended with code ${code}:\n${output}`;
  if (example.expected !== undefined && !isAsPrinted(output, example.expected))
    return `printed\n${output}\ninstead of\n${example.expected}`;
  return undefined;
}

async function runReadme(): Promise<boolean> {
  const examples = examplesIn(README);
  if (examples.length === 0) throw new Error(`no block of ${README} is marked "sh run"`);
  const dataDir = mkdtempSync(join(tmpdir(), "anchorbook-readme-"));
  const port = await freePort();
  const server = await startServer(dataDir, port);
  let good = true;
  try {
    for (const example of examples) {
      const problem = await runExample(example, port);
      tell(`${example.file}:${example.line}`, problem);
      if (problem) good = false;
    }
  } finally {
    const code = await server.stop();
    if (code !== 0) tell("npm start", `ended with code ${code} after SIGTERM`);
    good &&= code === 0;
    rmSync(dataDir, { recursive: true, force: true });
  }
  return good;
}

function tell(what: string, problem: string | undefined): void {
  process.stdout.write(`${problem ? "FAILED" : "ok"} ${what}${problem ? ` ${problem}` : ""}\n`);
}

async function runWalkThrough(): Promise<boolean> {
  const problem = await walkThrough();
  tell("docs/leaving-with-your-tokens.md", problem);
  return problem === undefined;
}

const good = await Promise.all([runReadme(), runWalkThrough()]);
if (good.includes(false)) process.exitCode = 1;
