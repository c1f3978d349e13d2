/**
 * Typed access to one book's contracts: calldata for the settlement job, reads
 * and logs for everyone else. No decision is taken here; whoever calls knows
 * what an answer means.
 */
import { type Contract, type Log, toBeHex, zeroPadValue } from "ethers";
import type { Chain } from "./connect-chain.ts";
import { contractArtifact } from "./contract-artifacts.ts";
import {
  contractAt,
  custodianAt,
  type DeploymentRecord,
  SECTION_NAMES,
  type SectionName,
} from "./deployment.ts";
import {
  type ChainHeader,
  type ChainLeaf,
  type ChainNode,
  type ChainSection,
  type DecodedHeader,
  fromDecodedHeader,
  type HexText,
  headerTuple,
  leafTuple,
  lowerHex,
  nodeTuples,
} from "./header-codec.ts";

export interface MinedAt {
  readonly txHash: HexText;
  readonly blockNumber: number;
  readonly blockHash: HexText;
}

export interface CommittedEpoch extends MinedAt {
  readonly epoch: bigint;
  readonly headerHash: HexText;
  readonly header: ChainHeader;
}

export interface FinalizedEpoch extends MinedAt {
  readonly epoch: bigint;
  readonly headerHash: HexText;
}

/** Base units that each custodian holds. */
export interface Custody {
  readonly vault: bigint;
  readonly escrow: bigint;
  readonly staking: bigint;
  readonly reserve: bigint;
  readonly total: bigint;
}

export interface BlockRange {
  fromBlock: number;
  toBlock: number | "latest";
}

const registryAbi = () => contractArtifact("SettlementRegistry").abi;

/** Calldata of `commit(previousHeader, header)`; the predecessor of epoch 1 is `NO_HEADER`. */
export function commitCalldata(previousHeader: ChainHeader, header: ChainHeader): HexText {
  const data = registryAbi().encodeFunctionData("commit", [headerTuple(previousHeader), headerTuple(header)]);
  return lowerHex(data);
}

/** Calldata of `finalize(header, signatures)`. */
export function finalizeCalldata(header: ChainHeader, signatures: readonly HexText[] = []): HexText {
  return lowerHex(registryAbi().encodeFunctionData("finalize", [headerTuple(header), signatures]));
}

/** Calldata of the vault's `claim(header, leaf, siblings)`: against a final epoch in the ring, by the leaf's owner. */
export function claimCalldata(header: ChainHeader, leaf: ChainLeaf, siblings: readonly ChainNode[]): HexText {
  const args = [headerTuple(header), leafTuple(leaf), nodeTuples(siblings)];
  return lowerHex(contractArtifact("SettlementVault").abi.encodeFunctionData("claim", args));
}

/** Calldata of the vault's `claimNewest(leaf, siblings)`: against the newest final epoch, by anyone. */
export function claimNewestCalldata(leaf: ChainLeaf, siblings: readonly ChainNode[]): HexText {
  const args = [leafTuple(leaf), nodeTuples(siblings)];
  return lowerHex(contractArtifact("SettlementVault").abi.encodeFunctionData("claimNewest", args));
}

/** The EpochCommitted event of a log, or null where the log is another event. */
export function decodeCommitted(log: LogLike): CommittedEpoch | null {
  const event = registryAbi().parseLog(log);
  if (event?.name !== "EpochCommitted") return null;
  return {
    epoch: event.args.epoch as bigint,
    headerHash: lowerHex(event.args.headerHash as string),
    header: fromDecodedHeader(event.args.header as DecodedHeader),
    ...minedAt(log),
  };
}

/** The EpochFinalized event of a log, or null where the log is another event. */
export function decodeFinalized(log: LogLike): FinalizedEpoch | null {
  const event = registryAbi().parseLog(log);
  if (event?.name !== "EpochFinalized") return null;
  return {
    epoch: event.args.epoch as bigint,
    headerHash: lowerHex(event.args.headerHash as string),
    ...minedAt(log),
  };
}

type LogLike = Pick<Log, "topics" | "data" | "transactionHash" | "blockNumber" | "blockHash">;

function minedAt(log: LogLike): MinedAt {
  return {
    txHash: lowerHex(log.transactionHash),
    blockNumber: log.blockNumber,
    blockHash: lowerHex(log.blockHash),
  };
}

/** One book on one chain. Every method asks the chain anew; none caches. */
export class Book {
  readonly record: DeploymentRecord;
  readonly #chain: Chain;
  readonly #registry: Contract;
  readonly #at: number | "latest";

  /** @param at a block: state and logs are read as of it, so that all answers fit together; the node must still have it */
  constructor(chain: Chain, record: DeploymentRecord, at: number | "latest" = "latest") {
    this.record = record;
    this.#chain = chain;
    this.#at = at;
    this.#registry = contractAt(chain, "SettlementRegistry", record.registry);
  }

  lastCommitted(): Promise<bigint> {
    return this.#registry.getFunction("lastCommitted")(this.#asOf);
  }

  lastFinal(): Promise<bigint> {
    return this.#registry.getFunction("lastFinal")(this.#asOf);
  }

  paused(): Promise<boolean> {
    return this.#registry.getFunction("paused")(this.#asOf);
  }

  /** Base units ever paid out by claims. */
  totalPaid(): Promise<bigint> {
    return this.#registry.getFunction("totalPaid")(this.#asOf);
  }

  /** The hash anchored for an epoch; null where it is not committed or older than the last 1,024. */
  async headerHashOf(epoch: bigint): Promise<HexText | null> {
    const hash = (await this.#registry.getFunction("headerHashOf")(epoch, this.#asOf)) as string;
    return BigInt(hash) === 0n ? null : lowerHex(hash);
  }

  /** The commit that stands for an epoch, with the header from its event; null where there is none. */
  async readCommitted(epoch: bigint): Promise<CommittedEpoch | null> {
    if (epoch > (await this.lastCommitted())) return null;
    const logs = await this.#logs("EpochCommitted", this.#whole(), epoch);
    const last = logs.at(-1);
    return last ? decodeCommitted(last) : null;
  }

  /** Where an epoch became final; null where it has not. */
  async readFinalized(epoch: bigint): Promise<FinalizedEpoch | null> {
    if (epoch > (await this.lastFinal())) return null;
    const logs = await this.#logs("EpochFinalized", this.#whole(), epoch);
    const last = logs.at(-1);
    return last ? decodeFinalized(last) : null;
  }

  /** All commits in a range of blocks, oldest first; by default since the deployment. */
  async committedEpochs(range: BlockRange = this.#whole()): Promise<CommittedEpoch[]> {
    const logs = await this.#logs("EpochCommitted", range);
    return logs.map(decodeCommitted).filter((epoch) => epoch !== null);
  }

  /** All finalizations in a range of blocks, oldest first; by default since the deployment. */
  async finalizedEpochs(range: BlockRange = this.#whole()): Promise<FinalizedEpoch[]> {
    const logs = await this.#logs("EpochFinalized", range);
    return logs.map(decodeFinalized).filter((epoch) => epoch !== null);
  }

  /** The registry's answer for any epoch in its ring, final or not. */
  verifyIn(
    header: ChainHeader,
    section: SectionName,
    leaf: ChainLeaf,
    siblings: readonly ChainNode[],
  ): Promise<boolean> {
    return this.#registry.getFunction("verifyIn")(
      headerTuple(header),
      SECTION_NAMES.indexOf(section),
      leafTuple(leaf),
      nodeTuples(siblings),
      this.#asOf,
    );
  }

  /** The custodian's answer against its last final root. */
  verify(section: SectionName, leaf: ChainLeaf, siblings: readonly ChainNode[]): Promise<boolean> {
    const custodian = custodianAt(this.#chain, this.record, section);
    return custodian.getFunction("verify")(
      SECTION_NAMES.indexOf(section),
      leafTuple(leaf),
      nodeTuples(siblings),
      this.#asOf,
    );
  }

  /** A section as of its last final epoch (0 before the first). */
  async finalSection(section: SectionName): Promise<ChainSection & { epoch: bigint }> {
    const custodian = custodianAt(this.#chain, this.record, section);
    const [state, epoch] = (await custodian.getFunction("finalSection")(
      SECTION_NAMES.indexOf(section),
      this.#asOf,
    )) as [{ root: string; sum: bigint; count: bigint }, bigint];
    return { root: lowerHex(state.root), sum: state.sum, count: state.count, epoch };
  }

  /** What the custodians hold, read at one block so that a netting in between cannot distort the total. */
  async custody(): Promise<Custody> {
    const blockTag = this.#at === "latest" ? await this.#chain.provider.getBlockNumber() : this.#at;
    const { balances, locks, stakes, compute } = this.record.custodians;
    const token = contractAt(this.#chain, "TST", this.record.token);
    const balanceOf = (address: string): Promise<bigint> =>
      token.getFunction("balanceOf")(address, { blockTag });
    const [vault, escrow, staking, reserve] = await Promise.all([
      balanceOf(balances),
      balanceOf(locks),
      balanceOf(stakes),
      balanceOf(compute),
    ]);
    return { vault, escrow, staking, reserve, total: vault + escrow + staking + reserve };
  }

  get #asOf(): { blockTag: number | "latest" } {
    return { blockTag: this.#at };
  }

  #whole(): BlockRange {
    return { fromBlock: this.record.deployed_block, toBlock: this.#at };
  }

  async #logs(event: string, range: BlockRange, epoch?: bigint): Promise<Log[]> {
    const topic = registryAbi().getEvent(event)?.topicHash;
    if (topic === undefined) throw new Error(`the registry has no event ${event}`);
    const topics = epoch === undefined ? [topic] : [topic, zeroPadValue(toBeHex(epoch), 32)];
    return this.#chain.provider.getLogs({ address: this.record.registry, topics, ...range });
  }
}
