/** What the chain says of a book: its events, its latest state, its custodians. Logs and latest state are enough. */
import {
  Book,
  type Chain,
  type CommittedEpoch,
  type Custody,
  contractAt,
  type DeploymentRecord,
  type FinalizedEpoch,
  isChainUnavailable,
} from "#infra";
import { SECTIONS, type Section } from "#proof";

export interface ChainBook {
  readonly record: DeploymentRecord;
  /** Null of a book without a token: it anchors headers, and nothing is held. */
  readonly tokens: ChainTokens | null;
  readonly committed: readonly CommittedEpoch[];
  readonly finalized: readonly FinalizedEpoch[];
  readonly lastCommitted: bigint;
  readonly lastFinal: bigint;
  /** The registry's own hash of the newest epoch; null before the first. */
  readonly newestHash: string | null;
  readonly totalPaid: bigint;
}

export interface ChainTokens {
  /** The token's symbol: the asset's code in the journal. */
  readonly asset: string;
  readonly custody: Custody;
  readonly finalSections: Readonly<
    Record<Section, { root: string; sum: bigint; count: bigint; epoch: bigint }>
  >;
}

const ATTEMPTS = 20;

/**
 * All of it as of one moment: epochs go on being settled while it is read.
 * @throws Error where the chain moves on in every attempt
 */
export async function readChainBook(chain: Chain, record: DeploymentRecord): Promise<ChainBook> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = (await readAtBlock(chain, record)) ?? (await readUnmoved(chain, record));
    if (found) return found;
  }
  throw new Error("the chain went on during every attempt to read it as of one moment");
}

/** Null where the node does not have the state of that block (any more), or has another block in its place. */
async function readAtBlock(chain: Chain, record: DeploymentRecord): Promise<ChainBook | null> {
  const block = await chain.provider.getBlock("latest");
  if (!block) return null;
  try {
    const found = await readBook(chain, record, block.number);
    const again = await chain.provider.getBlock(block.number);
    return again?.hash === block.hash ? found : null;
  } catch (error) {
    if (isChainUnavailable(error)) throw error;
    return null;
  }
}

/** At the latest block, whichever it is; null where an epoch or a claim came in between. */
async function readUnmoved(chain: Chain, record: DeploymentRecord): Promise<ChainBook | null> {
  const before = await readBook(chain, record, "latest");
  const book = new Book(chain, record);
  const same =
    before.lastCommitted === (await book.lastCommitted()) &&
    before.lastFinal === (await book.lastFinal()) &&
    before.totalPaid === (await book.totalPaid()) &&
    before.committed.length === (await book.committedEpochs()).length &&
    before.finalized.length === (await book.finalizedEpochs()).length;
  return same ? before : null;
}

async function readBook(chain: Chain, record: DeploymentRecord, at: number | "latest"): Promise<ChainBook> {
  const book = new Book(chain, record, at);
  // These first: what `readUnmoved` compares must be older than all the rest.
  const lastCommitted = await book.lastCommitted();
  const lastFinal = await book.lastFinal();
  const totalPaid = await book.totalPaid();
  const committed = await book.committedEpochs();
  const finalized = await book.finalizedEpochs();
  return {
    record,
    ...{ committed, finalized, lastCommitted, lastFinal, totalPaid },
    newestHash: lastCommitted === 0n ? null : await book.headerHashOf(lastCommitted),
    tokens: BigInt(record.token) === 0n ? null : await readTokens(chain, book),
  };
}

async function readTokens(chain: Chain, book: Book): Promise<ChainTokens> {
  const finalSections = {} as Record<Section, ChainTokens["finalSections"][Section]>;
  for (const section of SECTIONS) finalSections[section] = await book.finalSection(section);
  const symbol: string = await contractAt(chain, "TST", book.record.token).getFunction("symbol")();
  return { asset: symbol, finalSections, custody: await book.custody() };
}

/**
 * Which contracts belong to a registry is the registry's own word.
 * @param fromBlock a hint where the events begin; a wrong one shows as missing epochs
 */
export async function recordOf(chain: Chain, registry: string, fromBlock: number): Promise<DeploymentRecord> {
  if ((await chain.provider.getCode(registry)) === "0x")
    throw new Error(`there is no contract at ${registry}`);
  const contract = contractAt(chain, "SettlementRegistry", registry);
  const custodians = {} as DeploymentRecord["custodians"];
  for (const [number, section] of SECTIONS.entries())
    custodians[section] = (await contract.getFunction("custodianOf")(number)) as string;
  return {
    chain_id: Number(chain.chainId),
    token: (await contract.getFunction("token")()) as string,
    registry,
    custodians,
    deployed_block: fromBlock,
  };
}
