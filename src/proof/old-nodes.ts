/**
 * Nodes as they were in an earlier state of a sum tree. What later changes
 * overwrote is kept of a few levels only; a node in between is hashed again from
 * the nodes of the kept level below that it stands on.
 */
import {
  missingNode,
  missingRecord,
  NodeLevel,
  nodeOfRecord,
  RECORD_BYTES,
  RECORD_WORDS,
} from "./node-level.ts";
import type { SumNode } from "./sum-node.ts";
import { levelLength } from "./tree-shape.ts";
import {
  isKeptLevel,
  keptAbove,
  keptBelow,
  lowerBound,
  MOST_BELOW,
  savedAt,
  type TreeUndo,
} from "./tree-undo.ts";

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
  const base = keptBelow(level);
  const height = level - base;
  const group = { base, first: index * 2 ** height, height };
  if (isAsNow(state, group)) return (state.levels[level] as NodeLevel).node(index);
  const nodes = baseNodes(state, group);
  for (let above = group.base; above < level; above++) joinInPlace(nodes, above);
  return nodes.node(0);
}

/**
 * The siblings of leaf `index`, leaf level first: between two kept levels the nodes of the lower one are looked up once.
 * @param depth of the state's tree
 */
export function siblingsOfState(state: OldState, index: number, depth: number): SumNode[] {
  const siblings: SumNode[] = [];
  for (let base = 0; base < depth; base = keptAbove(base)) {
    const height = Math.min(keptAbove(base), depth) - base;
    const first = (index >>> (base + height)) * 2 ** height;
    siblings.push(...siblingsInGroup(state, { base, first, height }, index >>> base));
  }
  return siblings;
}

/** The nodes of a kept level that one node `height` levels above stands on. */
interface Group {
  readonly base: number;
  readonly first: number;
  readonly height: number;
}

function siblingsInGroup(state: OldState, group: Group, index: number): SumNode[] {
  const { base, first, height } = group;
  const levels = Array.from({ length: height }, (_, up) => base + up);
  if (isAsNow(state, group))
    return levels.map((level, up) => {
      const sibling = ((index >>> up) ^ 1) >>> 0;
      if (sibling >= levelLength(state.count, level)) return missingNode(level);
      return (state.levels[level] as NodeLevel).node(sibling);
    });
  const nodes = baseNodes(state, group);
  return levels.map((level, up) => {
    const place = (index - first) >>> up;
    const sibling = place ^ 1;
    const node = sibling < nodes.length ? nodes.node(sibling) : missingNode(level);
    joinInPlace(nodes, level, place >>> 1);
    return node;
  });
}

/**
 * Hashes nodes in pairs, each over one that has been read.
 * @param without a place that nobody asks for, nor for what stands above it
 */
function joinInPlace(nodes: NodeLevel, level: number, without?: number): void {
  const parents = Math.ceil(nodes.length / 2);
  const [left, wanted] = without === undefined ? [parents, parents] : [without, parents - 1];
  nodes.join(wanted, (place) => (place < left ? place : place + 1), nodes, missingRecord(level));
  nodes.setLength(parents);
}

/** Whether everything in the group is what it was. */
function isAsNow(state: OldState, group: Group): boolean {
  const { end, existed } = extentOf(state, group);
  const now = state.levels[group.base] as NodeLevel;
  return Math.min(end, now.length) === existed && !isTouched(state, group.base, group.first, existed);
}

function extentOf({ count }: OldState, { base, first, height }: Group): { end: number; existed: number } {
  const end = first + 2 ** height;
  return { end, existed: Math.min(end, levelLength(count, base)) };
}

function isTouched({ later }: OldState, level: number, first: number, end: number): boolean {
  return later.some((undo) => {
    const indexes = undo.levels[level]?.indexes;
    if (!indexes) return false;
    const at = indexes[lowerBound(indexes, first)];
    return at !== undefined && at < end;
  });
}

/** For one group at a time, by whoever asks, who is done with it before the next: what is made anew for each is megabytes a second. */
const scratch = new NodeLevel(new Uint32Array(MOST_BELOW * RECORD_WORDS));
const isFound = new Uint8Array(MOST_BELOW);

/** The group's nodes of the kept level, as they were: each is what the first later change saved of it, else what stands there now. */
function baseNodes(state: OldState, group: Group): NodeLevel {
  const { levels, later } = state;
  const { base, first } = group;
  const { existed: end } = extentOf(state, group);
  const nodes = scratch;
  nodes.setLength(end - first);
  isFound.fill(0);
  let missing = nodes.length;
  for (const { levels: savedLevels } of later) {
    if (missing === 0) return nodes;
    const saved = savedLevels[base];
    if (!saved) continue;
    for (let place = lowerBound(saved.indexes, first); place < saved.indexes.length; place++) {
      const index = saved.indexes[place] as number;
      if (index >= end) break;
      if (isFound[index - first] === 1) continue;
      isFound[index - first] = 1;
      missing -= 1;
      nodes.restoreRecord(index - first, saved.records, place * RECORD_BYTES);
    }
  }
  const now = levels[base] as NodeLevel;
  for (let place = 0; place < nodes.length; place++)
    if (isFound[place] === 0) nodes.copyNode(place, now, first + place);
  return nodes;
}
