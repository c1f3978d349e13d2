/**
 * Inclusion and consistency proofs of the log, as in RFC 9162 (2.1.3 and 2.1.4).
 * A proof is first planned as perfect subtrees (level, index), so that whoever
 * stores hashes can fetch just those, and then folded; checking needs no storage.
 */
import { equalBytes, fromHex, type Hex, toHex, toSafeInteger } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { EMPTY_LOG_ROOT, foldSubtrees, logLeafHash, logNodeHash } from "./log-tree.ts";

/** The subtree over the lines index × 2^level up to, not with, (index + 1) × 2^level. */
export interface Subtree {
  readonly level: number;
  readonly index: bigint;
}

/** The hash of a perfect subtree. */
export type SubtreeHashes = (subtree: Subtree) => Uint8Array;

/** The perfect subtrees, largest first, that the lines from `start` up to `end` are made of. */
export function subtreesOf(start: bigint, end: bigint): Subtree[] {
  const subtrees: Subtree[] = [];
  for (let from = start; from < end; ) {
    let level = 0;
    while (from % (2n << BigInt(level)) === 0n && from + (2n << BigInt(level)) <= end) level++;
    subtrees.push({ level, index: from >> BigInt(level) });
    from += 1n << BigInt(level);
  }
  return subtrees;
}

/** Each element of the inclusion proof of line `index` in the log of `size` lines, as the subtrees that fold to it. */
export function planInclusion(index: bigint, size: bigint): Subtree[][] {
  if (index < 0n || index >= size) throw new FormatError("index", `must be below the size ${size}`);
  const path: Subtree[][] = [];
  for (let start = 0n, end = size; end - start > 1n; ) {
    const middle = start + largestPowerBelow(end - start);
    if (index < middle) {
      path.push(subtreesOf(middle, end));
      end = middle;
    } else {
      path.push(subtreesOf(start, middle));
      start = middle;
    }
  }
  return path.reverse();
}

/** Each element of the proof that the log of `size` lines continues the log of `oldSize`. */
export function planConsistency(oldSize: bigint, size: bigint): Subtree[][] {
  if (oldSize < 1n || oldSize > size) throw new FormatError("old size", `must be 1 to ${size}`);
  const path: Subtree[][] = [];
  let start = 0n;
  let end = size;
  let isWholeOldTree = true;
  while (oldSize !== end) {
    const middle = start + largestPowerBelow(end - start);
    if (oldSize <= middle) {
      path.push(subtreesOf(middle, end));
      end = middle;
    } else {
      path.push(subtreesOf(start, middle));
      start = middle;
      isWholeOldTree = false;
    }
  }
  if (!isWholeOldTree) path.push(subtreesOf(start, end));
  return path.reverse();
}

export function foldPlan(plan: readonly Subtree[][], hashes: SubtreeHashes): Hex[] {
  return plan.map((subtrees) => toHex(foldSubtrees(subtrees.map(hashes))));
}

export function inclusionProof(index: bigint, size: bigint, hashes: SubtreeHashes): Hex[] {
  return foldPlan(planInclusion(index, size), hashes);
}

export function consistencyProof(oldSize: bigint, size: bigint, hashes: SubtreeHashes): Hex[] {
  return foldPlan(planConsistency(oldSize, size), hashes);
}

/** RFC 9162, 2.1.3.2: whether `line` stands at `index` in the log of `size` lines with this root. */
export function verifyInclusion(
  line: string | Uint8Array,
  index: bigint,
  size: bigint,
  proof: readonly Hex[],
  root: Hex,
): boolean {
  if (index < 0n || index >= size) return false;
  let hash = logLeafHash(line);
  let position = index;
  let last = size - 1n;
  for (const element of proof) {
    if (last === 0n) return false;
    const sibling = fromHex(element, 32, "proof");
    if ((position & 1n) === 1n || position === last) {
      hash = logNodeHash(sibling, hash);
      while ((position & 1n) === 0n && position !== 0n) {
        position >>= 1n;
        last >>= 1n;
      }
    } else hash = logNodeHash(hash, sibling);
    position >>= 1n;
    last >>= 1n;
  }
  return last === 0n && equalBytes(hash, fromHex(root, 32, "root"));
}

/** RFC 9162, 2.1.4.2: whether the log with `root` begins with the log with `oldRoot`. An empty log begins every log. */
export function verifyConsistency(
  oldSize: bigint,
  size: bigint,
  proof: readonly Hex[],
  oldRoot: Hex,
  root: Hex,
): boolean {
  if (oldSize < 0n || oldSize > size) return false;
  if (oldSize === 0n) return proof.length === 0 && oldRoot === EMPTY_LOG_ROOT;
  if (oldSize === size) return proof.length === 0 && oldRoot === root;
  const elements: Uint8Array[] = proof.map((element) => fromHex(element, 32, "proof"));
  if ((oldSize & (oldSize - 1n)) === 0n) elements.unshift(fromHex(oldRoot, 32, "old root"));
  let position = oldSize - 1n;
  let last = size - 1n;
  for (; (position & 1n) === 1n; position >>= 1n) last >>= 1n;
  const [first, ...rest] = elements;
  if (!first) return false;
  let oldHash = first;
  let hash: Uint8Array = first;
  for (const element of rest) {
    if (last === 0n) return false;
    if ((position & 1n) === 1n || position === last) {
      oldHash = logNodeHash(element, oldHash);
      hash = logNodeHash(element, hash);
      while ((position & 1n) === 0n && position !== 0n) {
        position >>= 1n;
        last >>= 1n;
      }
    } else hash = logNodeHash(hash, element);
    position >>= 1n;
    last >>= 1n;
  }
  return last === 0n && toHex(oldHash) === oldRoot && toHex(hash) === root;
}

/** Every perfect subtree's hash in memory: 64 bytes and some a line. */
export class LogTree {
  readonly #levels: Uint8Array[][] = [[]];

  get size(): bigint {
    return BigInt(this.#levels[0]?.length ?? 0);
  }

  append(line: string | Uint8Array): void {
    this.appendHash(logLeafHash(line));
  }

  appendHash(leafHash: Uint8Array): void {
    let hash = leafHash;
    for (let height = 0; ; height++) {
      const level = this.#levels[height] ?? [];
      this.#levels[height] = level;
      level.push(hash);
      if (level.length % 2 === 1) return;
      hash = logNodeHash(level.at(-2) as Uint8Array, hash);
    }
  }

  readonly hashes: SubtreeHashes = ({ level, index }) => {
    const hash = this.#levels[level]?.[toSafeInteger(index, "index")];
    if (!hash) throw new FormatError("log", `has no subtree ${index} at level ${level}`);
    return hash;
  };

  rootAt(size: bigint): Hex {
    if (size > this.size) throw new FormatError("size", `must be at most ${this.size}`);
    return size === 0n ? EMPTY_LOG_ROOT : toHex(foldSubtrees(subtreesOf(0n, size).map(this.hashes)));
  }

  inclusionProof(index: bigint, size: bigint = this.size): Hex[] {
    return inclusionProof(index, size, this.hashes);
  }

  consistencyProof(oldSize: bigint, size: bigint = this.size): Hex[] {
    return consistencyProof(oldSize, size, this.hashes);
  }
}

/** The largest power of two below `number`, which is 2 or more. */
function largestPowerBelow(number: bigint): bigint {
  return 1n << BigInt((number - 1n).toString(2).length - 1);
}
