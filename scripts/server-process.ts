/**
 * The real server as a child process on a data folder and a free port of its
 * own: for the demo and the benchmarks. It ends with us, whatever ends us.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";

export interface ServerProcess {
  /** `http://127.0.0.1:<port>`, once it serves; rejects with the last lines it wrote, where it ends before. */
  readonly ready: Promise<string>;
  /** A clean stop, at any time; safe to call twice. @throws Error where the server did not end cleanly */
  stop(): Promise<void>;
}

export interface ServerProcessOptions {
  /** Of its own: nothing else may use it. */
  readonly dataDir: string;
  /** Settings beside `DATA_DIR`, `HOST` and `PORT`. */
  readonly env?: Readonly<Record<string, string>>;
}

const ROOT = resolve(import.meta.dirname, "..");
const READY = /^anchorbook ready (\S+)$/m;
/** Kept of its output, for the message where it fails. */
const TAIL_CHARACTERS = 4_000;
/** Settings of whoever runs us that would make it another server than the one that is meant. */
const NOT_INHERITED =
  /^(NODE_ENV|NODE_OPTIONS|PORT|HOST|DATA_DIR|DATABASE_.*|REDIS_URL|RPC_URL|OPERATOR_PRIVATE_KEY|JWT_.*|SETTLE_CRON|RATE_LIMIT_PER_MINUTE|WEBHOOK_PRIVATE_ADDRESSES|TEST_CLOCK|CONTRACTS_FILE|LOG_LEVEL|ANCHORBOOK_.*)$/;

export function startServerProcess(options: ServerProcessOptions): ServerProcess {
  const child = spawn(process.execPath, [resolve(ROOT, "src/main.ts")], {
    // a .env file of the caller's folder is not for this server
    cwd: options.dataDir,
    // the channel carries nothing: its end tells the server that we are gone
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name))),
      LOG_LEVEL: "warn",
      ...options.env,
      DATA_DIR: options.dataDir,
      HOST: "127.0.0.1",
      PORT: "0",
    },
  });
  let tail = "";
  const exited = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | string);
  const ready = new Promise<string>((fulfil, reject) => {
    const take = (chunk: Buffer) => {
      tail = (tail + chunk.toString("utf8")).slice(-TAIL_CHARACTERS);
      const url = READY.exec(tail)?.[1];
      if (url) fulfil(url);
    };
    child.stdout?.on("data", take);
    child.stderr?.on("data", take);
    exited.then((end) => reject(new Error(`the server ended with ${end} before it was ready:\n${tail}`)));
  });
  // whoever stops it early need not listen
  ready.catch(() => {});
  return {
    ready,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
      const end = await exited;
      // by the signal itself: it had not come far enough to have started anything
      if (end !== 0 && end !== "SIGTERM") throw new Error(`the server ended with ${end}:\n${tail}`);
    },
  };
}
