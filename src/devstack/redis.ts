/**
 * A private redis-server on a unix socket, where one is installed. It keeps
 * nothing: what it holds can be rebuilt from Postgres, so it has no persistence
 * and no memory of an earlier run.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGuarded } from "./guarded-process.ts";
import { poll } from "./poll.ts";

export interface EmbeddedRedis {
  /** `unix:///…/redis.sock`, as `createRedis` takes it. */
  readonly url: string;
  readonly pid: number;
  readonly exited: Promise<number>;
  /** Safe to call twice. */
  stop(): Promise<void>;
}

const MIN_MAJOR_VERSION = 7;
const READY_TIMEOUT_MS = 15_000;

/** Redis ≥ 7 or Valkey on the PATH; `undefined` where there is none. */
export function findRedis(): string | undefined {
  for (const program of ["redis-server", "valkey-server"]) {
    const major = majorVersion(program);
    if (major !== undefined && major >= MIN_MAJOR_VERSION) return program;
  }
  return undefined;
}

/**
 * @param logFile where the server writes; the socket lives in a short temporary
 *   folder of mode 700, since the path of a socket may have 107 characters only
 * @returns `null` where no server is installed
 */
export async function startRedis(options: { logFile: string }): Promise<EmbeddedRedis | null> {
  const program = findRedis();
  if (program === undefined) return null;
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-redis-"));
  chmodSync(folder, 0o700);
  const socket = join(folder, "redis.sock");
  const server = await startGuarded({
    name: "Redis",
    command: [
      program,
      ...["--port", "0", "--unixsocket", socket, "--unixsocketperm", "600"],
      ...["--save", "", "--appendonly", "no", "--dir", folder, "--daemonize", "no"],
      ...["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"],
    ],
    logFile: options.logFile,
    stopSignal: "TERM",
    cwd: "/",
  });
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const state = await poll(
    async () => (server.running ? ((await answers(socket)) ? "ready" : undefined) : "exited"),
    READY_TIMEOUT_MS,
  );
  if (state !== "ready") {
    await stop();
    throw new Error(`${program} did not start (${state ?? "timeout"}). It said:\n${server.logTail()}`);
  }
  return { url: `unix://${socket}`, pid: server.pid, exited: server.exited, stop };
}

function majorVersion(program: string): number | undefined {
  try {
    const text = execFileSync(program, ["--version"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const match = /\bv=(\d+)\./.exec(text);
    return match?.[1] === undefined ? undefined : Number.parseInt(match[1], 10);
  } catch {
    return undefined;
  }
}

function answers(socket: string): Promise<boolean> {
  if (!existsSync(socket)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const connection = connect(socket, () => connection.write("PING\r\n"));
    const settle = (ready: boolean) => {
      connection.destroy();
      resolve(ready);
    };
    connection.once("data", (data) => settle(data.toString().startsWith("+PONG")));
    connection.once("error", () => settle(false));
    connection.once("close", () => settle(false));
  });
}
