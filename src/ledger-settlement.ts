/**
 * Settlement of one ledger, put together: the book of TST (or the registry of a
 * ledger's journal) on the chain of the settings, the books of other assets on
 * theirs, and what both are held back by: the disk, and others that sign with the
 * same key in this process.
 */
import type { Pool } from "pg";
import {
  type Chain,
  connectChain,
  createPool,
  type DeploymentRecord,
  type DiskGuard,
  type Log,
  type PoolOptions,
} from "#infra";
import { type Clock, systemIds } from "#kernel";
import type { LedgerQueries } from "#ledger";
import { TST } from "#programs/access";
import {
  type ChainEffects,
  createLogSigner,
  noSettlement,
  openSettlement,
  type Settlement,
} from "#settlement";
import { type AssetBooks, openBooks } from "./asset-books.ts";
import { DEFAULT_LEDGER } from "./ledger-registry.ts";
import type { LedgerSurroundings } from "./ledger-services.ts";
import type { Opened } from "./opened.ts";
import { type ChainClock, onEmbeddedChain } from "./test-clock.ts";

/** The settlement job and the chain watcher hold one connection each while they work, and ask small things by another. */
const SETTLEMENT_POOL_SIZE = 5;
/** Epochs, proofs, leaf files, journal lines: anybody may ask for them, so they have connections of their own. */
const AUDIT_POOL_SIZE = 4;
/** A page of leaves takes milliseconds; what takes so long holds others up. */
const AUDIT_STATEMENT_TIMEOUT_MS = 15_000;
/** Blocks on top of a finalize, on a chain that may take blocks back: two epochs of Ethereum, after which it does not. */
const FINALITY_DEPTH_BLOCKS = 64;

/** Of the default ledger; others have the registry of their journal alone. */
export function openAssetBooks(
  { config, log, logKeys, name, publishedFolder, schema, stack, disk }: LedgerSurroundings,
  parts: { readPool: Pool; clock: Clock; opened: Opened; effects: () => ChainEffects },
): Promise<AssetBooks> {
  return openBooks(name === DEFAULT_LEDGER ? config.books : [], parts.opened, {
    ...{ readPool: parts.readPool, clock: parts.clock, log, publishedFolder, schema },
    ...{
      databaseUrl: stack.databaseUrl,
      settleCron: config.settleCron,
      finalityDepth: FINALITY_DEPTH_BLOCKS,
    },
    logSigner: createLogSigner(`${config.logOrigin}/${name}`, logKeys.seed),
    witnesses: logKeys.witnesses.map(({ key }) => key),
    watching: { effects: parts.effects, finality: config.chainFinality, ids: systemIds },
    roomFor: (settlement) => (disk ? whileThereIsRoom(settlement, disk) : settlement),
  });
}

export function connectHome(stack: LedgerSurroundings["stack"], contracts: DeploymentRecord): Promise<Chain> {
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

export async function openSettlementOf(
  surroundings: LedgerSurroundings,
  { pools, chain, chainClock, clock, books, effects }: SettlementParts,
): Promise<Settlement> {
  const { config, name, logKeys, stack, contracts, publishedFolder } = surroundings;
  const { log, metrics, disk, oneAtATime } = surroundings;
  if (!contracts || !chain || !chainClock) return noSettlement();
  const settled = await openSettlement({
    ...{ ...pools, asset: TST.code, chain, record: contracts, clock, log, metrics, publishedFolder },
    logSigner: createLogSigner(`${config.logOrigin}/${name}`, logKeys.seed),
    witnesses: logKeys.witnesses.map(({ key }) => key),
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
      follow: async () => (disk.isLow ? undefined : settlement.watcher?.follow()),
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

export function openSettlementPools(connection: { url: string; schema: string; log: Log }, opened: Opened) {
  const open = (options: Pick<PoolOptions, "applicationName" | "max" | "statementTimeoutMs" | "prepare">) =>
    opened.keep(createPool({ ...connection, ...options }), (connections) => connections.end());
  return {
    pool: open({ applicationName: "anchorbook-settlement", max: SETTLEMENT_POOL_SIZE }),
    readPool: open({
      ...{ applicationName: "anchorbook-audit", max: AUDIT_POOL_SIZE },
      ...{ statementTimeoutMs: AUDIT_STATEMENT_TIMEOUT_MS, prepare: true },
    }),
  };
}
