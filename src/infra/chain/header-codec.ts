/**
 * Between plain header objects and the registry's tuples. The shapes mirror the
 * Solidity structs in camelCase; hashing and checking headers is not done here.
 */
import { getAddress } from "ethers";

export type HexText = `0x${string}`;

export interface ChainSection {
  readonly root: HexText;
  readonly sum: bigint;
  readonly count: bigint;
}

export interface ChainHeader {
  readonly version: number;
  readonly chainId: bigint;
  /** Lower-case where decoded; any case where encoded. */
  readonly registry: HexText;
  readonly epoch: bigint;
  readonly previous: HexText;
  /** balances, locks, stakes, compute, payouts */
  readonly sections: readonly ChainSection[];
  readonly journalRoot: HexText;
  readonly journalSize: bigint;
  readonly depositSeq: bigint;
  readonly dataHash: HexText;
  /** Unix seconds. */
  readonly closedAt: bigint;
}

export interface ChainLeaf {
  readonly index: bigint;
  readonly owner: HexText;
  readonly key: HexText;
  readonly amount: bigint;
  readonly validUntil: bigint;
  readonly kind: number;
  readonly quantity: number;
}

export interface ChainNode {
  readonly hash: HexText;
  readonly sum: bigint;
}

const ZERO_WORD: HexText = `0x${"00".repeat(32)}`;
const ZERO_ADDRESS: HexText = `0x${"00".repeat(20)}`;
const EMPTY_SECTION: ChainSection = { root: ZERO_WORD, sum: 0n, count: 0n };

/** What `commit` takes as the predecessor of the first epoch: every word zero. */
export const NO_HEADER: ChainHeader = {
  version: 0,
  chainId: 0n,
  registry: ZERO_ADDRESS,
  epoch: 0n,
  previous: ZERO_WORD,
  sections: [EMPTY_SECTION, EMPTY_SECTION, EMPTY_SECTION, EMPTY_SECTION, EMPTY_SECTION],
  journalRoot: ZERO_WORD,
  journalSize: 0n,
  depositSeq: 0n,
  dataHash: ZERO_WORD,
  closedAt: 0n,
};

/** The header as ethers wants a tuple: values in the struct's order. */
export function headerTuple(header: ChainHeader): unknown[] {
  return [
    header.version,
    header.chainId,
    getAddress(header.registry.toLowerCase()),
    header.epoch,
    header.previous,
    header.sections.map(({ root, sum, count }) => [root, sum, count]),
    header.journalRoot,
    header.journalSize,
    header.depositSeq,
    header.dataHash,
    header.closedAt,
  ];
}

export function leafTuple(leaf: ChainLeaf): unknown[] {
  return [
    leaf.index,
    getAddress(leaf.owner.toLowerCase()),
    leaf.key,
    leaf.amount,
    leaf.validUntil,
    leaf.kind,
    leaf.quantity,
  ];
}

export function nodeTuples(siblings: readonly ChainNode[]): unknown[][] {
  return siblings.map(({ hash, sum }) => [hash, sum]);
}

/** What ethers decodes a header tuple to. */
export interface DecodedHeader {
  version: bigint;
  chainId: bigint;
  registry: string;
  epoch: bigint;
  previous: string;
  sections: { root: string; sum: bigint; count: bigint }[];
  journalRoot: string;
  journalSize: bigint;
  depositSeq: bigint;
  dataHash: string;
  closedAt: bigint;
}

export function fromDecodedHeader(decoded: DecodedHeader): ChainHeader {
  return {
    version: Number(decoded.version),
    chainId: decoded.chainId,
    registry: lowerHex(decoded.registry),
    epoch: decoded.epoch,
    previous: lowerHex(decoded.previous),
    sections: decoded.sections.map(({ root, sum, count }) => ({ root: lowerHex(root), sum, count })),
    journalRoot: lowerHex(decoded.journalRoot),
    journalSize: decoded.journalSize,
    depositSeq: decoded.depositSeq,
    dataHash: lowerHex(decoded.dataHash),
    closedAt: decoded.closedAt,
  };
}

export function lowerHex(text: string): HexText {
  return text.toLowerCase() as HexText;
}
