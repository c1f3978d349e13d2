/** The shape of a sum tree: how deep it is, how wide its levels are, which parents a change reaches. */
import type { Leaf } from "./leaf.ts";

export function depthOf(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}

/** How many nodes of a tree's level stand above real leaves; none above the root. */
export function levelLength(count: number, level: number): number {
  return count === 0 || level > depthOf(count) ? 0 : Math.ceil(count / 2 ** level);
}

export function inIndexOrder(leaves: readonly Leaf[]): readonly Leaf[] {
  for (let position = 1; position < leaves.length; position++)
    if ((leaves[position] as Leaf).index < (leaves[position - 1] as Leaf).index)
      return leaves.toSorted((left, right) =>
        left.index < right.index ? -1 : left.index > right.index ? 1 : 0,
      );
  return leaves;
}

export function parentsOf(indexes: Uint32Array): Uint32Array {
  const parents = new Uint32Array(indexes.length);
  let length = 0;
  for (let position = 0; position < indexes.length; position++) {
    const parent = (indexes[position] as number) >>> 1;
    if (length === 0 || parents[length - 1] !== parent) parents[length++] = parent;
  }
  return parents.subarray(0, length);
}
