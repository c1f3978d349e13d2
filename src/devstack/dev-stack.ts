/**
 * The parts of the stack that the settings do not give, started in order and
 * stopped in the opposite one. Where one does not come up, those before it are
 * stopped again; one that ends later is started again.
 */
import { join } from "node:path";
import type { Config } from "#config";
import { type Log, makeFolder } from "#infra";
import { type EmbeddedChain, startAnvil } from "./anvil.ts";
import { type EmbeddedPostgres, startPostgres } from "./postgres.ts";
import { type EmbeddedRedis, findRedis, startRedis } from "./redis.ts";
import { supervise } from "./supervise.ts";

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
  /** Stops what was started. Safe to call twice. */
  stop(): Promise<void>;
}

type StackSettings = Pick<
  Config,
  "dataDir" | "databaseUrl" | "databaseOwnerUrl" | "redisUrl" | "rpcUrl" | "operatorPrivateKey"
>;

/** The caller holds the lock on `config.dataDir`. */
export async function startDevStack(config: StackSettings, log: Log): Promise<DevStack> {
  makeFolder(config.dataDir, 0o700);
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    for (const part of started.splice(0).toReversed()) await part.stop();
  };
  const keep = async <T extends { stop(): Promise<void> }>(part: Promise<T>) => {
    started.push(await part);
    return part;
  };
  const folder = (name: string) => join(config.dataDir, name);
  try {
    const postgres = config.databaseUrl
      ? undefined
      : await keep(
          supervise(
            "Postgres",
            () => startPostgres({ folder: folder("postgres"), log }),
            (part) => part.appUrl,
            log,
          ),
        );
    const redis = config.redisUrl || !findRedis() ? undefined : await privateRedis(folder("redis.log"), log);
    if (redis) started.push(redis);
    const chain = config.rpcUrl
      ? undefined
      : await keep(
          supervise(
            "the chain",
            () => startAnvil({ folder: folder("chain"), log }),
            (part) => part.rpcUrl,
            log,
          ),
        );
    return { ...addresses(config, postgres, redis, chain), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Nothing depends on it, so a start does not fail for it. */
async function privateRedis(logFile: string, log: Log): Promise<EmbeddedRedis | undefined> {
  try {
    return await supervise(
      "Redis",
      () => startRedis({ logFile }),
      (part) => part.url,
      log,
    );
  } catch (error) {
    log.warn({ err: error }, "the private Redis does not start; counters are taken from Postgres alone");
    return undefined;
  }
}

function addresses(
  config: StackSettings,
  postgres: EmbeddedPostgres | undefined,
  redis: EmbeddedRedis | undefined,
  chain: EmbeddedChain | undefined,
): Omit<DevStack, "stop"> {
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
