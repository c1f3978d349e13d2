/**
 * What a simulation runs on: a Postgres and a Redis of its own, real ones, on
 * free ports in a temporary folder that is gone afterwards. Both may be broken
 * on purpose, so nobody else's are used.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type EmbeddedRedis, findRedis, startPostgres, startRedis } from "#devstack";
import { createLog, createRedis, type Redis, silentLog } from "#infra";
import { cloneTemplate, prepareTemplate, type TestDatabase } from "../support/template-database.ts";

export interface Stack {
  readonly redis: BreakableRedis;
  /** The postmaster's process id. */
  readonly postgresPid: number;
  createDatabase(): Promise<TestDatabase>;
  close(): Promise<void>;
}

/** @throws where Postgres or Redis cannot be started; a simulation without Redis would leave half of the quotas out */
export async function startStack(): Promise<Stack> {
  if (!findRedis()) throw new Error("redis-server is not installed; the simulator needs it");
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-simulation-"));
  const stops: (() => Promise<void>)[] = [async () => rmSync(folder, { recursive: true, force: true })];
  const close = async () => {
    for (const stop of stops.splice(0).toReversed()) await stop();
  };
  try {
    const postgres = await startPostgres({
      ...{ folder: join(folder, "postgres"), log: createLog("warn"), durable: false },
    });
    stops.push(() => postgres.stop());
    const template = await prepareTemplate(postgres);
    const redis = await BreakableRedis.start(join(folder, "redis.log"));
    stops.push(() => redis.close());
    const urls = {
      admin: postgres.url("admin", "postgres"),
      owner: postgres.url("owner", "postgres"),
      app: postgres.url("app", "postgres"),
    };
    return { redis, postgresPid: postgres.pid, createDatabase: () => cloneTemplate(urls, template), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A Redis that can be flushed, stopped, made to stall, and set back to what it once knew. */
export class BreakableRedis {
  readonly #logFile: string;
  #server: EmbeddedRedis;
  #client: Redis;
  #copy: readonly { readonly key: string; readonly fields: Readonly<Record<string, string>> }[] = [];
  #isStalled = false;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(logFile: string, server: EmbeddedRedis) {
    this.#logFile = logFile;
    this.#server = server;
    this.#client = createRedis(server.url, silentLog(), { commandTimeoutMs: 5_000 });
  }

  static async start(logFile: string): Promise<BreakableRedis> {
    const redis = new BreakableRedis(logFile, await startRedis({ logFile }));
    await redis.isReady();
    return redis;
  }

  get url(): string {
    return this.#server.url;
  }

  async isReady(): Promise<void> {
    while (this.#client.status !== "ready")
      await new Promise<void>((ready) => this.#client.once("ready", () => ready()));
  }

  /** One thing after the other, so that none is cut off by a restart. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  flush(): Promise<void> {
    return this.#inTurn(() => this.#flush());
  }

  async #flush(): Promise<void> {
    await this.isReady();
    await this.#client.flushall();
  }

  /** As after a failover to a replica that was behind: what was there the last time is all there is. */
  goBack(): Promise<void> {
    return this.#inTurn(async () => {
      const before = this.#copy;
      await this.isReady();
      await this.#remember();
      await this.#flush();
      for (const { key, fields } of before)
        if (Object.keys(fields).length > 0) await this.#client.hset(key, fields);
    });
  }

  async #remember(): Promise<void> {
    const keys = await this.#client.keys("quota:*");
    this.#copy = await Promise.all(
      keys.map(async (key) => ({ key, fields: await this.#client.hgetall(key) })),
    );
  }

  /** Kills it, and starts an empty one at the same address. */
  restart(): Promise<void> {
    return this.#inTurn(async () => {
      process.kill(this.#server.pid, "SIGKILL");
      await this.#server.exited;
      await this.#server.stop();
      this.#server = await startRedis({ logFile: this.#logFile });
      await this.isReady();
    });
  }

  /** It keeps its connections and answers nobody. */
  stall(ms: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#isStalled = true;
      process.kill(this.#server.pid, "SIGSTOP");
      await pause(ms);
      this.resume();
    });
  }

  resume(): void {
    if (this.#isStalled) process.kill(this.#server.pid, "SIGCONT");
    this.#isStalled = false;
  }

  async close(): Promise<void> {
    this.resume();
    this.#client.disconnect();
    await this.#server.stop();
  }
}
