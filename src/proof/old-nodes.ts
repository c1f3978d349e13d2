/**
 * Nodes as they were in an earlier state of a sum tree. What later changes
 * overwrote is kept of every eighth level only; a node in between is hashed again
 * from the at most 128 nodes of the kept level that it stands above.
 */
import { missingNode, missingRecord, NodeLevel, nodeOfRecord, RECORD_BYTES } from "./node-level.ts";
import type { SumNode } from "./sum-node.ts";
import { levelLength } from "./tree-shape.ts";
import { isKeptLevel, KEPT_LEVELS, lowerBound, savedAt, type TreeUndo } from "./tree-undo.ts";

export interface OldState {
  /** The tree as it is now. */
  readonly levels: readonly NodeLevel[];
  /** Leaves that the state had. */
  readonly count: number;
  /** What was overwritten since, oldest first; of a change that is being written, what it has overwritten so far. */
  readonly later: readonly TreeUndo[];
}

/** A node is what the first later change saved of it, else what stands there now. */
export function nodeOfState(state: OldState, level: number, index: number): SumNode {
  if (index >= levelLength(state.count, level)) return missingNode(level);
  if (state.later.length === 0) return (state.levels[level] as NodeLevel).node(index);
  return isKeptLevel(level) ? keptNode(state, level, index) : hashedNode(state, level, index);
}

function keptNode({ levels, later }: OldState, level: number, index: number): SumNode {
  for (const undo of later) {
    const saved = undo.levels[level];
    const offset = saved && savedAt(saved, index);
    if (saved && offset !== undefined) return nodeOfRecord(saved.records, offset);
  }
  return (levels[level] as NodeLevel).node(index);
}

function hashedNode(state: OldState, level: number, index: number): SumNode {
  const height = level % KEPT_LEVELS;
  const base = level - height;
  const first = index * 2 ** height;
  const end = first + 2 ** height;
  const existed = Math.min(end, levelLength(state.count, base));
  const now = state.levels[base] as NodeLevel;
  if (Math.min(end, now.length) === existed && !isTouched(state, base, first, existed))
    return (state.levels[level] as NodeLevel).node(index);
  let nodes = baseNodes(state, base, first, existed);
  for (let above = base; above < level; above++) {
    const parents = new NodeLevel();
    parents.setLength(Math.ceil(nodes.length / 2));
    for (let place = 0; place < parents.length; place++) parents.join(place, nodes, missingRecord(above));
    nodes = parents;
  }
  return nodes.node(0);
}

function isTouched({ later }: OldState, level: number, first: number, end: number): boolean {
  return later.some((undo) => {
    const indexes = undo.levels[level]?.indexes;
    if (!indexes) return false;
    const at = indexes[lowerBound(indexes, first)];
    return at !== undefined && at < end;
  });
}

/** The kept level's nodes from `first` up to, not including, `end`, as they were. */
function baseNodes({ levels, later }: OldState, level: number, first: number, end: number): NodeLevel {
  const nodes = new NodeLevel();
  nodes.setLength(end - first);
  const now = levels[level] as NodeLevel;
  for (let index = first; index < end; index++) nodes.copyNode(index - first, now, index);
  // The newest first, so that the one who overwrote it first has the last word.
  for (const undo of later.toReversed()) {
    const saved = undo.levels[level];
    if (!saved) continue;
    const from = lowerBound(saved.indexes, first);
    for (let place = from; place < saved.indexes.length; place++) {
      const index = saved.indexes[place] as number;
      if (index >= end) break;
      nodes.restoreRecord(index - first, saved.records, place * RECORD_BYTES);
    }
  }
  return nodes;
}
