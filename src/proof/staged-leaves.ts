/**
 * Changed leaves on their way into a sum tree: checked and hashed as they come,
 * some at a time, and kept aside until the tree writes them. A leaf costs 52
 * bytes here, whatever it was made of.
 */
import { type Hex, toSafeInteger } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { LEAF_RECORD, LEAF_RECORD_BYTES, type Leaf, leafHasher } from "./leaf.ts";
import { hashLeafRecords } from "./leaf-batch.ts";
import { type BytesAt, NodeLevel } from "./node-level.ts";

/** Node indexes are 32-bit words. */
const MAX_LEAVES = 2 ** 31;

export class StagedLeaves {
  /** How many leaves the tree has that these are for. */
  readonly oldCount: number;
  /** Hash and amount of each, in the order of `indexes`. */
  readonly records = new NodeLevel();
  readonly #domain: Hex;
  readonly #standing: NodeLevel;
  readonly #hash: (leaf: Leaf) => Uint8Array;
  readonly #indexes: number[] = [];
  #last = -1;
  #newCount: number;

  /** @param standing the tree's leaves as they are */
  constructor(oldCount: number, standing: NodeLevel, domain: Hex) {
    this.oldCount = oldCount;
    this.#domain = domain;
    this.#standing = standing;
    this.#hash = leafHasher(domain);
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
   * @returns of each whether it is another than it was; where not, it is left out
   * @throws FormatError for an index out of order or twice, a gap, a value that does not fit; what is staged is then of no use
   */
  add(leaves: readonly Leaf[]): boolean[] {
    return leaves.map((leaf) => {
      const index = this.#checkedIndex(leaf.index);
      const hash = this.#hash(leaf);
      const place = this.#placeOf(index, { bytes: hash, at: 0 });
      if (place !== null) this.records.setLeaf(place, hash, leaf.amount);
      return place !== null;
    });
  }

  /** As `add`, of leaves as their bytes after the domain. */
  addRecords(records: Uint8Array): boolean[] {
    const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    const changed: boolean[] = [];
    hashLeafRecords(this.#domain, records, (number, hash) => {
      const at = number * LEAF_RECORD_BYTES;
      const index = this.#checkedIndex(view.getBigUint64(at));
      const place = this.#placeOf(index, hash);
      if (place !== null)
        this.records.setLeafBytes(place, hash, { bytes: records, at: at + LEAF_RECORD.amount });
      changed.push(place !== null);
    });
    return changed;
  }

  /** Where a leaf is kept aside; null where it stands in the tree as it is. */
  #placeOf(index: number, hash: BytesAt): number | null {
    if (index < this.oldCount && this.#standing.hasHash(index, hash.bytes, hash.at)) return null;
    const place = this.#indexes.push(index) - 1;
    this.records.setLength(place + 1);
    return place;
  }

  #checkedIndex(index: bigint): number {
    if (index < 0n || index >= BigInt(MAX_LEAVES))
      throw new FormatError("leaf.index", `must be below ${MAX_LEAVES}`);
    const number = toSafeInteger(index, "leaf.index");
    const last = this.#last;
    if (number === last) throw new FormatError("leaf.index", `${number} occurs twice`);
    if (number < last) throw new FormatError("leaf.index", `${number} comes after ${last}`);
    if (number > this.#newCount)
      throw new FormatError("leaf.index", `${number} leaves a gap: the next new index is ${this.#newCount}`);
    if (number === this.#newCount) this.#newCount++;
    this.#last = number;
    return number;
  }
}
