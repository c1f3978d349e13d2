/**
 * Puts the services of one server together from the addresses it was given. All
 * wiring is here and nothing else is: no rule, no SQL, no reading of settings.
 */
import { join } from "node:path";
import {
  accessRoutes,
  auditRoutes,
  createApp,
  createAuthenticate,
  createLifecycle,
  devRoutes,
  eventRoutes,
  grantRoutes,
  importRoutes,
  type Lifecycle,
  ledgerRoutes,
  type Route,
  serviceRoutes,
  settlementRoutes,
  webhookRoutes,
} from "#api";
import type { Config } from "#config";
import type { DevStack } from "#devstack";
import { type Events, openEvents } from "#events";
import {
  connectChain,
  createDiskGuard,
  createMetrics,
  createPool,
  createRedis,
  type DeploymentRecord,
  type DiskGuard,
  type Log,
  type Metrics,
} from "#infra";
import { createSchedule, jobsOf, type Schedule } from "#jobs";
import { systemClock, systemIds, type UnixSeconds } from "#kernel";
import { type BatchObservation, ledgerQueries, openLedger } from "#ledger";
import { createAccess, TST } from "#programs/access";
import { createQuota } from "#quota";
import { openSettlement, type Settlement } from "#settlement";
import { createDataSource } from "../ormconfig.ts";
import { createProbes } from "./probes.ts";
import { advanceClocks, advanceLedgerClock, createChainClock, onEmbeddedChain } from "./test-clock.ts";

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
  /** All that the app serves. */
  readonly routes: readonly Route[];
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
/** The settlement job holds one connection while it works and asks small things by another. */
const SETTLEMENT_POOL_SIZE = 3;
/** Epochs, proofs, leaf files, journal lines: anybody may ask for them, so they have connections of their own. */
const AUDIT_POOL_SIZE = 4;
/** A page of leaves takes milliseconds; what takes so long holds others up. */
const AUDIT_STATEMENT_TIMEOUT_MS = 15_000;
/** Blocks on top of a finalize, on a chain that may take blocks back: two epochs of Ethereum, after which it does not. */
const FINALITY_DEPTH_BLOCKS = 64;
const MS_PER_SECOND = 1_000;
const BYTES_PER_MIB = 2 ** 20;

/** @throws where a part cannot be reached; what was opened until then is closed again */
export async function compose(surroundings: Surroundings): Promise<Application> {
  const opened = new Opened();
  try {
    const services = await openServices(surroundings, opened);
    await services.access.ensureGenesis();
    await services.disk?.start();
    const schedule = createSchedule(
      jobsOf({ ...services, settleCron: surroundings.config.settleCron }),
      services,
    );
    return {
      ...createServer(surroundings, services, schedule),
      start: async () => schedule.start(),
      async stop() {
        // First, so that no job goes on waiting for a block.
        await services.settlement.stop();
        await schedule.stop();
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
  const clock = systemClock;
  const database = opened.keep(
    await createDataSource({ url, schema, poolSize: READ_POOL_SIZE }).initialize(),
    (source) => source.destroy(),
  );
  const pools = openSettlementPools({ url, schema, log }, opened);
  const disk = config.databaseUrl
    ? null
    : opened.keep(guardOf(config, log, metrics), (guard) => guard.close());
  // They need the ledger's writer, and it tells them of its batches.
  const afterBatch: { events?: Pick<Events, "wake"> } = {};
  const ledger = opened.keep(
    await openLedger({
      databaseUrl: url,
      schema,
      ids: systemIds,
      log,
      ...(disk ? { admit: () => disk.assertRoom() } : {}),
      onBatch: (batch) => {
        observe(metrics, batch);
        afterBatch.events?.wake();
      },
    }),
    (writer) => writer.close(),
  );
  const events = opened.keep(
    await openEvents({
      ...{ databaseUrl: url, schema, ledger, clock, ids: systemIds, log, metrics },
      allowPrivateWebhooks: config.allowPrivateWebhooks,
    }),
    (outward) => outward.stop(),
  );
  afterBatch.events = events;
  const redis =
    redisUrl === null ? null : opened.keep(createRedis(redisUrl, log), (client) => client.disconnect());
  const quota = opened.keep(
    await createQuota({ ledger, redis, dataSource: database, clock, log, metrics }),
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
  const books = ledgerQueries(database);
  const settled = await openSettlement({
    ...{ ...pools, asset: TST.code, chain, record: contracts, clock, log, metrics },
    finalityDepth: stack.embeddedChain ? 0 : FINALITY_DEPTH_BLOCKS,
    publishedFolder: join(config.dataDir, "published"),
  });
  const chainClock = createChainClock(chain);
  const synced = stack.embeddedChain ? onEmbeddedChain(settled, chainClock, () => books.now()) : settled;
  const settlement = disk ? whileThereIsRoom(synced, disk) : synced;
  const access = await createAccess({
    ...{ ledger, quota, dataSource: database, ids: systemIds, log },
    settlementOf: (accounts) => settlement.settlementOf(accounts),
  });
  return {
    clock,
    log,
    metrics,
    disk,
    database,
    books,
    ledger,
    events,
    redis,
    quota,
    chain,
    chainClock,
    settlement,
    access,
  };
}

function guardOf({ dataDir, diskWatermarkMb }: Config, log: Log, metrics: Metrics): DiskGuard {
  const watermarkBytes = diskWatermarkMb * BYTES_PER_MIB;
  return createDiskGuard({ folder: dataDir, watermarkBytes, log, metrics });
}

/** An epoch is written to the same disk, and can wait; what was closed still goes to the chain. */
function whileThereIsRoom(settlement: Settlement, disk: DiskGuard): Settlement {
  return {
    ...settlement,
    run: async () => {
      disk.assertRoom();
      return settlement.run();
    },
    settle: async () => (disk.isLow ? undefined : settlement.settle()),
  };
}

function openSettlementPools(connection: { url: string; schema: string; log: Log }, opened: Opened) {
  const open = (options: { applicationName: string; max: number; statementTimeoutMs?: number }) =>
    opened.keep(createPool({ ...connection, ...options }), (connections) => connections.end());
  return {
    pool: open({ applicationName: "anchorbook-settlement", max: SETTLEMENT_POOL_SIZE }),
    readPool: open({
      ...{ applicationName: "anchorbook-audit", max: AUDIT_POOL_SIZE },
      statementTimeoutMs: AUDIT_STATEMENT_TIMEOUT_MS,
    }),
  };
}

export type Services = Awaited<ReturnType<typeof openServices>>;

function createServer(surroundings: Surroundings, services: Services, schedule: Schedule) {
  const { config, log, version } = surroundings;
  const { clock, metrics } = services;
  const lifecycle = createLifecycle();
  const routes = createRoutes(surroundings, services, schedule);
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
    ...{ routes, clock, ids: systemIds, log, metrics, lifecycle },
    authenticate: createAuthenticate(
      config.jwtJwksUrl ? { jwksUrl: config.jwtJwksUrl } : { jwtSecret: config.jwtSecret },
      clock,
    ),
    rateLimitPerMinute: config.rateLimitPerMinute,
    checkResponses: config.nodeEnv !== "production",
  });
  return { app, routes, lifecycle };
}

function createRoutes(surroundings: Surroundings, services: Services, schedule: Schedule): Route[] {
  const { config, stack } = surroundings;
  const { access, database, events, ledger, metrics, settlement } = services;
  return [
    ...accessRoutes(access),
    ...grantRoutes(access),
    ...ledgerRoutes({ ledger, database }),
    ...importRoutes({ ledger, database }),
    ...settlementRoutes({
      ...{ settlement, ledger },
      // A node of the operator's may carry a key in its address; the embedded one is for everybody here.
      publicRpcUrl: stack.embeddedChain ? stack.rpcUrl : null,
      findPosition: (section, id) => access.positionOf(section, id),
    }),
    ...auditRoutes(settlement),
    ...eventRoutes({ events, metrics }),
    ...webhookRoutes(events),
    ...(config.testClock
      ? devRoutes({ advance: (seconds) => advance(surroundings, services, schedule, seconds) })
      : []),
  ];
}

/** The test clock: ledger and chain together, then every job that became due. */
async function advance(
  { log, stack, schema }: Surroundings,
  { books, chainClock, quota }: Services,
  schedule: Schedule,
  seconds: number,
): Promise<UnixSeconds> {
  const { databaseOwnerUrl } = stack;
  if (!databaseOwnerUrl) throw new Error("the test clock needs the owner of the tables");
  const from = await books.now();
  const until = await advanceClocks({
    ...{ chainClock, log, ledgerNow: () => books.now() },
    advanceLedger: () => advanceLedgerClock(databaseOwnerUrl, schema, seconds),
  });
  quota.forgetConfirmations();
  await schedule.runDue(from, until);
  return books.now();
}

function observe(metrics: Metrics, batch: BatchObservation): void {
  metrics.writerBatchUnits.observe(batch.units);
  metrics.writerBatchWait.observe(batch.waitMs / MS_PER_SECOND);
  metrics.writerBatchDuration.observe(batch.durationMs / MS_PER_SECOND);
  metrics.writerQueueDepth.set(batch.waiting);
  metrics.writerRefused.inc(batch.refused);
  for (const [reason, count] of Object.entries(batch.retries)) metrics.writerRetries.inc({ reason }, count);
}
