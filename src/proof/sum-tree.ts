/**
 * The sum tree of one section, in memory: 96 bytes a leaf, each change costs in
 * proportion to the leaves changed times the depth, and the last states stay
 * readable, because each change keeps the nodes that it overwrote.
 *
 * It is a cache: everything in it can be computed again from the leaves. Load
 * them once (`load`), then `apply` each epoch's changed leaves; `at(epoch)` gives
 * root, sum, count and proofs of any state still kept; `rollback` takes the
 * newest epoch back (a database transaction that failed, a veto). A call that
 * throws leaves the tree as it was.
 */
import { type Hex, toSafeInteger } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { type Leaf, leafHasher } from "./leaf.ts";
import { missingNode, missingRecord, NodeLevel, nodeOfRecord } from "./node-level.ts";
import { EMPTY_NODE, type SumNode } from "./sum-node.ts";
import { restoreNodes, savedAt, saveNodes, type TreeUndo, undoBytes } from "./tree-undo.ts";

/** Node indexes are 32-bit words. */
const MAX_LEAVES = 2 ** 31;

export interface SumTreeOptions {
  /** The epoch of the state that the tree starts with; 0 (the default) is the empty state before the first. */
  readonly epoch?: bigint;
  /** How many states before the newest stay readable; at least one does. */
  readonly keepStates?: number;
  /** Older states are dropped earlier where what they keep exceeds this many bytes. */
  readonly keepBytes?: number;
}

/** One state of the tree. Read it before the next change: it is a window, not a copy. */
export interface TreeView {
  readonly epoch: bigint;
  readonly count: bigint;
  readonly root: Hex;
  readonly sum: bigint;
  /** Hash and amount of the leaf at `index`. */
  leaf(index: bigint): SumNode;
  /** Siblings, leaf level first; throws FormatError for an index outside the count. */
  proof(index: bigint): SumNode[];
}

interface State {
  readonly epoch: bigint;
  /** Leads from this state back to the one before it. */
  readonly undo: TreeUndo;
}

export class SumTree {
  readonly domain: Hex;
  readonly #hash: (leaf: Leaf) => Uint8Array;
  readonly #keepStates: number;
  readonly #keepBytes: number;
  readonly #levels: NodeLevel[] = [new NodeLevel()];
  #count = 0;
  #baseEpoch: bigint;
  #states: State[] = [];
  #statesBytes = 0;

  constructor(domain: Hex, options: SumTreeOptions = {}) {
    this.domain = domain;
    this.#hash = leafHasher(domain);
    this.#baseEpoch = options.epoch ?? 0n;
    this.#keepStates = options.keepStates ?? 64;
    this.#keepBytes = options.keepBytes ?? 64 * 2 ** 20;
  }

  /** The epoch of the newest state. */
  get epoch(): bigint {
    return this.#states.at(-1)?.epoch ?? this.#baseEpoch;
  }

  /** The oldest epoch that `at` still answers. */
  get oldestEpoch(): bigint {
    return this.#baseEpoch;
  }

  get count(): bigint {
    return BigInt(this.#count);
  }

  /** Bytes held by nodes and by kept states. */
  get allocatedBytes(): number {
    return this.#levels.reduce((total, level) => total + level.allocatedBytes, this.#statesBytes);
  }

  /**
   * Writes leaves into the newest state itself, for filling a tree from storage
   * piece by piece; older states are forgotten.
   * @throws FormatError as `apply`
   */
  load(leaves: readonly Leaf[]): void {
    const epoch = this.epoch;
    this.#write(leaves);
    this.#baseEpoch = epoch;
    this.#states = [];
    this.#statesBytes = 0;
  }

  /**
   * The next epoch's changed leaves, in any order; new indexes continue the
   * count without a gap. No leaves is fine: the state is the same under a new epoch.
   * @throws FormatError for an epoch that is not newer, a gap, an index twice, a value that does not fit, a sum of 2^128
   */
  apply(epoch: bigint, leaves: readonly Leaf[]): TreeView {
    if (epoch <= this.epoch) throw new FormatError("epoch", `must be above ${this.epoch}`);
    const undo = this.#write(leaves);
    this.#states.push({ epoch, undo });
    this.#statesBytes += undoBytes(undo);
    while (this.#states.length > 1 && this.#keepsTooMuch()) this.#dropOldest();
    return this.newest();
  }

  /**
   * Takes the newest epoch back; after an `apply` that works at least once.
   * @returns false where the state before it is no longer kept
   */
  rollback(): boolean {
    const state = this.#states.pop();
    if (!state) return false;
    this.#statesBytes -= undoBytes(state.undo);
    this.#restore(state.undo);
    return true;
  }

  newest(): TreeView {
    return this.#view(this.epoch, this.#count, this.#states.length);
  }

  /** The state of exactly this epoch, or undefined where it is not kept. */
  at(epoch: bigint): TreeView | undefined {
    if (epoch === this.epoch) return this.newest();
    const next = this.#states.findIndex((state) => state.epoch > epoch);
    const stateEpoch = next === 0 ? this.#baseEpoch : this.#states[next - 1]?.epoch;
    const following = this.#states[next];
    if (!following || stateEpoch !== epoch) return undefined;
    return this.#view(epoch, following.undo.count, next);
  }

  #view(epoch: bigint, count: number, firstUndo: number): TreeView {
    const node = (level: number, index: number): SumNode => this.#nodeAt(level, index, count, firstUndo);
    const root = count === 0 ? EMPTY_NODE : node(depthOf(count), 0);
    const inside = (index: bigint): number => {
      if (index < 0n || index >= BigInt(count))
        throw new FormatError("index", `must be below the count ${count}`);
      return toSafeInteger(index, "index");
    };
    return {
      epoch,
      count: BigInt(count),
      root: root.hash,
      sum: root.sum,
      leaf: (index) => node(0, inside(index)),
      proof: (index) => {
        let position = inside(index);
        const siblings: SumNode[] = [];
        for (let level = 0; level < depthOf(count); level++, position >>>= 1)
          siblings.push(node(level, (position ^ 1) >>> 0));
        return siblings;
      },
    };
  }

  /** A node of an older state is what the first later change saved of it, else what stands there now. */
  #nodeAt(level: number, index: number, count: number, firstUndo: number): SumNode {
    if (index >= levelLength(count, level)) return missingNode(level);
    for (let position = firstUndo; position < this.#states.length; position++) {
      const saved = this.#states[position]?.undo.levels[level];
      const offset = saved && savedAt(saved, index);
      if (saved && offset !== undefined) return nodeOfRecord(saved.records, offset);
    }
    return (this.#levels[level] as NodeLevel).node(index);
  }

  #write(leaves: readonly Leaf[]): TreeUndo {
    const sorted = inIndexOrder(leaves);
    const changed = changedIndexes(sorted, this.#count);
    const oldCount = this.#count;
    const newCount = Math.max(oldCount, changed.length === 0 ? 0 : (changed.at(-1) as number) + 1);
    const undo: TreeUndo = { count: oldCount, levels: [] };
    try {
      this.#writeLeaves(sorted, changed, newCount, undo);
      this.#writeNodes(changed, newCount, undo);
    } catch (error) {
      this.#restore(undo);
      throw error;
    }
    this.#count = newCount;
    return undo;
  }

  #writeLeaves(leaves: readonly Leaf[], changed: Uint32Array, newCount: number, undo: TreeUndo): void {
    const level = this.#levels[0] as NodeLevel;
    undo.levels.push(saveNodes(level, changed, this.#count));
    level.setLength(newCount);
    leaves.forEach((leaf, position) => {
      level.setLeaf(changed[position] as number, this.#hash(leaf), leaf.amount);
    });
  }

  /** Level by level, each parent of a changed node once. `dirty` is ascending and shrinks in place. */
  #writeNodes(changed: Uint32Array, newCount: number, undo: TreeUndo): void {
    const depth = depthOf(newCount);
    let dirty = changed;
    for (let height = 1; height <= depth; height++) {
      dirty = parentsOf(dirty);
      const level = this.#levels[height] ?? new NodeLevel();
      this.#levels[height] = level;
      undo.levels.push(saveNodes(level, dirty, levelLength(this.#count, height)));
      level.setLength(levelLength(newCount, height));
      const below = this.#levels[height - 1] as NodeLevel;
      const missing = missingRecord(height - 1);
      for (let position = 0; position < dirty.length; position++)
        level.join(dirty[position] as number, below, missing);
    }
  }

  #restore(undo: TreeUndo): void {
    undo.levels.forEach((saved, height) => {
      restoreNodes(this.#levels[height] as NodeLevel, saved);
    });
    this.#levels.forEach((level, height) => {
      level.setLength(levelLength(undo.count, height));
    });
    this.#count = undo.count;
  }

  #keepsTooMuch(): boolean {
    return this.#states.length > this.#keepStates || this.#statesBytes > this.#keepBytes;
  }

  #dropOldest(): void {
    const oldest = this.#states.shift();
    if (!oldest) return;
    this.#statesBytes -= undoBytes(oldest.undo);
    this.#baseEpoch = oldest.epoch;
  }
}

function depthOf(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}

/** How many nodes of a tree's level stand above real leaves; none above the root. */
function levelLength(count: number, level: number): number {
  return count === 0 || level > depthOf(count) ? 0 : Math.ceil(count / 2 ** level);
}

function inIndexOrder(leaves: readonly Leaf[]): readonly Leaf[] {
  for (let position = 1; position < leaves.length; position++)
    if ((leaves[position] as Leaf).index < (leaves[position - 1] as Leaf).index)
      return leaves.toSorted((left, right) =>
        left.index < right.index ? -1 : left.index > right.index ? 1 : 0,
      );
  return leaves;
}

function changedIndexes(sorted: readonly Leaf[], count: number): Uint32Array {
  const indexes = new Uint32Array(sorted.length);
  let next = count;
  for (let position = 0; position < sorted.length; position++) {
    const { index } = sorted[position] as Leaf;
    if (index < 0n || index >= BigInt(MAX_LEAVES))
      throw new FormatError("leaf.index", `must be below ${MAX_LEAVES}`);
    const number = toSafeInteger(index, "leaf.index");
    if (position > 0 && indexes[position - 1] === number)
      throw new FormatError("leaf.index", `${number} occurs twice`);
    if (number > next)
      throw new FormatError("leaf.index", `${number} leaves a gap: the next new index is ${next}`);
    if (number === next) next++;
    indexes[position] = number;
  }
  return indexes;
}

function parentsOf(indexes: Uint32Array): Uint32Array {
  const parents = new Uint32Array(indexes.length);
  let length = 0;
  for (let position = 0; position < indexes.length; position++) {
    const parent = (indexes[position] as number) >>> 1;
    if (length === 0 || parents[length - 1] !== parent) parents[length++] = parent;
  }
  return parents.subarray(0, length);
}
