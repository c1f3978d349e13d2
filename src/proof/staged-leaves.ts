/**
 * Changed leaves on their way into a sum tree: checked and hashed as they come,
 * some at a time, and kept aside until the tree writes them. A leaf costs 52
 * bytes here, whatever it was made of.
 */
import { toSafeInteger } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import type { Leaf } from "./leaf.ts";
import { NodeLevel } from "./node-level.ts";

/** Node indexes are 32-bit words. */
const MAX_LEAVES = 2 ** 31;

export class StagedLeaves {
  /** How many leaves the tree has that these are for. */
  readonly oldCount: number;
  /** Hash and amount of each, in the order of `indexes`. */
  readonly records = new NodeLevel();
  readonly #hash: (leaf: Leaf) => Uint8Array;
  readonly #indexes: number[] = [];
  #newCount: number;

  constructor(oldCount: number, hash: (leaf: Leaf) => Uint8Array) {
    this.oldCount = oldCount;
    this.#hash = hash;
    this.#newCount = oldCount;
  }

  /** How many leaves the tree will have. */
  get newCount(): number {
    return this.#newCount;
  }

  /** Ascending. */
  indexes(): Uint32Array {
    return Uint32Array.from(this.#indexes);
  }

  /**
   * Leaves in index order, above all that were added before; new indexes continue the count.
   * @throws FormatError for an index out of order or twice, a gap, a value that does not fit; what is staged is then of no use
   */
  add(leaves: readonly Leaf[]): void {
    const first = this.#indexes.length;
    this.records.setLength(first + leaves.length);
    for (const [place, leaf] of leaves.entries()) {
      this.#indexes.push(this.#checkedIndex(leaf));
      this.records.setLeaf(first + place, this.#hash(leaf), leaf.amount);
    }
  }

  #checkedIndex({ index }: Leaf): number {
    if (index < 0n || index >= BigInt(MAX_LEAVES))
      throw new FormatError("leaf.index", `must be below ${MAX_LEAVES}`);
    const number = toSafeInteger(index, "leaf.index");
    const last = this.#indexes.at(-1) ?? -1;
    if (number === last) throw new FormatError("leaf.index", `${number} occurs twice`);
    if (number < last) throw new FormatError("leaf.index", `${number} comes after ${last}`);
    if (number > this.#newCount)
      throw new FormatError("leaf.index", `${number} leaves a gap: the next new index is ${this.#newCount}`);
    if (number === this.#newCount) this.#newCount++;
    return number;
  }
}
