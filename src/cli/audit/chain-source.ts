/** What the chain says of a book: its events, its latest state, its custodians. Logs and latest state are enough. */
import {
  Book,
  type Chain,
  type CommittedEpoch,
  type Custody,
  contractAt,
  type DeploymentRecord,
  type FinalizedEpoch,
} from "#infra";
import { SECTIONS, type Section } from "#proof";

export interface ChainBook {
  readonly record: DeploymentRecord;
  /** The token's symbol: the asset's code in the journal. */
  readonly asset: string;
  readonly committed: readonly CommittedEpoch[];
  readonly finalized: readonly FinalizedEpoch[];
  readonly lastCommitted: bigint;
  readonly lastFinal: bigint;
  /** The registry's own hash of the newest epoch; null before the first. */
  readonly newestHash: string | null;
  readonly totalPaid: bigint;
  readonly custody: Custody;
  readonly finalSections: Readonly<
    Record<Section, { root: string; sum: bigint; count: bigint; epoch: bigint }>
  >;
}

/** @param fromBlock a hint where the events begin; a wrong one shows as missing epochs */
export async function readChainBook(chain: Chain, registry: string, fromBlock: number): Promise<ChainBook> {
  const record = await recordOf(chain, registry, fromBlock);
  const book = new Book(chain, record);
  const lastCommitted = await book.lastCommitted();
  const finalSections = {} as Record<Section, ChainBook["finalSections"][Section]>;
  for (const section of SECTIONS) finalSections[section] = await book.finalSection(section);
  const token = contractAt(chain, "TST", record.token);
  return {
    record,
    asset: (await token.getFunction("symbol")()) as string,
    committed: await book.committedEpochs(),
    finalized: await book.finalizedEpochs(),
    lastCommitted,
    lastFinal: await book.lastFinal(),
    newestHash: lastCommitted === 0n ? null : await book.headerHashOf(lastCommitted),
    totalPaid: await book.totalPaid(),
    custody: await book.custody(),
    finalSections,
  };
}

/** Which contracts belong to a registry is the registry's own word. */
async function recordOf(chain: Chain, registry: string, fromBlock: number): Promise<DeploymentRecord> {
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
