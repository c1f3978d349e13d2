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
  createRedis,
  type DeploymentRecord,
  type DiskGuard,
  type Log,
  type Metrics,
} from "#infra";
import { openInterLedger, type Peer } from "#inter-ledger";
import type { Schedule } from "#jobs";
import { type Clock, DomainError, systemClock, systemIds, type UnixSeconds } from "#kernel";
import { type BatchObservation, ledgerQueries, openLedger } from "#ledger";
import { balanceAccount, createAccess, TREASURY_USER, TST } from "#programs/access";
import { createQuota, QuotaHolds } from "#quota";
import { blockForWallets, type ChainEffects, createWitnessAsker, type Settlement } from "#settlement";
import {
  onClaimed,
  onWalletCancelled,
  openPayouts,
  userOfWallet,
  Wallets,
  type WalletsOptions,
} from "#wallets";
import { createDataSource } from "../ormconfig.ts";
import { EFFECTS_WITHOUT_PROGRAM } from "./asset-books.ts";
import { connectHome, openAssetBooks, openSettlementOf, openSettlementPools } from "./ledger-settlement.ts";
import type { ConfiguredWitness } from "./log-key.ts";
import type { Opened } from "./opened.ts";
import { advanceClocks, advanceLedgerClock, createChainClock } from "./test-clock.ts";

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
  readonly witnesses: readonly ConfiguredWitness[];
}

const READ_POOL_SIZE = 10;
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
  const chain =
    contracts && opened.keep(await connectHome(stack, contracts), (connection) => connection.close());
  const chainClock = chain && createChainClock(chain);
  // What comes from the chain is done by those who are opened after settlement.
  const fromChain: { effects?: ChainEffects } = {};
  const fromBegunChain = () => {
    if (!fromChain.effects) throw new DomainError("unavailable", "The server is starting");
    return fromChain.effects;
  };
  const settlement = await openSettlementOf(surroundings, {
    ...{ pools, chain, chainClock, clock, books },
    effects: fromBegunChain,
  });
  const assetBooks = await openAssetBooks(surroundings, {
    ...{ readPool: pools.readPool, clock, opened },
    effects: () => ({ ...fromBegunChain(), ...EFFECTS_WITHOUT_PROGRAM }),
  });
  const witnesses = opened.keep(
    createWitnessAsker({
      ...{ log: settlement.log, clock },
      witnesses: surroundings.logKeys.witnesses.flatMap(({ key, url }) => (url === null ? [] : { key, url })),
    }),
    (asker) => asker.stop(),
  );
  const access = await createAccess({
    ...{ ledger, quota, dataSource: database, ids: systemIds, log },
    settlementOf: (accounts) => settlement.settlementOf(accounts),
  });
  fromChain.effects = { ...access.fromChain(), ...EFFECTS_ON_WALLETS };
  const walletsOf = (asset: string, book: { settlement: Settlement; chain: Chain | null }) =>
    new Wallets({
      ...{ ledger, dataSource: database, asset, ...book, ids: systemIds, log },
      balanceAccountOf: balanceAccount,
      ...wordOfTheWatcher(book.settlement, clock),
    });
  const wallets = walletsOf(TST.code, { settlement, chain });
  // Who has no token has nothing that a wallet could leave with.
  const withTokens = [...assetBooks.open.values()].filter(({ settlement: { watcher } }) => watcher !== null);
  const assetWallets = new Map(withTokens.map((book) => [book.asset, walletsOf(book.asset, book)]));
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
    witnesses,
    assetBooks,
    access,
    wallets,
    assetWallets,
  };
}

function wordOfTheWatcher(
  { watcher }: Settlement,
  clock: Clock,
): Pick<WalletsOptions, "chainSeenUntil" | "finalBlock" | "isFrozen"> {
  return {
    chainSeenUntil: async () => (await watcher?.status())?.finalTime ?? null,
    finalBlock: async () => blockForWallets((await watcher?.status()) ?? null, clock.nowMs()),
    isFrozen: async () => (await watcher?.status())?.frozen ?? false,
  };
}

const EFFECTS_ON_WALLETS: Pick<ChainEffects, "userOf" | "payoutsOf" | "claimed" | "walletCancelled"> = {
  userOf: userOfWallet,
  payoutsOf: (view, asset, user) => openPayouts(view, user, asset),
  claimed: onClaimed,
  walletCancelled: onWalletCancelled,
};

export type Services = Awaited<ReturnType<typeof openLedgerServices>>;

/** What a ledger serves; what concerns the whole server is not among it. */
export function routesOf(surroundings: LedgerSurroundings, services: Services, schedule: Schedule): Route[] {
  const { config, name, stack } = surroundings;
  const { access, books, database, events, holds, interLedger, ledger, metrics, quota, settlement } =
    services;
  const walletBooks = { wallets: services.wallets, others: services.assetWallets };
  const { open: assetBooks } = services.assetBooks;
  return [
    ...accessRoutes(access),
    ...grantRoutes(access),
    ...quotaRoutes({ quota, holds }),
    ...ledgerRoutes({ ledger, database }),
    ...importRoutes({ ledger, database }),
    ...interLedgerRoutes({ interLedger, queries: books }),
    ...settlementRoutes({
      ...{ settlement, ledger, books: assetBooks },
      // A node of the operator's may carry a key in its address; the embedded one is for everybody here.
      publicRpcUrl: stack.embeddedChain ? stack.rpcUrl : null,
      findPosition: async (section, id, asset = TST.code) => {
        if (section === "payouts")
          return (
            (await (asset === TST.code ? services.wallets : services.assetWallets.get(asset))?.payoutsOf(
              id,
            )) ?? null
          );
        if (asset === TST.code) return access.positionOf(section, id);
        const accountId = ledger.accountId(balanceAccount(id, asset));
        return section === "balances" ? { accountId, userId: id, keyParts: [id] } : null;
      },
    }),
    ...chainRoutes({ settlement, books: assetBooks }),
    ...walletRoutes({
      ...walletBooks,
      settlement,
      books: assetBooks,
      treasuryUser: TREASURY_USER,
      asset: TST,
    }),
    ...withdrawalRoutes(walletBooks),
    ...auditRoutes(settlement, assetBooks),
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
