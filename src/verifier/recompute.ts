/**
 * The way from a position to its header, one step after the other, for whoever
 * wants to see it and not only hear the verdict. It judges nothing: what it
 * shows is compared with the header by `verifyProof`.
 */
import {
  encodeLeaf,
  FormatError,
  type Hex,
  headerHash,
  joinNodes,
  keccak256,
  leafDomain,
  type ProofDocument,
  positionKey,
  type SumNode,
  toHex,
} from "#proof";

/** Two children and what they hash to. */
export interface RecomputedLevel {
  /** 0 are the leaves. */
  readonly level: number;
  /** Where the sibling stands. */
  readonly sibling: "left" | "right";
  readonly left: SumNode;
  readonly right: SumNode;
  /** Null where the two sums overflow 128 bits: then there is no such node, and nothing above it. */
  readonly parent: SumNode | null;
}

export interface Recomputation {
  readonly domain: Hex;
  /** The 125 bytes that the leaf's hash is of. */
  readonly leafBytes: Hex;
  /** The leaf as a node: its hash and its amount. */
  readonly leaf: SumNode;
  /** From the leaves up. */
  readonly levels: readonly RecomputedLevel[];
  /** Where it leads; null after an overflow. */
  readonly root: SumNode | null;
  readonly headerHash: Hex;
  /** What salt and ids hash to, where the document has them. */
  readonly key: Hex | null;
}

export function recomputeProof(proof: ProofDocument): Recomputation {
  const { chainId, custodian, asset, section, leaf, opening } = proof;
  const domain = leafDomain({ chainId, custodian, token: asset, section });
  const bytes = encodeLeaf(domain, leaf);
  const node = { hash: toHex(keccak256(bytes)), sum: leaf.amount };
  const levels = recomputeLevels(node, proof);
  const last = levels.at(-1);
  return {
    domain,
    leafBytes: toHex(bytes),
    leaf: node,
    levels,
    root: last ? last.parent : node,
    headerHash: headerHash(proof.header),
    key: opening ? positionKey(opening) : null,
  };
}

function recomputeLevels(leaf: SumNode, { leaf: { index }, siblings }: ProofDocument): RecomputedLevel[] {
  const levels: RecomputedLevel[] = [];
  let node: SumNode | null = leaf;
  let position = index;
  for (const [level, sibling] of siblings.entries()) {
    if (!node) break;
    const isLeft: boolean = (position & 1n) === 1n;
    const [left, right]: [SumNode, SumNode] = isLeft ? [sibling, node] : [node, sibling];
    node = joined(left, right);
    levels.push({ level, sibling: isLeft ? "left" : "right", left, right, parent: node });
    position >>= 1n;
  }
  return levels;
}

function joined(left: SumNode, right: SumNode): SumNode | null {
  try {
    return joinNodes(left, right);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
