/**
 * The simulator's end of a server process: starts it behind a wire that can be
 * cut, sends it requests, and kills it. Who asked a process that dies gets
 * `null`: the answer is lost, and what became of the request is not known.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type CutProxy, startCutProxy } from "../support/cut-proxy.ts";
import type { Answer, CounterDrift, FromServer, Request, ServerOptions, ToServer, Way } from "./protocol.ts";

const SCRIPT = new URL("server-process.ts", import.meta.url);

/** Processes that have loaded their program and wait to be told what to serve, so that a crash costs no start. */
export class Standby {
  #next: Promise<ChildProcess>;

  constructor() {
    this.#next = load();
  }

  take(): Promise<ChildProcess> {
    const taken = this.#next;
    this.#next = load();
    return taken;
  }

  async close(): Promise<void> {
    (await this.#next).kill("SIGKILL");
  }
}

async function load(): Promise<ChildProcess> {
  const child = fork(SCRIPT, { serialization: "advanced", stdio: ["ignore", "inherit", "inherit", "ipc"] });
  await heard(child, "ready");
  return child;
}

type Said<T extends FromServer["type"]> = Extract<FromServer, { type: T }>;

/** Rejects where the process ends first. */
function heard<T extends FromServer["type"]>(child: ChildProcess, type: T): Promise<Said<T>> {
  return new Promise((resolve, reject) => {
    const listen = (message: FromServer) => {
      if (message.type !== type) return;
      child.off("message", listen).off("exit", ended);
      resolve(message as Said<T>);
    };
    const ended = () => reject(new Error(`a server ended before it said ${type}`));
    child.on("message", listen).on("exit", ended);
  });
}

type OnBatch = (ways: readonly Way[]) => void;

export class Server {
  readonly name: string;
  readonly proxy: CutProxy;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer | null) => void>();
  #isDead = false;
  #wasKilled = false;
  readonly exited: Promise<unknown>;

  private constructor(name: string, child: ChildProcess, proxy: CutProxy, onBatch: OnBatch) {
    this.name = name;
    this.#child = child;
    this.proxy = proxy;
    this.exited = once(child, "exit");
    child.on("message", (message: FromServer) => {
      if (message.type === "batch") onBatch(message.ways);
      if (message.type !== "answer") return;
      this.#waiting.get(message.answer.request)?.(message.answer);
      this.#waiting.delete(message.answer.request);
    });
    child.on("exit", () => {
      this.#isDead = true;
      for (const answer of this.#waiting.values()) answer(null);
      this.#waiting.clear();
    });
  }

  static async open(standby: Standby, options: ServerOptions, onBatch: OnBatch): Promise<Server> {
    const [child, proxy] = await Promise.all([standby.take(), startCutProxy(options.databaseUrl)]);
    const server = new Server(options.name, child, proxy, onBatch);
    const opened = heard(child, "opened");
    server.#tell({ type: "open", options: { ...options, databaseUrl: proxy.url } });
    await opened;
    return server;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Whether that was our doing. */
  get wasKilled(): boolean {
    return this.#wasKilled;
  }

  ask(request: Request): Promise<Answer | null> {
    if (this.#isDead) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#waiting.set(request.number, resolve);
      this.#tell({ type: "request", request });
    });
  }

  /** Compares its counters with the truth; null where it has no Redis. */
  async drift(): Promise<CounterDrift | null> {
    const said = heard(this.#child, "drift");
    this.#tell({ type: "drift" });
    return (await said).drift;
  }

  kill(): void {
    this.#isDead = true;
    this.#wasKilled = true;
    this.#child.kill("SIGKILL");
  }

  stall(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  async close(): Promise<void> {
    if (!this.#isDead) {
      const closed = heard(this.#child, "closed");
      this.#tell({ type: "close" });
      await closed;
    }
    await this.exited;
    await this.proxy.close();
  }

  #tell(message: ToServer): void {
    // One that dies at this moment is heard of by its end.
    this.#child.send(message, () => {});
  }
}
