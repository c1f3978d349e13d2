/**
 * Puts one server together: the default ledger, the ledgers beside it, and the
 * app that leads each request to its ledger. All wiring is here and in
 * ledger-services.ts and nothing else is: no rule, no SQL, no reading of settings.
 */
import { existsSync } from "node:fs";
import type { RequestListener } from "node:http";
import {
  createApp,
  createAuthenticate,
  createLifecycle,
  type Lifecycle,
  type Probe,
  type Route,
  serviceRoutes,
} from "#api";
import type { Config } from "#config";
import type { DevStack } from "#devstack";
import {
  createDiskGuard,
  createMetrics,
  type DeploymentRecord,
  type DiskGuard,
  type Log,
  type Metrics,
  mergedMetrics,
} from "#infra";
import { createSchedule, jobsOf } from "#jobs";
import { DomainError, systemClock, systemIds } from "#kernel";
import { contractsFileOf, publishedFolderOf } from "./contracts-files.ts";
import { ensureAnchor } from "./deployment.ts";
import { dispatch } from "./dispatch.ts";
import { adminRoutes } from "./ledger-admin.ts";
import { DEFAULT_LEDGER, type RegisteredLedger, readLedgers, registryPool } from "./ledger-registry.ts";
import {
  type LedgerSurroundings,
  type LogKeys,
  openLedgerServices,
  routesOf,
  type Services,
} from "./ledger-services.ts";
import { readLogSeed, readWitnesses } from "./log-key.ts";
import { assertMigrated, migrate } from "./migrate.ts";
import { Opened } from "./opened.ts";
import { createProbes } from "./probes.ts";
import { type RunningLedger, RunningLedgers } from "./running-ledgers.ts";
import { assertSettleInterval } from "./settle-interval.ts";

export interface Surroundings {
  config: Config;
  log: Log;
  stack: Omit<DevStack, "stop" | "describe">;
  contracts: DeploymentRecord;
  /** The default ledger's schema. */
  schema: string;
  version: string;
}

export interface Application {
  readonly app: RequestListener;
  /** All that the app serves in the default ledger. */
  readonly routes: readonly Route[];
  readonly lifecycle: Lifecycle;
  /** Starts what works by itself: schedules, watchers. Called once the API listens. */
  start(): Promise<void>;
  /** Ends schedules, lets work under way end, closes connections. The API takes no requests any more. */
  stop(): Promise<void>;
}

/** One ledger, open: what serves it, and what works by itself once it is started. */
interface OpenLedger extends RunningLedger {
  readonly app: RequestListener;
  readonly routes: readonly Route[];
  readonly services: Services;
  readonly metrics: Metrics;
  start(): void;
}

/** By name, the default one too. */
interface OpenLedgers {
  all(): Iterable<[string, OpenLedger]>;
  find(name: string): Promise<OpenLedger | "failed" | undefined>;
}

/** What the apps of all ledgers share. */
interface Shared {
  readonly logKeys: LogKeys;
  readonly surroundings: Surroundings;
  readonly lifecycle: Lifecycle;
  readonly authenticate: ReturnType<typeof createAuthenticate>;
  readonly disk: DiskGuard | null;
  readonly oneAtATime: LedgerSurroundings["oneAtATime"];
  readonly peers: LedgerSurroundings["peers"];
  readonly findPeer: LedgerSurroundings["findPeer"];
}

const BYTES_PER_MIB = 2 ** 20;

/** @throws where a part cannot be reached; what was opened until then is closed again */
export async function compose(surroundings: Surroundings): Promise<Application> {
  const opened = new Opened();
  const metrics = createMetrics();
  const { config, log, stack } = surroundings;
  try {
    const disk = config.databaseUrl
      ? null
      : opened.keep(guardOf(config, log, metrics), (guard) => guard.close());
    // Ledgers send to each other, so each is asked for when it is needed.
    const open: OpenLedgers = { all: () => [], find: async () => undefined };
    const logKeys = { seed: readLogSeed(config), witnesses: readWitnesses(config) };
    const shared: Shared = {
      logKeys,
      peers: () => new Map([...open.all()].map(([name, { services }]) => [name, services.interLedger])),
      async findPeer(name) {
        const found = await open.find(name);
        return typeof found === "object" ? found.services.interLedger : found;
      },
      ...{ surroundings, disk, oneAtATime: oneAtATime(), lifecycle: createLifecycle() },
      authenticate: createAuthenticate(
        config.jwtJwksUrl ? { jwksUrl: config.jwtJwksUrl } : { jwtSecret: config.jwtSecret },
        systemClock,
      ),
    };
    const registry = opened.keep(registryPool(stack.databaseUrl, log), (pool) => pool.end());
    let started = false;
    const others: RunningLedgers<OpenLedger> = new RunningLedgers({
      log,
      list: () => readLedgers(registry),
      async open(ledger) {
        const other = await openOther(shared, ledger, others);
        if (started) other.start();
        return other;
      },
    });
    const main = opened.keep(await openDefault(shared, metrics, others), (ledger) => ledger.stop());
    open.all = () => [[DEFAULT_LEDGER, main], ...others.all()];
    open.find = async (name) => (name === DEFAULT_LEDGER ? main : (others.get(name) ?? others.find(name)));
    await disk?.start();
    opened.keep(others, (running) => running.stop());
    await others.look();
    return {
      app: dispatch({
        ...{ log, lifecycle: shared.lifecycle, authenticate: shared.authenticate, metrics: main.metrics },
        ...{ rateLimitPerMinute: config.rateLimitPerMinute, main: main.app, others },
      }),
      routes: main.routes,
      lifecycle: shared.lifecycle,
      async start() {
        started = true;
        main.start();
        for (const other of others.all().values()) other.start();
        others.watch();
      },
      stop: () => opened.close(),
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function openDefault(
  shared: Shared,
  metrics: Metrics,
  others: RunningLedgers<OpenLedger>,
): Promise<OpenLedger> {
  const { config, contracts, log, schema, stack } = shared.surroundings;
  return openOne(
    shared,
    {
      ...{ config, log, stack, contracts, name: DEFAULT_LEDGER, schema, metrics, logKeys: shared.logKeys },
      ...{ disk: shared.disk, oneAtATime: shared.oneAtATime, peers: shared.peers, findPeer: shared.findPeer },
      publishedFolder: publishedFolderOf(config, null),
    },
    {
      genesis: true,
      probes: () => probesOfOthers(others),
      figures: (books) =>
        mergedMetrics([metrics, ...books, ...[...others.all().values()].map((other) => other.metrics)]),
      adminRoutes: (asked) => adminRoutes({ stack, log, others }, asked),
    },
  );
}

/** A ledger that appeared in the list: its tables as this code wants them, its registry, its services. */
async function openOther(
  shared: Shared,
  { name, schema }: RegisteredLedger,
  others: RunningLedgers<OpenLedger>,
): Promise<OpenLedger> {
  const { config, stack, log: serverLog } = shared.surroundings;
  const log = serverLog.child({ ledger: name });
  const { databaseUrl: appUrl, databaseOwnerUrl: ownerUrl } = stack;
  if (ownerUrl) await migrate({ ownerUrl, appUrl, schema }, log);
  else await assertMigrated(appUrl, schema);
  const contracts = await shared.oneAtATime(() => ensureAnchor(stack, config, name, log));
  assertSettleInterval(config.settleCron, contracts);
  const metrics = createMetrics({ ledger: name });
  const ledger = await openOne(
    shared,
    {
      ...{ config, log, stack, contracts, name, schema, metrics, logKeys: shared.logKeys },
      ...{ disk: shared.disk, oneAtATime: shared.oneAtATime, peers: shared.peers, findPeer: shared.findPeer },
      publishedFolder: publishedFolderOf(config, name),
    },
    {
      ...{ genesis: false, probes: () => [], figures: () => metrics.registry.metrics() },
      adminRoutes: (asked) => adminRoutes({ stack, log: serverLog, others }, asked),
    },
  );
  // "anchorbook deploy --ledger" writes the file while the server runs.
  const outdated = () => contracts === null && existsSync(contractsFileOf(config, name));
  return { ...ledger, outdated };
}

interface Extras {
  /** Only the default ledger has TST. */
  readonly genesis: boolean;
  probes(): readonly Probe[];
  /** @param books those of the ledger's books beside the first */
  figures(books: readonly Metrics[]): Promise<string>;
  adminRoutes(ledger: Services["ledger"]): readonly Route[];
}

async function openOne(
  shared: Shared,
  surroundings: LedgerSurroundings,
  extras: Extras,
): Promise<OpenLedger> {
  const { config, log, metrics } = surroundings;
  const { authenticate, lifecycle } = shared;
  const opened = new Opened();
  try {
    const services = await openLedgerServices(surroundings, opened);
    if (extras.genesis) await services.access.ensureGenesis();
    const books = [...services.assetBooks.open.values()];
    const schedule = createSchedule(
      jobsOf({ ...services, settleCron: config.settleCron, assetBooks: books }),
      services,
    );
    const routes = [...routesOf(surroundings, services, schedule), ...extras.adminRoutes(services.ledger)];
    const probes = createProbes(services);
    routes.push(
      ...serviceRoutes({
        ...{ lifecycle, metrics, version: shared.surroundings.version, allRoutes: () => routes },
        probes: () => [...probes, ...extras.probes()],
        figures: () => extras.figures(books.map((book) => book.metrics)),
      }),
    );
    const app = createApp({
      ...{ routes, clock: systemClock, ids: systemIds, log, metrics, lifecycle, authenticate },
      rateLimitPerMinute: config.rateLimitPerMinute,
      checkResponses: config.nodeEnv !== "production",
    });
    return {
      ...{ app, routes, services, metrics },
      start: () => schedule.start(),
      async stop() {
        // First, so that no job goes on waiting for a block, or for a witness.
        services.witnesses.stop();
        const settlements = [services, ...books].map(({ settlement }) => settlement);
        await Promise.all(settlements.map((settlement) => settlement.stop()));
        await schedule.stop();
        await Promise.all(settlements.map((settlement) => settlement.idle()));
        await opened.close();
      },
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

function probesOfOthers(others: RunningLedgers<OpenLedger>): Probe[] {
  const open = [...others.all()].map(([name, { services }]) => ({
    name: `ledger ${name}`,
    critical: false,
    async check() {
      await services.database.query("SELECT 1");
      return "open";
    },
  }));
  const failed = [...others.failed()].map((name) => ({
    name: `ledger ${name}`,
    critical: false,
    check: async () => Promise.reject(new DomainError("unavailable", "cannot be opened; the log says why")),
  }));
  return [...open, ...failed];
}

function guardOf({ dataDir, diskWatermarkMb }: Config, log: Log, metrics: Metrics): DiskGuard {
  const watermarkBytes = diskWatermarkMb * BYTES_PER_MIB;
  return createDiskGuard({ folder: dataDir, watermarkBytes, log, metrics });
}

/** Runs tasks one after the other, in the order in which they came. */
function oneAtATime(): Shared["oneAtATime"] {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task);
    last = result.catch(() => {});
    return result;
  };
}
