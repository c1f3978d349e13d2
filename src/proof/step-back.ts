/**
 * A sum tree led back by one epoch, in memory of its own, for whoever has a newest state and wants the ones before it to
 * be readable: what an epoch overwrote is what stands there again once its leaves are as they were.
 */
import { missingRecord, type NodeLevel } from "./node-level.ts";
import { depthOf, levelLength, parentsOf } from "./tree-shape.ts";
import {
  isKeptLevel,
  type LevelUndo,
  lowerBound,
  NOTHING_SAVED,
  saveNodes,
  type TreeUndo,
} from "./tree-undo.ts";

export interface OlderLeaves {
  /** How many leaves there were. */
  readonly count: number;
  /** Of all that the epoch changed or added, ascending. */
  readonly indexes: Uint32Array;
  /** Hash and amount, as they were, of those below `count`, in their order. */
  readonly records: NodeLevel;
}

/** @returns what the epoch overwrote. @throws FormatError where a sum reaches 2^128 */
export function stepBack(levels: readonly NodeLevel[], { count, indexes, records }: OlderLeaves): TreeUndo {
  levels.forEach((level, height) => {
    level.setLength(levelLength(count, height));
  });
  const leaves = levels[0] as NodeLevel;
  let dirty = indexes.subarray(0, lowerBound(indexes, count));
  if (records.length !== dirty.length)
    throw new Error(`${records.length} older leaves are not the ${dirty.length} that were changed`);
  for (let place = 0; place < dirty.length; place++) leaves.copyNode(dirty[place] as number, records, place);
  const saved: LevelUndo[] = [saveNodes(leaves, dirty, count)];
  // A node that stands above new leaves alone was not there; one that stands above others too has lost a child.
  let reached = indexes;
  for (let height = 1; height <= depthOf(count); height++) {
    reached = parentsOf(reached);
    dirty = reached.subarray(0, lowerBound(reached, levelLength(count, height)));
    const [level, below] = [levels[height] as NodeLevel, levels[height - 1] as NodeLevel];
    const missing = missingRecord(height - 1);
    level.join(dirty.length, (place) => dirty[place] as number, below, missing);
    saved.push(isKeptLevel(height) ? saveNodes(level, dirty, level.length) : NOTHING_SAVED);
  }
  return { count, levels: saved };
}
