/** A book's calldata and events, to and from plain values. Nothing is asked of a chain here. */
import type { Log } from "ethers";
import { contractArtifact } from "./contract-artifacts.ts";
import { SECTION_NAMES, type SectionName } from "./deployment.ts";
import {
  type ChainHeader,
  type ChainLeaf,
  type ChainNode,
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

export interface VetoedEpoch extends MinedAt {
  readonly epoch: bigint;
  readonly headerHash: HexText;
  /** Who vetoed it, or showed that it is false. */
  readonly by: HexText;
  /** Whether by a proof. */
  readonly proven: boolean;
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

/** Calldata of the vault's `claim(epoch, leaf, siblings)`: by anyone while the payouts are the newest final ones. */
export function claimCalldata(epoch: bigint, leaf: ChainLeaf, siblings: readonly ChainNode[]): HexText {
  const args = [epoch, leafTuple(leaf), nodeTuples(siblings)];
  return lowerHex(contractArtifact("SettlementVault").abi.encodeFunctionData("claim", args));
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

/** The EpochVetoed event of a log, or null where the log is another event. */
export function decodeVetoed(log: LogLike): VetoedEpoch | null {
  const event = registryAbi().parseLog(log);
  if (event?.name !== "EpochVetoed") return null;
  return {
    epoch: event.args.epoch as bigint,
    headerHash: lowerHex(event.args.headerHash as string),
    by: lowerHex(event.args.by as string),
    proven: event.args.proven as boolean,
    ...minedAt(log),
  };
}

/** Calldata of a custodian's `serve(section, header, leaf, siblings)`. */
export function serveCalldata(
  section: SectionName,
  header: ChainHeader,
  leaf: ChainLeaf,
  siblings: readonly ChainNode[],
): HexText {
  const { abi } = contractArtifact("SettlementVault");
  const values = [SECTION_NAMES.indexOf(section), headerTuple(header), leafTuple(leaf), nodeTuples(siblings)];
  return lowerHex(abi.encodeFunctionData("serve", values));
}

type LogLike = Pick<Log, "topics" | "data" | "transactionHash" | "blockNumber" | "blockHash">;

function minedAt(log: LogLike): MinedAt {
  return {
    txHash: lowerHex(log.transactionHash),
    blockNumber: log.blockNumber,
    blockHash: lowerHex(log.blockHash),
  };
}
