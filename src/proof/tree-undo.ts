/**
 * What one change of a sum tree overwrote: the previous count and, a level at a
 * time, the indexes and records of the nodes that were replaced. Nodes that were
 * new are not in it; the previous count says that they did not exist.
 *
 * Of a change that is complete a few levels are enough: what stands in between is
 * hashed again from there (old-nodes.ts). That is a fifth of the memory.
 */
import { type NodeLevel, RECORD_BYTES, RECORD_WORDS } from "./node-level.ts";

export interface LevelUndo {
  /** Ascending. */
  readonly indexes: Uint32Array;
  readonly records: Uint8Array;
}

export interface TreeUndo {
  readonly count: number;
  /** From the leaves up. */
  readonly levels: LevelUndo[];
}

/** The leaves, the level that has a 128th of their nodes, and, since those above cost next to nothing, every fourth from there. */
const FIRST_KEPT = 7;
const NEXT_KEPT = 4;

export function isKeptLevel(level: number): boolean {
  return level === keptBelow(level);
}

/** The highest kept level that is not above `level`. */
export function keptBelow(level: number): number {
  return level < FIRST_KEPT ? 0 : level - ((level - FIRST_KEPT) % NEXT_KEPT);
}

/** @param kept a level that is. @returns the one above it */
export function keptAbove(kept: number): number {
  return kept === 0 ? FIRST_KEPT : kept + NEXT_KEPT;
}

/** How many nodes of a kept level a node of the next one stands on, at most. */
export const MOST_BELOW = 2 ** Math.max(FIRST_KEPT, NEXT_KEPT);

/** Of a level that is not kept. */
export const NOTHING_SAVED: LevelUndo = { indexes: new Uint32Array(0), records: new Uint8Array(0) };

/** Lets go of the levels in between. */
export function thinOut(undo: TreeUndo): TreeUndo {
  const { count, levels } = undo;
  return { count, levels: levels.map((saved, level) => (isKeptLevel(level) ? saved : NOTHING_SAVED)) };
}

/** Saves the nodes at `indexes` (ascending) that exist, before they are overwritten. */
export function saveNodes(level: NodeLevel, indexes: Uint32Array, existing: number): LevelUndo {
  const saved = indexes.slice(0, lowerBound(indexes, existing));
  const words = new Uint32Array(saved.length * RECORD_WORDS);
  for (let place = 0; place < saved.length; place++) level.copyRecord(saved[place] as number, words, place);
  return { indexes: saved, records: new Uint8Array(words.buffer) };
}

export function restoreNodes(level: NodeLevel, undo: LevelUndo): void {
  undo.indexes.forEach((index, position) => {
    level.restoreRecord(index, undo.records, position * RECORD_BYTES);
  });
}

/** Where the saved record of node `index` starts in `records`, or undefined. */
export function savedAt(undo: LevelUndo, index: number): number | undefined {
  const position = lowerBound(undo.indexes, index);
  return undo.indexes[position] === index ? position * RECORD_BYTES : undefined;
}

export function undoBytes(undo: TreeUndo): number {
  return undo.levels.reduce((total, level) => total + level.indexes.byteLength + level.records.byteLength, 0);
}

/** The number of elements below `bound`. */
export function lowerBound(ascending: Uint32Array, bound: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
