/**
 * The books beside that of TST: each an asset's registry on its home chain, with
 * a connection, a sender, connections to the database and a schedule of its own.
 * A chain that is down delays its own book and nothing else, and no book keeps
 * the server from starting.
 */
import { existsSync, readFileSync } from "node:fs";
import type { BookConfig } from "#config";
import {
  type Chain,
  connectChain,
  createBookMetrics,
  createPool,
  type DeploymentRecord,
  type Metrics,
} from "#infra";
import {
  type ChainEffects,
  openSettlement,
  type Settlement,
  type SettlementOptions,
  type Watching,
} from "#settlement";
import type { Opened } from "./opened.ts";
import { assertSettleInterval, SettlesTooOften } from "./settle-interval.ts";

export interface AssetBook {
  readonly asset: string;
  /** Decimals of the asset. */
  readonly scale: number;
  readonly publicRpcUrl: string | null;
  readonly chain: Chain;
  readonly settlement: Settlement;
  readonly metrics: Metrics;
}

/** What all books of a ledger have in common. */
export interface BookSurroundings
  extends Pick<
    SettlementOptions,
    "readPool" | "logSigner" | "witnesses" | "publishedFolder" | "clock" | "log"
  > {
  /** Where the book has a token: what comes in on its chain. */
  readonly watching: Watching;
  readonly databaseUrl: string;
  readonly schema: string;
  readonly settleCron: string;
  readonly finalityDepth: number;
  /** Holds a settlement back while the disk is nearly full. */
  roomFor(settlement: Settlement): Settlement;
}

/** What is done with what comes in on an asset's chain, where no program has locks or stakes of it. */
export const EFFECTS_WITHOUT_PROGRAM: Pick<ChainEffects, "placing" | "ending"> = {
  placing: () => () => null,
  ending: () => () => {},
};

export interface AssetBooks {
  /** By asset. */
  readonly open: ReadonlyMap<string, AssetBook>;
  /** Why others are not. */
  readonly failed: ReadonlyMap<string, string>;
}

/** The settlement job and the chain watcher hold one connection each while they work, and ask small things by another. */
const POOL_SIZE = 4;

/** @throws SettlesTooOften; anything else keeps one book closed, and is told of in the log and by its probe */
export async function openBooks(
  configs: readonly BookConfig[],
  opened: Opened,
  surroundings: BookSurroundings,
): Promise<AssetBooks> {
  const books = { open: new Map<string, AssetBook>(), failed: new Map<string, string>() };
  for (const config of configs)
    try {
      books.open.set(config.asset, await openBook(config, opened, surroundings));
    } catch (error) {
      if (error instanceof SettlesTooOften) throw error;
      surroundings.log.error({ err: error, asset: config.asset }, "a book is not settled");
      books.failed.set(config.asset, error instanceof Error ? error.message : String(error));
    }
  return books;
}

async function openBook(
  config: BookConfig,
  opened: Opened,
  surroundings: BookSurroundings,
): Promise<AssetBook> {
  const { asset, rpcUrl, privateKey, publicRpcUrl } = config;
  const { databaseUrl: url, schema, settleCron } = surroundings;
  const record = readRecord(config);
  assertSettleInterval(settleCron, record);
  const log = surroundings.log.child({ asset });
  const pool = opened.keep(
    createPool({ ...{ url, schema, log, max: POOL_SIZE }, applicationName: "anchorbook-settlement" }),
    (connections) => connections.end(),
  );
  const { rows } = await pool.query<{ scale: number }>("SELECT scale FROM asset WHERE code = $1", [asset]);
  const [known] = rows;
  if (!known) throw new Error(`${asset} is no asset of this ledger: create it, and start the server again`);
  // The chain's id is known from the record: nothing is asked of a chain that may be down.
  const chain = opened.keep(
    await connectChain({ rpcUrl, privateKey, chainId: BigInt(record.chain_id) }),
    (connection) => connection.close(),
  );
  const metrics = createBookMetrics(asset);
  const watching = { ...surroundings.watching, finality: config.finality ?? surroundings.watching.finality };
  const settled = await openSettlement({
    ...{ ...surroundings, pool, asset, chain, record, metrics, log },
    watching: BigInt(record.token) === 0n ? undefined : watching,
  });
  return {
    asset,
    scale: known.scale,
    publicRpcUrl,
    chain,
    settlement: surroundings.roomFor(settled),
    metrics,
  };
}

function readRecord({ asset, contractsFile }: BookConfig): DeploymentRecord {
  if (!existsSync(contractsFile))
    throw new Error(
      `its contracts are not deployed: run "npx anchorbook deploy --asset ${asset}", and start the server again`,
    );
  return JSON.parse(readFileSync(contractsFile, "utf8"));
}
