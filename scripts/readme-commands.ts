/**
 * Runs the commands that the documents show, against a server of their own on a
 * fresh data folder, so that a reader who types them gets what is printed. A
 * fenced block is run when its first line says so; its output is compared with
 * the `text` or `json` block that follows, in which `…` stands for anything.
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
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

interface Example {
  file: string;
  line: number;
  command: string;
  /** Absent: only the exit code counts. */
  expected: string | undefined;
}

const DOCUMENTS = ["README.md"];
const DOCUMENTED_PORT = 3000;
const START_TIMEOUT_MS = 180_000;
const EXAMPLE_TIMEOUT_MS = 120_000;

/** Blocks marked `sh run`, each with the output block right behind it. */
function examplesIn(file: string): Example[] {
  const lines = readFileSync(file, "utf8").split("\n");
  const examples: Example[] = [];
  for (let index = 0; index < lines.length; index++) {
    if (!/^```sh run\b/.test(lines[index] ?? "")) continue;
    const end = lines.indexOf("```", index + 1);
    if (end < 0) throw new Error(`${file}:${index + 1}: the block has no end`);
    const after = lines.findIndex((line, position) => position > end && line.trim() !== "");
    const hasOutput = /^```(text|json)$/.test(lines[after] ?? "");
    examples.push({
      file,
      line: index + 1,
      command: lines.slice(index + 1, end).join("\n"),
      expected: hasOutput ? lines.slice(after + 1, lines.indexOf("```", after + 1)).join("\n") : undefined,
    });
    index = end;
  }
  return examples;
}

/** White space apart, each `…` in the document matches anything. */
function matches(actual: string, expected: string): boolean {
  const squeeze = (text: string) => text.replace(/\s+/g, "");
  const pattern = squeeze(expected)
    .split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[\\s\\S]*?");
  return new RegExp(`^${pattern}$`).test(squeeze(actual));
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
  if (example.expected !== undefined && !matches(output, example.expected))
    return `printed\n${output}\ninstead of\n${example.expected}`;
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

const examples = DOCUMENTS.flatMap(examplesIn);
if (examples.length === 0) throw new Error(`no block of ${DOCUMENTS.join(", ")} is marked "sh run"`);
const dataDir = mkdtempSync(join(tmpdir(), "anchorbook-readme-"));
const port = await freePort();
const server = await startServer(dataDir, port);
try {
  for (const example of examples) {
    const problem = await runExample(example, port);
    process.stdout.write(
      `${problem ? "FAILED" : "ok"} ${example.file}:${example.line}${problem ? ` ${problem}` : ""}\n`,
    );
    if (problem) process.exitCode = 1;
  }
} finally {
  const code = await server.stop();
  if (code !== 0) {
    process.stdout.write(`FAILED npm start ended with code ${code} after SIGTERM\n`);
    process.exitCode = 1;
  }
  rmSync(dataDir, { recursive: true, force: true });
}
