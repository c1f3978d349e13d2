/**
 * The parts of the stack that the settings do not give, started in order and
 * stopped in the opposite one. Where one does not come up, those before it are
 * stopped again.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "#config";
import type { Log } from "#infra";
import { type EmbeddedChain, startAnvil } from "./anvil.ts";
import { type EmbeddedPostgres, startPostgres } from "./postgres.ts";
import { type EmbeddedRedis, startRedis } from "./redis.ts";

export interface DevStack {
  /** The server's role. */
  readonly databaseUrl: string;
  /** The owner of the tables; absent where somebody else migrates. */
  readonly databaseOwnerUrl: string | undefined;
  /** `null`: counters live in Postgres alone. */
  readonly redisUrl: string | null;
  readonly rpcUrl: string;
  readonly operatorPrivateKey: string;
  /** True where the chain is ours, so that contracts may be deployed and time may be moved. */
  readonly embeddedChain: boolean;
  /** One line for a person: what runs where. No secrets. */
  describe(): string;
  /** Settles when a part ended that nobody stopped; names it. */
  readonly broken: Promise<string>;
  /** Stops what was started. Safe to call twice. */
  stop(): Promise<void>;
}

type StackSettings = Pick<
  Config,
  "dataDir" | "databaseUrl" | "databaseOwnerUrl" | "redisUrl" | "rpcUrl" | "operatorPrivateKey"
>;

/** The caller holds the lock on `config.dataDir`. */
export async function startDevStack(config: StackSettings, log: Log): Promise<DevStack> {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    for (const part of started.splice(0).toReversed()) await part.stop();
  };
  try {
    const postgres = config.databaseUrl
      ? undefined
      : await startPostgres({ folder: join(config.dataDir, "postgres"), log });
    if (postgres) started.push(postgres);
    const redis = config.redisUrl ? null : await startRedis({ logFile: join(config.dataDir, "redis.log") });
    if (redis) started.push(redis);
    const chain = config.rpcUrl
      ? undefined
      : await startAnvil({ folder: join(config.dataDir, "chain"), log });
    if (chain) started.push(chain);
    return { ...addresses(config, postgres, redis, chain), broken: firstToEnd(postgres, redis, chain), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function addresses(
  config: StackSettings,
  postgres: EmbeddedPostgres | undefined,
  redis: EmbeddedRedis | null,
  chain: EmbeddedChain | undefined,
): Omit<DevStack, "broken" | "stop"> {
  const redisUrl = config.redisUrl ?? redis?.url ?? null;
  const rpcUrl = config.rpcUrl ?? chain?.rpcUrl ?? "";
  return {
    databaseUrl: config.databaseUrl ?? postgres?.appUrl ?? "",
    databaseOwnerUrl: config.databaseUrl ? config.databaseOwnerUrl : postgres?.ownerUrl,
    redisUrl,
    rpcUrl,
    operatorPrivateKey: config.operatorPrivateKey ?? chain?.operatorPrivateKey ?? "",
    embeddedChain: chain !== undefined,
    describe: () =>
      [
        postgres ? `Postgres 127.0.0.1:${postgres.port} (embedded)` : "Postgres (DATABASE_URL)",
        redis ? "Redis (private)" : redisUrl ? "Redis (REDIS_URL)" : "no Redis: counters in Postgres alone",
        chain ? `chain ${chain.rpcUrl} (embedded)` : "chain (RPC_URL)",
      ].join(", "),
  };
}

function firstToEnd(
  postgres: EmbeddedPostgres | undefined,
  redis: EmbeddedRedis | null,
  chain: EmbeddedChain | undefined,
): Promise<string> {
  const ends = Object.entries({ Postgres: postgres, Redis: redis, chain }).flatMap(([name, part]) =>
    part ? [part.exited.then((code) => `${name} ended with code ${code}`)] : [],
  );
  return Promise.race(ends.length > 0 ? ends : [new Promise<string>(() => {})]);
}
