/**
 * Building a whole sum tree at once, in runs of leaves that need not be hashed by
 * one thread: the tree's memory is shared, and each run writes the nodes above its
 * own leaves and no others. Leaves come as bytes, because turning a million of
 * them into objects and back costs more than hashing them.
 */
import type { Hex } from "./bytes.ts";
import { encodeLeaf, LEAF_BYTES, LEAF_RECORD, LEAF_RECORD_BYTES, type Leaf } from "./leaf.ts";
import { hashLeafRecords } from "./leaf-batch.ts";
import { missingRecord, NodeLevel, RECORD_WORDS } from "./node-level.ts";
import { depthOf, levelLength } from "./tree-shape.ts";

const DOMAIN_END = LEAF_BYTES - LEAF_RECORD_BYTES;

/** Leaves of a run; a power of two, so that no node stands above leaves of two runs before all runs are done. */
export const RUN_LEAVES = 2 ** 14;
const RUN_DEPTH = 14;

/** The memory of a tree: one buffer a level, leaves first. */
export interface TreeMemory {
  readonly count: number;
  readonly levels: readonly SharedArrayBuffer[];
}

export interface LeafRun {
  readonly domain: Hex;
  /** Of the run's first leaf; a multiple of RUN_LEAVES. */
  readonly first: number;
  readonly records: Uint8Array;
}

export function allocateTree(count: number): TreeMemory {
  const heights = Array.from({ length: depthOf(count) + 1 }, (_, height) => height);
  const bytes = (height: number) => levelLength(count, height) * RECORD_WORDS * Uint32Array.BYTES_PER_ELEMENT;
  return { count, levels: heights.map((height) => new SharedArrayBuffer(bytes(height))) };
}

/** Memory of the same contents, which nobody else writes. */
export function copyTree({ count, levels }: TreeMemory): TreeMemory {
  const copies = levels.map((level) => {
    const copy = new SharedArrayBuffer(level.byteLength);
    new Uint8Array(copy).set(new Uint8Array(level));
    return copy;
  });
  return { count, levels: copies };
}

export function levelsOf({ count, levels }: TreeMemory): NodeLevel[] {
  return levels.map((buffer, height) => new NodeLevel(new Uint32Array(buffer), levelLength(count, height)));
}

/** Writes `leaf` as a record. @throws FormatError for a value that does not fit */
export function writeLeafRecord(target: Uint8Array, offset: number, domain: Hex, leaf: Leaf): void {
  target.set(encodeLeaf(domain, leaf).subarray(DOMAIN_END), offset);
}

/** Hashes the leaves of a run and the nodes above them alone. @throws FormatError where a sum reaches 2^128 */
export function hashRun(levels: readonly NodeLevel[], { domain, first, records }: LeafRun): void {
  const count = hashLeaves(levels[0] as NodeLevel, { domain, first, records });
  joinLevels(levels, { first, end: first + count, from: 1, to: Math.min(RUN_DEPTH, levels.length - 1) });
}

/** Leaves alone, in the order of their records. */
export function hashRecords(domain: Hex, records: Uint8Array): NodeLevel {
  const leaves = new NodeLevel();
  leaves.setLength(records.length / LEAF_RECORD_BYTES);
  hashLeaves(leaves, { domain, first: 0, records });
  return leaves;
}

/** @returns how many */
function hashLeaves(leaves: NodeLevel, { domain, first, records }: LeafRun): number {
  hashLeafRecords(domain, records, (place, hash) => {
    const at = place * LEAF_RECORD_BYTES + LEAF_RECORD.amount;
    leaves.setLeafBytes(first + place, hash, { bytes: records, at });
  });
  return records.length / LEAF_RECORD_BYTES;
}

/** The nodes above all runs. @throws FormatError where a sum reaches 2^128 */
export function hashTop(levels: readonly NodeLevel[]): void {
  const end = (levels[0] as NodeLevel).length;
  joinLevels(levels, { first: 0, end, from: RUN_DEPTH + 1, to: levels.length - 1 });
}

function joinLevels(
  levels: readonly NodeLevel[],
  { first, end, from, to }: { first: number; end: number; from: number; to: number },
): void {
  for (let height = from; height <= to; height++) {
    const [level, below] = [levels[height] as NodeLevel, levels[height - 1] as NodeLevel];
    const missing = missingRecord(height - 1);
    const width = 2 ** height;
    const from = Math.floor(first / width);
    level.join(Math.ceil(end / width) - from, (place) => from + place, below, missing);
  }
}
