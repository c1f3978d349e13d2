/**
 * Nodes of the sum tree and the fold of a proof up to its root, with the rules
 * that make a proof sound: both children's hashes and sums are committed, a sum
 * that reaches 2^128 is an error, and the depth follows from the count alone.
 */
import { type Hex, toHex, U128_LIMIT, writeHex, writeU128, ZERO_WORD } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { keccak256 } from "./hash.ts";

export interface SumNode {
  readonly hash: Hex;
  /** u128, base units. */
  readonly sum: bigint;
}

export const NODE_BYTES = 97;

/** A missing leaf, and the root of an empty section. */
export const EMPTY_NODE: SumNode = { hash: ZERO_WORD, sum: 0n };

/** The message of one node at a time. */
const message = Uint8Array.of(1, ...new Uint8Array(NODE_BYTES - 1));
const messageView = new DataView(message.buffer);

/** keccak256(0x01 ‖ left.hash ‖ left.sum ‖ right.hash ‖ right.sum), sum = left.sum + right.sum. */
export function joinNodes(left: SumNode, right: SumNode): SumNode {
  writeHex(message, 1, left.hash, 32, "left.hash");
  writeU128(messageView, 33, left.sum, "left.sum");
  writeHex(message, 49, right.hash, 32, "right.hash");
  writeU128(messageView, 81, right.sum, "right.sum");
  const sum = left.sum + right.sum;
  if (sum >= U128_LIMIT) throw new FormatError("sum", "overflows 128 bits");
  return { hash: toHex(keccak256(message)), sum };
}

/** ceil(log2(count)): the number of siblings of every proof; 0 for one leaf, and for none. */
export function treeDepth(count: bigint): number {
  return count <= 1n ? 0 : (count - 1n).toString(2).length;
}

/**
 * The root that a leaf and its siblings (leaf level first) lead to. The caller
 * compares index with count and the number of siblings with the depth.
 */
export function foldProof(leaf: SumNode, index: bigint, siblings: readonly SumNode[]): SumNode {
  let node = leaf;
  let position = index;
  for (const sibling of siblings) {
    node = (position & 1n) === 1n ? joinNodes(sibling, node) : joinNodes(node, sibling);
    position >>= 1n;
  }
  return node;
}
