/**
 * Puts the services of one ledger together: its writer, reads, quotas, events,
 * settlement, programs, routes and schedule. All wiring of a ledger is here and
 * nothing else is: no rule, no SQL, no reading of settings. Two ledgers share
 * the process, the address of each part and the disk, and no state.
 */
import type { Pool } from "pg";
import {
  accessRoutes,
  auditRoutes,
  chainRoutes,
  devRoutes,
  eventRoutes,
  grantRoutes,
  importRoutes,
  interLedgerRoutes,
  ledgerRoutes,
  logRoutes,
  logTileRoutes,
  quotaRoutes,
  type Route,
  settlementRoutes,
  walletRoutes,
  webhookRoutes,
  withdrawalRoutes,
} from "#api";
import type { Config } from "#config";
import type { DevStack } from "#devstack";
import { type Events, openEvents } from "#events";
import {
  type Chain,
  connectChain,
  createPool,
  createRedis,
  type DeploymentRecord,
  type DiskGuard,
  type Log,
  type Metrics,
} from "#infra";
import { openInterLedger, type Peer } from "#inter-ledger";
import type { Schedule } from "#jobs";
import { type Clock, DomainError, systemClock, systemIds, type UnixSeconds } from "#kernel";
import { type BatchObservation, type LedgerQueries, ledgerQueries, openLedger } from "#ledger";
import { balanceAccount, createAccess, TREASURY_USER, TST } from "#programs/access";
import type { NoteKey } from "#proof";
import { createQuota, QuotaHolds } from "#quota";
import {
  type ChainEffects,
  createLogSigner,
  noSettlement,
  openSettlement,
  type Settlement,
} from "#settlement";
import { onClaimed, onWalletCancelled, openPayouts, userOfWallet, Wallets } from "#wallets";
import { createDataSource } from "../ormconfig.ts";
import { type AssetBooks, openBooks } from "./asset-books.ts";
import { DEFAULT_LEDGER } from "./ledger-registry.ts";
import type { Opened } from "./opened.ts";
import {
  advanceClocks,
  advanceLedgerClock,
  type ChainClock,
  createChainClock,
  onEmbeddedChain,
} from "./test-clock.ts";

/** What a ledger is opened with. */
export interface LedgerSurroundings {
  config: Config;
  log: Log;
  stack: Omit<DevStack, "stop" | "describe">;
  /** Null: the ledger settles nowhere. */
  contracts: DeploymentRecord | null;
  /** All ledgers that are open in this server, this one too, by name. */
  peers(): ReadonlyMap<string, Peer>;
  /** One of them; also one that was made a moment ago. */
  findPeer(name: string): Promise<Peer | "failed" | undefined>;
  /** The ledger's name, and its schema. */
  name: string;
  schema: string;
  /** Who signs the checkpoints of logs, and whose cosignatures are taken. */
  logKeys: LogKeys;
  /** Absolute; where its epochs are published. */
  publishedFolder: string;
  metrics: Metrics;
  /** Watches the disk of the embedded Postgres; null where there is none. */
  disk: DiskGuard | null;
  /** Runs what settles one after the other: all ledgers of this process sign with one key. */
  oneAtATime: <T>(task: () => Promise<T>) => Promise<T>;
}

export interface LogKeys {
  /** 32 bytes, secret. */
  readonly seed: Uint8Array;
  readonly witnesses: readonly NoteKey[];
}

const READ_POOL_SIZE = 10;
/** The settlement job and the chain watcher hold one connection each while they work, and ask small things by another. */
const SETTLEMENT_POOL_SIZE = 5;
/** Epochs, proofs, leaf files, journal lines: anybody may ask for them, so they have connections of their own. */
const AUDIT_POOL_SIZE = 4;
/** A page of leaves takes milliseconds; what takes so long holds others up. */
const AUDIT_STATEMENT_TIMEOUT_MS = 15_000;
/** Blocks on top of a finalize, on a chain that may take blocks back: two epochs of Ethereum, after which it does not. */
const FINALITY_DEPTH_BLOCKS = 64;
const MS_PER_SECOND = 1_000;

/** @throws where a part cannot be reached; the caller closes what is in `opened` then */
export async function openLedgerServices(surroundings: LedgerSurroundings, opened: Opened) {
  const { config, log, stack, contracts, schema, metrics, disk } = surroundings;
  const { databaseUrl: url, redisUrl } = stack;
  const clock = systemClock;
  const database = opened.keep(
    await createDataSource({ url, schema, poolSize: READ_POOL_SIZE }).initialize(),
    (source) => source.destroy(),
  );
  const pools = openSettlementPools({ url, schema, log }, opened);
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
  const holds = new QuotaHolds({ quota, dataSource: database, ids: systemIds });
  const books = ledgerQueries(database);
  const interLedger = opened.keep(
    await openInterLedger({
      ...{ ledger, database, ids: systemIds, log },
      peers: () => surroundings.peers(),
      findPeer: (name) => surroundings.findPeer(name),
    }),
    (transfers) => transfers.stop(),
  );
  const chain = contracts && opened.keep(await connect(stack, contracts), (connection) => connection.close());
  const chainClock = chain && createChainClock(chain);
  // What comes from the chain is done by those who are opened after settlement.
  const fromChain: { effects?: ChainEffects } = {};
  const settlement = await openSettlementOf(surroundings, {
    ...{ pools, chain, chainClock, clock, books },
    effects: () => {
      if (!fromChain.effects) throw new DomainError("unavailable", "The server is starting");
      return fromChain.effects;
    },
  });
  const assetBooks = await openAssetBooks(surroundings, { readPool: pools.readPool, clock, opened });
  const access = await createAccess({
    ...{ ledger, quota, dataSource: database, ids: systemIds, log },
    settlementOf: (accounts) => settlement.settlementOf(accounts),
  });
  fromChain.effects = { ...access.fromChain(), ...EFFECTS_ON_WALLETS };
  const wallets = new Wallets({
    ...{ ledger, dataSource: database, asset: TST.code, settlement, chain, ids: systemIds, log },
    balanceAccountOf: balanceAccount,
    chainSeenUntil: async () => (await settlement.watcher?.status())?.finalTime ?? null,
    isFrozen: async () => (await settlement.watcher?.status())?.frozen ?? false,
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
    interLedger,
    redis,
    quota,
    holds,
    chain,
    chainClock,
    settlement,
    assetBooks,
    access,
    wallets,
  };
}

/** Of the default ledger; others have the registry of their journal alone. */
function openAssetBooks(
  { config, log, logKeys, name, publishedFolder, schema, stack, disk }: LedgerSurroundings,
  parts: { readPool: Pool; clock: Clock; opened: Opened },
): Promise<AssetBooks> {
  return openBooks(name === DEFAULT_LEDGER ? config.books : [], parts.opened, {
    ...{ readPool: parts.readPool, clock: parts.clock, log, publishedFolder, schema },
    ...{
      databaseUrl: stack.databaseUrl,
      settleCron: config.settleCron,
      finalityDepth: FINALITY_DEPTH_BLOCKS,
    },
    logSigner: createLogSigner(`${config.logOrigin}/${name}`, logKeys.seed),
    witnesses: logKeys.witnesses,
    roomFor: (settlement) => (disk ? whileThereIsRoom(settlement, disk) : settlement),
  });
}

function connect(stack: LedgerSurroundings["stack"], contracts: DeploymentRecord): Promise<Chain> {
  return connectChain({
    rpcUrl: stack.rpcUrl,
    privateKey: stack.operatorPrivateKey,
    chainId: BigInt(contracts.chain_id),
  });
}

interface SettlementParts {
  pools: { pool: Pool; readPool: Pool };
  chain: Chain | null;
  chainClock: ChainClock | null;
  clock: Clock;
  books: Pick<LedgerQueries, "now">;
  effects: () => ChainEffects;
}

const EFFECTS_ON_WALLETS: Pick<ChainEffects, "userOf" | "payoutsOf" | "claimed" | "walletCancelled"> = {
  userOf: (view, _, wallet) => userOfWallet(view, wallet),
  payoutsOf: (view, asset, user) => openPayouts(view, user, asset),
  claimed: onClaimed,
  walletCancelled: onWalletCancelled,
};

async function openSettlementOf(
  surroundings: LedgerSurroundings,
  { pools, chain, chainClock, clock, books, effects }: SettlementParts,
): Promise<Settlement> {
  const { config, name, logKeys, stack, contracts, publishedFolder } = surroundings;
  const { log, metrics, disk, oneAtATime } = surroundings;
  if (!contracts || !chain || !chainClock) return noSettlement();
  const settled = await openSettlement({
    ...{ ...pools, asset: TST.code, chain, record: contracts, clock, log, metrics, publishedFolder },
    logSigner: createLogSigner(`${config.logOrigin}/${name}`, logKeys.seed),
    witnesses: logKeys.witnesses,
    finalityDepth: stack.embeddedChain ? 0 : FINALITY_DEPTH_BLOCKS,
    watching: { effects, finality: stack.embeddedChain ? 0 : config.chainFinality, ids: systemIds },
  });
  const synced = stack.embeddedChain ? onEmbeddedChain(settled, chainClock, () => books.now()) : settled;
  const alone: Settlement = {
    ...synced,
    run: () => oneAtATime(() => synced.run()),
    settle: () => oneAtATime(() => synced.settle()),
    advance: () => oneAtATime(() => synced.advance()),
  };
  return disk ? whileThereIsRoom(alone, disk) : alone;
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
    watcher: settlement.watcher && {
      ...settlement.watcher,
      look: async () => (disk.isLow ? undefined : settlement.watcher?.look()),
    },
    log: {
      ...settlement.log,
      cosign: async (size, line) => {
        disk.assertRoom();
        return settlement.log.cosign(size, line);
      },
    },
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

export type Services = Awaited<ReturnType<typeof openLedgerServices>>;

/** What a ledger serves; what concerns the whole server is not among it. */
export function routesOf(surroundings: LedgerSurroundings, services: Services, schedule: Schedule): Route[] {
  const { config, name, stack } = surroundings;
  const { access, books, database, events, holds, interLedger, ledger, metrics, quota, settlement, wallets } =
    services;
  return [
    ...accessRoutes(access),
    ...grantRoutes(access),
    ...quotaRoutes({ quota, holds }),
    ...ledgerRoutes({ ledger, database }),
    ...importRoutes({ ledger, database }),
    ...interLedgerRoutes({ interLedger, queries: books }),
    ...settlementRoutes({
      ...{ settlement, ledger, books: services.assetBooks.open },
      // A node of the operator's may carry a key in its address; the embedded one is for everybody here.
      publicRpcUrl: stack.embeddedChain ? stack.rpcUrl : null,
      findPosition: (section, id) =>
        section === "payouts" ? wallets.payoutsOf(id) : access.positionOf(section, id),
    }),
    ...chainRoutes(settlement),
    ...walletRoutes({ wallets, settlement, treasuryUser: TREASURY_USER, asset: TST }),
    ...withdrawalRoutes(wallets),
    ...auditRoutes(settlement, services.assetBooks.open),
    ...logRoutes({ log: settlement.log, ledger: name }),
    ...logTileRoutes({ log: settlement.log, ledger: name }),
    ...eventRoutes({ events, metrics }),
    ...webhookRoutes(events),
    ...(config.testClock
      ? devRoutes({ advance: (seconds) => advance(surroundings, services, schedule, seconds) })
      : []),
  ];
}

/** The test clock: ledger and chain together, then every job that became due. */
async function advance(
  { log, stack, schema }: LedgerSurroundings,
  { books, chainClock, quota }: Services,
  schedule: Schedule,
  seconds: number,
): Promise<UnixSeconds> {
  const { databaseOwnerUrl } = stack;
  if (!chainClock) throw new Error("the test clock needs the embedded chain");
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
