/**
 * Real server processes for tests: `node src/main.ts`, or the npm script, on a
 * data folder and ports of their own; and what the operating system says is
 * still running afterwards.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { vi } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");

export interface ServerProcess {
  readonly process: ChildProcess;
  readonly pid: number;
  /** Everything it wrote so far. */
  output(): string;
  /** Settles with the exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string>;
  /** The base URL, once the ready line is there; rejects when the process ends before. */
  readonly ready: Promise<string>;
}

export interface StartOptions {
  dataDir: string;
  port: number;
  env?: Readonly<Record<string, string>>;
  /** Through npm, as a person does it. Default: node directly. */
  npm?: boolean;
  /** What follows on the command line. */
  args?: readonly string[];
  /** A command that ends by running what is appended to it. */
  prefix?: readonly string[];
}

export function startServer(options: StartOptions): ServerProcess {
  const command = options.npm ? ["npm", "start"] : [process.execPath, "src/main.ts"];
  const [program = "", ...args] = [...(options.prefix ?? []), ...command, ...(options.args ?? [])];
  const child = spawn(program, args, {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...withoutVitest(process.env),
      NODE_ENV: "development",
      DATA_DIR: options.dataDir,
      PORT: String(options.port),
      ...options.env,
    },
  });
  const chunks: string[] = [];
  const exited = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | string);
  const ready = new Promise<string>((fulfil, reject) => {
    const take = (chunk: Buffer) => {
      chunks.push(chunk.toString("utf8"));
      const url = /^anchorbook ready (\S+)$/m.exec(chunks.join(""))?.[1];
      if (url) fulfil(url);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    exited.then((code) =>
      reject(new Error(`the server ended with ${code} before it was ready:\n${chunks.join("")}`)),
    );
  });
  ready.catch(() => {});
  return { process: child, pid: child.pid ?? -1, output: () => chunks.join(""), exited, ready };
}

/** Processes with this text in their command line, the caller's own excepted. */
export function processesWith(text: string): { pid: number; command: string }[] {
  return globSync("/proc/[0-9]*").flatMap((folder) => {
    const pid = Number(folder.slice("/proc/".length));
    if (pid === process.pid || !existsSync(`${folder}/cmdline`)) return [];
    const command = commandOf(folder);
    return command.includes(text) ? [{ pid, command }] : [];
  });
}

/** The process id of an embedded part; its guard, whose command line names it too, is none. */
export function partOf(dataDir: string, part: RegExp): number {
  const found = processesWith(dataDir).find(
    ({ command }) => part.test(command) && !command.includes("anchorbook-guard"),
  );
  if (!found) throw new Error(`nothing that is ${part} runs for ${dataDir}`);
  return found.pid;
}

/** Nothing that a server on this data folder started is left. */
export async function untilNothingRuns(dataDir: string): Promise<void> {
  await vi.waitFor(
    () => {
      const left = processesWith(dataDir);
      if (left.length > 0)
        throw new Error(`still running:\n${left.map(({ pid, command }) => `${pid} ${command}`).join("\n")}`);
    },
    { timeout: 20_000, interval: 50 },
  );
}

export async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

function commandOf(folder: string): string {
  try {
    return readFileSync(`${folder}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // ended meanwhile
  }
}

function withoutVitest(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(VITEST|NODE_ENV$|NODE_OPTIONS$|TEST$)/.test(name)),
  );
}
