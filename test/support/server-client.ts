/** A server process and what a test asks of it over HTTP, as users and as the operator. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ServerProcess, startServer, untilNothingRuns, unusedPort } from "./server-process.ts";
import { bearer, TEST_JWT_SECRET } from "./tokens.ts";

/** Any JSON, read member by member. */
export interface Body {
  readonly [member: string]: Body & string & number & readonly Body[];
}

export interface Answer {
  readonly status: number;
  readonly body: Body;
  readonly headers: Headers;
}

/** One data folder and one port, whatever process serves it now. */
export class TestServer {
  readonly dataDir = mkdtempSync(join(tmpdir(), "anchorbook-e2e-"));
  readonly #env: Readonly<Record<string, string>>;
  readonly #prefix: readonly string[];
  #port = 0;
  #server: ServerProcess | null = null;

  /** @param prefixOf a command to run the server by, made for its data folder */
  constructor(
    env: Readonly<Record<string, string>> = {},
    prefixOf: (dataDir: string) => readonly string[] = () => [],
  ) {
    this.#prefix = prefixOf(this.dataDir);
    this.#env = { JWT_SECRET: TEST_JWT_SECRET, RATE_LIMIT_PER_MINUTE: "0", LOG_LEVEL: "warn", ...env };
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get process(): ServerProcess {
    if (!this.#server) throw new Error("the server was not started");
    return this.#server;
  }

  async start(): Promise<void> {
    if (this.#port === 0) this.#port = await unusedPort();
    this.#server = startServer({
      ...{ dataDir: this.dataDir, port: this.#port, env: this.#env },
      prefix: this.#prefix,
    });
    await this.#server.ready;
  }

  /** kill -9 of the server alone; what it started must end by itself. */
  async kill(): Promise<void> {
    this.process.process.kill("SIGKILL");
    await this.process.exited;
    await untilNothingRuns(this.dataDir);
  }

  /** SIGTERM, as an operator does it. @returns the exit code */
  async stop(): Promise<number | string> {
    this.process.process.kill("SIGTERM");
    const code = await this.process.exited;
    await untilNothingRuns(this.dataDir);
    return code;
  }

  async remove(): Promise<void> {
    if (this.#server && this.#server.process.exitCode === null && this.#server.process.signalCode === null)
      await this.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  get(path: string, sub: string, ...roles: string[]): Promise<Answer> {
    return this.#send(path, { headers: { authorization: bearer(sub, ...roles) } });
  }

  /** @param key Idempotency-Key */
  post(
    path: string,
    body: unknown,
    sub: string,
    roles: readonly string[] = ["user"],
    key?: string,
  ): Promise<Answer> {
    const headers: Record<string, string> = {
      authorization: bearer(sub, ...roles),
      "content-type": "application/json",
      ...(key === undefined ? {} : { "idempotency-key": key }),
    };
    return this.#send(path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  grant(user: string, amount: number): Promise<Answer> {
    const body = { user_id: user, asset: "TST", amount, reason: "test" };
    return this.post("/api/v1/admin/grants", body, "operator", ["operator"], `grant-${user}-${amount}`);
  }

  settle(): Promise<Answer> {
    return this.post("/api/v1/admin/settlement/run", {}, "operator", ["operator"]);
  }

  async #send(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, init);
    return { status: response.status, body: (await response.json()) as Body, headers: response.headers };
  }
}
