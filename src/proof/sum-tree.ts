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
 *
 * Many leaves take a while to hash. Who shares a thread takes them in by pieces
 * (`begin`), and may read every state that was there before between any two.
 */
import { type Hex, toSafeInteger } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import type { Leaf } from "./leaf.ts";
import { missingRecord, NodeLevel } from "./node-level.ts";
import { nodeOfState, type OldState, siblingsOfState } from "./old-nodes.ts";
import { StagedLeaves } from "./staged-leaves.ts";
import { levelsOf, type TreeMemory } from "./subtrees.ts";
import { EMPTY_NODE, type SumNode } from "./sum-node.ts";
import { depthOf, inIndexOrder, levelLength, parentsOf } from "./tree-shape.ts";
import { restoreNodes, saveNodes, type TreeUndo, thinOut, undoBytes } from "./tree-undo.ts";

/** So many nodes are hashed in one go: some 3 ms. */
const PIECE_NODES = 2_048;
/** Copying is far cheaper than hashing. */
const PIECE_COPIES = 16 * PIECE_NODES;

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

/** An epoch's changed leaves on their way into a tree. Nothing of it is in the tree before `write` is through. */
export interface TreeChange {
  /**
   * Some of the leaves, in index order, above all that were added before.
   * @returns of each whether it is another than it was; where not, it is left out
   * @throws FormatError as `apply`
   */
  add(leaves: readonly Leaf[]): boolean[];
  /** As `add`, of leaves as their bytes after the domain (LEAF_RECORD_BYTES each). */
  addRecords(records: Uint8Array): boolean[];
  /**
   * Writes them, a piece at each step; the last one answers the new state. Left
   * before its end, by an error or by `return`, it leaves the tree as it was.
   * @throws FormatError for a sum of 2^128; Error where the tree was changed since `begin`
   */
  write(): Generator<void, TreeView>;
}

interface State {
  readonly epoch: bigint;
  /** Leads from this state back to the one before it. */
  readonly undo: TreeUndo;
}

export class SumTree {
  readonly domain: Hex;
  readonly #keepStates: number;
  readonly #keepBytes: number;
  readonly #levels: NodeLevel[];
  #count: number;
  #baseEpoch: bigint;
  #states: State[] = [];
  #statesBytes = 0;
  /** What a change that is being written has overwritten so far. */
  #pending: TreeUndo | undefined;

  /** @param built a tree that was hashed elsewhere and is nobody else's any more; without it the tree is empty */
  constructor(domain: Hex, options: SumTreeOptions = {}, built?: TreeMemory) {
    this.#levels = built ? levelsOf(built) : [new NodeLevel()];
    this.#count = built?.count ?? 0;
    this.domain = domain;
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
    const staged = this.#stage();
    staged.add(inIndexOrder(leaves));
    finish(this.#write(staged));
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
    const change = this.begin(epoch);
    change.add(inIndexOrder(leaves));
    return finish(change.write());
  }

  /** As `apply`, by pieces. @throws FormatError for an epoch that is not newer */
  begin(epoch: bigint): TreeChange {
    if (epoch <= this.epoch) throw new FormatError("epoch", `must be above ${this.epoch}`);
    const staged = this.#stage();
    const newest = this.epoch;
    return {
      add: (leaves) => staged.add(leaves),
      addRecords: (records) => staged.addRecords(records),
      write: () => this.#append(epoch, newest, staged),
    };
  }

  /**
   * Takes the newest epoch back; after an `apply` that works at least once.
   * @returns false where the state before it is no longer kept
   */
  rollback(): boolean {
    this.#refuseWhileWriting();
    const state = this.#states.pop();
    if (!state) return false;
    this.#statesBytes -= undoBytes(state.undo);
    this.#takeBack(state.undo);
    return true;
  }

  /**
   * Makes the state before the oldest readable, by what the epoch that followed it overwrote.
   * @param follows the epoch that has to be the oldest one
   * @returns false where it is not, or where no more is kept: the tree is as it was
   */
  prepend(epoch: bigint, follows: bigint, undo: TreeUndo): boolean {
    const bytes = this.#statesBytes + undoBytes(undo);
    if (follows !== this.#baseEpoch || epoch >= follows) return false;
    if (this.#states.length >= this.#keepStates || bytes > this.#keepBytes) return false;
    this.#states.unshift({ epoch: follows, undo });
    this.#statesBytes = bytes;
    this.#baseEpoch = epoch;
    return true;
  }

  newest(): TreeView {
    return this.#view(this.epoch, this.#count);
  }

  /** The state of exactly this epoch, or undefined where it is not kept. */
  at(epoch: bigint): TreeView | undefined {
    if (epoch === this.epoch) return this.newest();
    const next = this.#states.findIndex((state) => state.epoch > epoch);
    const stateEpoch = next === 0 ? this.#baseEpoch : this.#states[next - 1]?.epoch;
    const following = this.#states[next];
    if (!following || stateEpoch !== epoch) return undefined;
    return this.#view(epoch, following.undo.count);
  }

  #view(epoch: bigint, count: number): TreeView {
    // Looked up at each call: a change that is being written adds to what is later, and states may be made readable before.
    const state = (): OldState => ({ levels: this.#levels, count, later: this.#laterThan(epoch) });
    const node = (level: number, index: number): SumNode => nodeOfState(state(), level, index);
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
      proof: (index) => siblingsOfState(state(), inside(index), depthOf(count)),
    };
  }

  #laterThan(epoch: bigint): TreeUndo[] {
    const first = this.#states.findIndex((state) => state.epoch > epoch);
    const later = first < 0 ? [] : this.#states.slice(first).map(({ undo }) => undo);
    return this.#pending ? [...later, this.#pending] : later;
  }

  #stage(): StagedLeaves {
    this.#refuseWhileWriting();
    return new StagedLeaves(this.#count, this.#levels[0] as NodeLevel, this.domain);
  }

  #refuseWhileWriting(): void {
    if (this.#pending) throw new Error("another change of the tree is being written");
  }

  *#append(epoch: bigint, newest: bigint, staged: StagedLeaves): Generator<void, TreeView> {
    if (newest !== this.epoch) throw new Error("the tree was changed since the change began");
    const undo = thinOut(yield* this.#write(staged));
    this.#states.push({ epoch, undo });
    this.#statesBytes += undoBytes(undo);
    while (this.#states.length > 1 && this.#keepsTooMuch()) this.#dropOldest();
    return this.newest();
  }

  *#write(staged: StagedLeaves): Generator<void, TreeUndo> {
    this.#refuseWhileWriting();
    if (staged.oldCount !== this.#count) throw new Error("the tree was changed since the change began");
    const undo: TreeUndo = { count: this.#count, levels: [] };
    let complete = false;
    this.#pending = undo;
    try {
      const changed = staged.indexes();
      yield* this.#writeLeaves(staged, changed, undo);
      yield* this.#writeNodes(changed, staged.newCount, undo);
      this.#count = staged.newCount;
      complete = true;
      return undo;
    } finally {
      this.#pending = undefined;
      if (!complete) this.#restore(undo);
    }
  }

  *#writeLeaves(staged: StagedLeaves, changed: Uint32Array, undo: TreeUndo): Generator<void> {
    const level = this.#levels[0] as NodeLevel;
    undo.levels.push(saveNodes(level, changed, this.#count));
    level.setLength(staged.newCount);
    for (let place = 0; place < changed.length; place++) {
      if (place % PIECE_COPIES === PIECE_COPIES - 1) yield;
      level.copyNode(changed[place] as number, staged.records, place);
    }
  }

  /** Level by level, each parent of a changed node once. */
  *#writeNodes(changed: Uint32Array, newCount: number, undo: TreeUndo): Generator<void> {
    const depth = depthOf(newCount);
    let dirty = changed;
    let hashed = 0;
    for (let height = 1; height <= depth; height++) {
      dirty = parentsOf(dirty);
      const level = this.#levels[height] ?? new NodeLevel();
      this.#levels[height] = level;
      undo.levels.push(saveNodes(level, dirty, levelLength(this.#count, height)));
      level.setLength(levelLength(newCount, height));
      const below = this.#levels[height - 1] as NodeLevel;
      const missing = missingRecord(height - 1);
      for (let first = 0; first < dirty.length; first += PIECE_NODES) {
        const some = dirty.subarray(first, first + PIECE_NODES);
        level.join(some.length, (place) => some[place] as number, below, missing);
        hashed += some.length;
        if (hashed < PIECE_NODES) continue;
        hashed = 0;
        yield;
      }
    }
  }

  /** The leaves as they were before a change, and from them the nodes above. */
  #takeBack(undo: TreeUndo): void {
    const [leaves] = undo.levels;
    if (leaves) restoreNodes(this.#levels[0] as NodeLevel, leaves);
    this.#levels.forEach((level, height) => {
      level.setLength(levelLength(undo.count, height));
    });
    // Where leaves were added, those above the last one that stays have lost a child.
    const boundary = undo.count < this.#count && undo.count > 0 ? [undo.count - 1] : [];
    let dirty: Uint32Array = Uint32Array.from(new Set([...(leaves?.indexes ?? []), ...boundary])).sort();
    this.#count = undo.count;
    for (let height = 1; height <= depthOf(undo.count); height++) {
      dirty = parentsOf(dirty);
      const below = this.#levels[height - 1] as NodeLevel;
      const of = dirty;
      const level = this.#levels[height] as NodeLevel;
      level.join(of.length, (place) => of[place] as number, below, missingRecord(height - 1));
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

/** All steps in one go. */
function finish<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
