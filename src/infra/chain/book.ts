/**
 * Typed reads of one book's contracts and logs. No decision is taken here;
 * whoever calls knows what an answer means.
 */
import { type Contract, type Log, toBeHex, zeroPadValue } from "ethers";
import {
  type CommittedEpoch,
  decodeCommitted,
  decodeFinalized,
  decodeVetoed,
  type FinalizedEpoch,
  type VetoedEpoch,
} from "./book-codec.ts";
import type { Chain } from "./connect-chain.ts";
import { contractArtifact } from "./contract-artifacts.ts";
import {
  contractAt,
  custodianAt,
  type DeploymentRecord,
  SECTION_NAMES,
  type SectionName,
} from "./deployment.ts";
import type { FinalSection } from "./final-section.ts";
import {
  type ChainHeader,
  type ChainLeaf,
  type ChainNode,
  type HexText,
  headerTuple,
  leafTuple,
  lowerHex,
  nodeTuples,
} from "./header-codec.ts";

/** What an epoch needs to become final. */
export interface FinalityRules {
  /** Seconds between a commit's block and its finalize. */
  readonly windowSeconds: number;
  /** Signatures of attesters. */
  readonly threshold: number;
  /** Lower case, ascending. */
  readonly attesters: readonly HexText[];
}

/** What stands against a position; `demandedAt` 0: nothing. */
export interface PositionDemand {
  readonly key: HexText;
  readonly demandedAt: bigint;
  readonly due: bigint;
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

  /** Asked anew each time: attesters and threshold can change. */
  async rules(): Promise<FinalityRules> {
    const ask = (name: string) => this.#registry.getFunction(name)(this.#asOf);
    const [window, threshold, attesters] = (await Promise.all([
      ask("challengeWindow"),
      ask("threshold"),
      ask("attesters"),
    ])) as [bigint, bigint, string[]];
    return {
      windowSeconds: Number(window),
      threshold: Number(threshold),
      attesters: [...attesters].map(lowerHex).sort(),
    };
  }

  /** Unix seconds of the block that committed an epoch; null where it is not committed or has left the ring. */
  async committedAt(epoch: bigint): Promise<number | null> {
    const time = (await this.#registry.getFunction("committedAt")(epoch, this.#asOf)) as bigint;
    return time === 0n ? null : Number(time);
  }

  /** Whether a header was vetoed or shown to be false. */
  isVetoed(headerHash: HexText): Promise<boolean> {
    return this.#registry.getFunction("vetoed")(headerHash, this.#asOf);
  }

  /** Where a header was vetoed; null where it was not. @param fromBlock no earlier block is looked at */
  async readVetoed(epoch: bigint, headerHash: HexText, fromBlock?: number): Promise<VetoedEpoch | null> {
    const range = { ...this.#whole(), ...(fromBlock !== undefined && { fromBlock }) };
    const found = (await this.#logs("EpochVetoed", range, epoch)).map(decodeVetoed);
    return found.findLast((veto) => veto?.headerHash === headerHash) ?? null;
  }

  /** The demand that stands against a position. */
  async demandOf(section: SectionName, index: bigint): Promise<PositionDemand> {
    const custodian = custodianAt(this.#chain, this.record, section);
    const [key, demandedAt, due] = (await custodian.getFunction("demandOf")(
      SECTION_NAMES.indexOf(section),
      index,
      this.#asOf,
    )) as [string, bigint, bigint];
    return { key: lowerHex(key), demandedAt, due };
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

  /** Where an epoch became final; null where it has not. @param fromBlock no earlier block is looked at */
  async readFinalized(epoch: bigint, fromBlock?: number): Promise<FinalizedEpoch | null> {
    if (epoch > (await this.lastFinal())) return null;
    const range = { ...this.#whole(), ...(fromBlock !== undefined && { fromBlock }) };
    const logs = await this.#logs("EpochFinalized", range, epoch);
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

  /** What the custodian keeps of a section in the last final epoch: compare it with `finalSectionOf`. */
  async finalSection(section: SectionName): Promise<FinalSection> {
    const custodian = custodianAt(this.#chain, this.record, section);
    const [fingerprint, count] = (await custodian.getFunction("finalSection")(
      SECTION_NAMES.indexOf(section),
      this.#asOf,
    )) as [string, bigint];
    return { fingerprint: lowerHex(fingerprint), count };
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
