/**
 * Puts the services of one server together from the addresses it was given. All
 * wiring is here and nothing else is: no rule, no SQL, no reading of settings.
 */
import { join } from "node:path";
import {
  accessRoutes,
  createApp,
  createAuthenticate,
  createLifecycle,
  grantRoutes,
  importRoutes,
  type Lifecycle,
  ledgerRoutes,
  type Route,
  serviceRoutes,
} from "#api";
import type { Config } from "#config";
import type { DevStack } from "#devstack";
import {
  connectChain,
  createMetrics,
  createPool,
  createRedis,
  type DeploymentRecord,
  type Log,
  type Metrics,
} from "#infra";
import { systemClock, systemIds } from "#kernel";
import { type BatchObservation, openLedger } from "#ledger";
import { createAccess, TST } from "#programs/access";
import { createQuota } from "#quota";
import { openSettlement } from "#settlement";
import { createDataSource } from "../ormconfig.ts";
import { createProbes } from "./probes.ts";

export interface Surroundings {
  config: Config;
  log: Log;
  stack: Omit<DevStack, "stop" | "describe">;
  contracts: DeploymentRecord;
  /** The ledger's schema. */
  schema: string;
  version: string;
}

export interface Application {
  readonly app: ReturnType<typeof createApp>;
  readonly lifecycle: Lifecycle;
  /** Starts what works by itself: schedules, watchers. Called once the API listens. */
  start(): Promise<void>;
  /** Ends schedules, lets work under way end, closes connections. The API takes no requests any more. */
  stop(): Promise<void>;
}

/** What was opened, to be closed in the opposite order. */
class Opened {
  readonly #ends: (() => unknown)[] = [];
  keep<T>(part: T, end: (part: T) => unknown): T {
    this.#ends.push(() => end(part));
    return part;
  }
  async close(): Promise<void> {
    for (const end of this.#ends.splice(0).toReversed()) await end();
  }
}

const READ_POOL_SIZE = 10;
const SETTLEMENT_POOL_SIZE = 4;
const MS_PER_SECOND = 1_000;

/** @throws where a part cannot be reached; what was opened until then is closed again */
export async function compose(surroundings: Surroundings): Promise<Application> {
  const opened = new Opened();
  try {
    const services = await openServices(surroundings, opened);
    await services.access.ensureGenesis();
    return {
      ...createServer(surroundings, services),
      start: async () => {},
      async stop() {
        await services.settlement.idle();
        await opened.close();
      },
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function openServices({ config, log, stack, contracts, schema }: Surroundings, opened: Opened) {
  const { databaseUrl: url, redisUrl } = stack;
  const metrics = createMetrics();
  const database = opened.keep(
    await createDataSource({ url, schema, poolSize: READ_POOL_SIZE }).initialize(),
    (source) => source.destroy(),
  );
  const pool = opened.keep(
    createPool({ url, schema, applicationName: "anchorbook-settlement", max: SETTLEMENT_POOL_SIZE, log }),
    (connections) => connections.end(),
  );
  const ledger = opened.keep(
    await openLedger({
      databaseUrl: url,
      schema,
      ids: systemIds,
      log,
      onBatch: (batch) => observe(metrics, batch),
    }),
    (writer) => writer.close(),
  );
  const redis =
    redisUrl === null ? null : opened.keep(createRedis(redisUrl, log), (client) => client.disconnect());
  const quota = opened.keep(
    await createQuota({ ledger, redis, dataSource: database, clock: systemClock, log, metrics }),
    (gate) => gate.close(),
  );
  const chain = opened.keep(
    await connectChain({
      rpcUrl: stack.rpcUrl,
      privateKey: stack.operatorPrivateKey,
      chainId: BigInt(contracts.chain_id),
    }),
    (connection) => connection.close(),
  );
  const settlement = await openSettlement({
    ...{ pool, asset: TST.code, chain, record: contracts, clock: systemClock, log, metrics },
    publishedFolder: join(config.dataDir, "published"),
  });
  const access = await createAccess({
    ...{ ledger, quota, dataSource: database, ids: systemIds, log },
    settlementOf: (accounts) => settlement.settlementOf(accounts),
  });
  return { metrics, database, ledger, redis, quota, chain, settlement, access };
}

export type Services = Awaited<ReturnType<typeof openServices>>;

function createServer({ config, log, version }: Surroundings, services: Services) {
  const { metrics, database, ledger, access } = services;
  const lifecycle = createLifecycle();
  const routes: Route[] = [
    ...accessRoutes(access),
    ...grantRoutes(access),
    ...ledgerRoutes({ ledger, database }),
    ...importRoutes({ ledger, database }),
  ];
  routes.push(
    ...serviceRoutes({
      probes: createProbes(services),
      lifecycle,
      metrics,
      version,
      allRoutes: () => routes,
    }),
  );
  const app = createApp({
    ...{ routes, clock: systemClock, ids: systemIds, log, metrics, lifecycle },
    authenticate: createAuthenticate(
      config.jwtJwksUrl ? { jwksUrl: config.jwtJwksUrl } : { jwtSecret: config.jwtSecret },
      systemClock,
    ),
    rateLimitPerMinute: config.rateLimitPerMinute,
    checkResponses: config.nodeEnv !== "production",
  });
  return { app, lifecycle };
}

function observe(metrics: Metrics, batch: BatchObservation): void {
  metrics.writerBatchUnits.observe(batch.units);
  metrics.writerBatchWait.observe(batch.waitMs / MS_PER_SECOND);
  metrics.writerBatchDuration.observe(batch.durationMs / MS_PER_SECOND);
}
