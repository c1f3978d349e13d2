/**
 * The settlement format once more, worked out with ethers alone and written for
 * reading, not for speed. It shares nothing with `src/proof`, so that a proof both
 * agree on was computed twice.
 */
import { AbiCoder, id, keccak256, solidityPackedKeccak256, ZeroHash } from "ethers";
import type { ChainHeader, ChainLeaf, ChainNode, ChainSection, DeploymentRecord } from "#infra";

type SectionName = keyof DeploymentRecord["custodians"];

export interface PlainTree {
  section: ChainSection;
  /** Siblings of the leaf at an index, leaf level first. */
  proof(index: number): ChainNode[];
}

export function plainDomain(record: DeploymentRecord, section: SectionName): string {
  const types = ["bytes32", "uint256", "address", "address", "bytes32"];
  const parts = [
    id("anchorbook.leaf.v1"),
    record.chain_id,
    record.custodians[section],
    record.token,
    id(section),
  ];
  return keccak256(AbiCoder.defaultAbiCoder().encode(types, parts));
}

export function plainTree(domain: string, leaves: readonly ChainLeaf[]): PlainTree {
  const count = BigInt(leaves.length);
  let level: ChainNode[] = leaves.map((leaf) => ({ hash: leafHash(domain, leaf), sum: leaf.amount }));
  while (!Number.isInteger(Math.log2(Math.max(level.length, 1))))
    level.push({ hash: ZeroHash as never, sum: 0n });
  const levels = [level];
  while (level.length > 1) {
    const parents: ChainNode[] = [];
    for (let i = 0; i < level.length; i += 2)
      parents.push(join(level[i] as ChainNode, level[i + 1] as ChainNode));
    levels.push(parents);
    level = parents;
  }
  const root = level[0] ?? { hash: ZeroHash as never, sum: 0n };
  return {
    section: { root: root.hash, sum: root.sum, count },
    proof: (index) => levels.slice(0, -1).map((nodes, depth) => nodes[(index >> depth) ^ 1] as ChainNode),
  };
}

export function plainLeaf(index: number, amount: bigint, more: Partial<ChainLeaf> = {}): ChainLeaf {
  const owner = `0x${"00".repeat(20)}` as const;
  const key = id(`position ${index}`) as `0x${string}`;
  return { index: BigInt(index), owner, key, amount, validUntil: 0n, kind: 0, quantity: 0, ...more };
}

export function plainHeaderHash(header: ChainHeader): string {
  const section = "tuple(bytes32 root, uint128 sum, uint64 count)";
  const type = `tuple(uint32 version, uint256 chainId, address registry, uint64 epoch, bytes32 previous,
    ${section}[5] sections, bytes32 journalRoot, uint64 journalSize, uint64 depositSeq, bytes32 dataHash,
    uint64 closedAt)`;
  return keccak256(AbiCoder.defaultAbiCoder().encode([type], [header]));
}

function leafHash(domain: string, leaf: ChainLeaf): `0x${string}` {
  const types = ["uint8", "bytes32", "uint64", "address", "bytes32", "uint128", "uint64", "uint32", "uint32"];
  const { index, owner, key, amount, validUntil, kind, quantity } = leaf;
  const values = [0, domain, index, owner, key, amount, validUntil, kind, quantity];
  return solidityPackedKeccak256(types, values) as `0x${string}`;
}

function join(left: ChainNode, right: ChainNode): ChainNode {
  const types = ["uint8", "bytes32", "uint128", "bytes32", "uint128"];
  const hash = solidityPackedKeccak256(types, [1, left.hash, left.sum, right.hash, right.sum]);
  return { hash: hash as `0x${string}`, sum: left.sum + right.sum };
}
