/**
 * Starts a server process that cannot outlive this one. Between us and it
 * stands a small shell that holds a pipe to us: when the pipe closes, because we
 * asked or because we were killed with -9, it sends the server the signal for a
 * clean stop. The process runs in a session of its own, so that a Ctrl-C in the
 * terminal reaches only us, and we stop the servers in our own order.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { Socket } from "node:net";

export interface ProcessOptions {
  /** Command and arguments. */
  command: readonly [string, ...string[]];
  /** For messages: "Postgres". */
  name: string;
  /** Gets standard output and error, appended. */
  logFile: string;
  /** Stops the server cleanly; also sent when this process dies. */
  stopSignal: "INT" | "TERM";
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

export interface GuardedProcess {
  /** The server's own process id, not the shell's. */
  readonly pid: number;
  readonly running: boolean;
  /** Settles when the server is gone; never rejects. The number is its exit code, 128 + n after signal n. */
  readonly exited: Promise<number>;
  /** Asks for a clean stop and waits; after `timeoutMs` the server is killed with -9. */
  stop(timeoutMs?: number): Promise<void>;
  /** The last lines it wrote, for an error message. */
  logTail(): string;
}

/** A background job of a shell ignores INT until it sets its own handler; each of our servers does so before it is ready. */
const GUARD = `
signal=$1; shift
"$@" 3<&- </dev/null &
child=$!
trap '' HUP INT TERM
echo "$child" >&3
{ read -r _ <&3; kill -s "$signal" "$child"; } 2>/dev/null &
guard=$!
exec 3<&-
wait "$child"
code=$?
kill -s KILL "$guard" 2>/dev/null
exit "$code"
`;

const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
const LOG_TAIL_LINES = 15;
const STOP_TIMEOUT_MS = 30_000;

/** @throws Error where the shell itself cannot be started; a command that is missing shows as `exited` with 127 */
export async function startGuarded(options: ProcessOptions): Promise<GuardedProcess> {
  rotate(options.logFile);
  const log = openSync(options.logFile, "a", 0o600);
  let shell: ChildProcess;
  try {
    shell = spawn("/bin/sh", ["-c", GUARD, "anchorbook-guard", options.stopSignal, ...options.command], {
      stdio: ["ignore", log, log, "pipe"],
      detached: true,
      ...(options.cwd && { cwd: options.cwd }),
      ...(options.env && { env: options.env }),
    });
  } finally {
    closeSync(log);
  }
  let running = true;
  const exited = new Promise<number>((resolve) => {
    const gone = (code: number) => {
      running = false;
      resolve(code);
    };
    shell.once("exit", (code) => gone(code ?? 137));
    shell.once("error", () => gone(127));
  });
  const pipe = shell.stdio[3];
  if (!(pipe instanceof Socket))
    throw new Error(`${options.name} could not be started: no pipe to its guard`);
  pipe.on("error", () => {});
  const pid = await readPid(pipe, exited, options.name);
  return {
    pid,
    get running() {
      return running;
    },
    exited,
    logTail: () => logTail(options.logFile),
    stop: async (timeoutMs = STOP_TIMEOUT_MS) => {
      pipe.end("\n");
      if (!running) return;
      const timer = setTimeout(() => kill(pid), timeoutMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

function readPid(pipe: Socket, exited: Promise<number>, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    pipe.setEncoding("utf8");
    pipe.on("data", (chunk: string) => {
      text += chunk;
      if (text.endsWith("\n")) resolve(Number.parseInt(text, 10));
    });
    exited.then(() => reject(new Error(`${name} could not be started: its guard shell failed`)));
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has gone by itself meanwhile
  }
}

function rotate(logFile: string): void {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_LIMIT_BYTES) renameSync(logFile, `${logFile}.1`);
}

function logTail(logFile: string): string {
  try {
    return readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-LOG_TAIL_LINES).join("\n");
  } catch {
    return "";
  }
}
