/**
 * A private redis-server on a unix socket, where one is installed. It keeps
 * nothing: what it holds can be rebuilt from Postgres, so it has no persistence
 * and no memory of an earlier run.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
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
/** What every system allows (macOS 103 bytes, Linux 107). */
const LONGEST_SOCKET_PATH = 103;
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
 * The socket lies beside the log file, or, where that path is too long for one,
 * in a temporary folder of mode 700; the same log file gives the same one each time.
 *
 * @throws Error where no server is installed, or with its last log lines where it does not come up
 */
export async function startRedis(options: { logFile: string }): Promise<EmbeddedRedis> {
  const program = findRedis();
  if (program === undefined)
    throw new Error("neither redis-server nor valkey-server 7 or later is installed");
  const socket = socketPath(resolve(options.logFile));
  const server = await startGuarded({
    name: "Redis",
    command: [
      program,
      ...["--port", "0", "--unixsocket", socket, "--unixsocketperm", "600"],
      ...["--save", "", "--appendonly", "no", "--dir", dirname(socket), "--daemonize", "no"],
      ...["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"],
    ],
    logFile: options.logFile,
    stopSignal: "TERM",
    cwd: "/",
  });
  const stop = async () => {
    await server.stop();
    rmSync(socket, { force: true });
  };
  const state = await poll(
    async () => (server.running ? ((await answers(socket)) ? "ready" : undefined) : "exited"),
    READY_TIMEOUT_MS,
  );
  if (state !== "ready") {
    await stop();
    throw new Error(`${program} did not start (${state ?? "timeout"}). It said:\n${server.logTail()}`);
  }
  return { url: `unix://${pathToFileURL(socket).pathname}`, pid: server.pid, exited: server.exited, stop };
}

/** @throws Error where the temporary folder belongs to another user, who could then read the socket */
function socketPath(logFile: string): string {
  const near = join(dirname(logFile), "redis.sock");
  if (Buffer.byteLength(near) <= LONGEST_SOCKET_PATH) return near;
  const name = createHash("sha256").update(logFile).digest("hex").slice(0, 16);
  const folder = join(tmpdir(), `anchorbook-redis-${name}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (statSync(folder).uid !== process.getuid?.())
    throw new Error(`${folder} belongs to another user; remove it, or set TMPDIR to a folder of your own`);
  chmodSync(folder, 0o700);
  return join(folder, "redis.sock");
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
