/**
 * One level of a sum tree in flat memory: 48 bytes a node, hash then sum, laid
 * out so that two siblings are the 96 bytes which their parent hashes. Only
 * nodes above real leaves are kept; those above missing leaves alone are the same
 * in every tree and computed once.
 */
import { readU128, toHex } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { digestAt, KeccakBatch, messageAt } from "./keccak-batch.ts";
import { BATCH_MESSAGES } from "./keccak-module.ts";
import type { SumNode } from "./sum-node.ts";

export const RECORD_BYTES = 48;
export const RECORD_WORDS = RECORD_BYTES / 4;
const HASH_BYTES = 32;
const HASH_WORDS = HASH_BYTES / 4;
const SUM_BYTES = RECORD_BYTES - HASH_BYTES;
/** A grown level keeps this share of room, so that appending copies each node a bounded number of times. */
const GROWTH = 1.125;

export class NodeLevel {
  /** Nodes that exist. */
  length: number;
  #words: Uint32Array;
  #bytes: Uint8Array;
  #view: DataView;

  /** @param words memory that holds `length` nodes, or will: it may be shared by several threads, each with its own nodes */
  constructor(words: Uint32Array = new Uint32Array(0), length = 0) {
    this.length = length;
    this.#words = words;
    this.#bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    this.#view = new DataView(words.buffer, words.byteOffset, words.byteLength);
  }

  get allocatedBytes(): number {
    return this.#bytes.length;
  }

  /** Makes room for nodes 0 to length - 1; never gives any back. */
  setLength(length: number): void {
    if (length * RECORD_WORDS > this.#words.length) {
      const capacity = this.length === 0 ? length : Math.ceil(Math.max(length, this.length * GROWTH));
      const words = new Uint32Array(capacity * RECORD_WORDS);
      words.set(this.#words);
      this.#words = words;
      this.#bytes = new Uint8Array(words.buffer);
      this.#view = new DataView(words.buffer);
    }
    this.length = length;
  }

  node(index: number): SumNode {
    return nodeOfRecord(this.#bytes, index * RECORD_BYTES);
  }

  /** Whether node `index` has the hash that stands at `at` of `hashes`. */
  hasHash(index: number, hashes: Uint8Array, at = 0): boolean {
    const from = index * RECORD_BYTES;
    for (let byte = 0; byte < HASH_BYTES; byte++)
      if (this.#bytes[from + byte] !== hashes[at + byte]) return false;
    return true;
  }

  setLeaf(index: number, hash: Uint8Array, sum: bigint): void {
    const at = index * RECORD_BYTES;
    this.#bytes.set(hash, at);
    this.#view.setBigUint64(at + HASH_BYTES, sum >> 64n);
    this.#view.setBigUint64(at + HASH_BYTES + 8, BigInt.asUintN(64, sum));
  }

  /** A leaf whose hash and amount, of 16 bytes, stand somewhere. */
  setLeafBytes(index: number, hash: BytesAt, amount: BytesAt): void {
    const to = index * RECORD_BYTES;
    for (let byte = 0; byte < HASH_BYTES; byte++)
      this.#bytes[to + byte] = hash.bytes[hash.at + byte] as number;
    for (let byte = 0; byte < SUM_BYTES; byte++)
      this.#bytes[to + HASH_BYTES + byte] = amount.bytes[amount.at + byte] as number;
  }

  /** Copies node `index` to `target`, as its record number `place`. */
  copyRecord(index: number, target: Uint32Array, place: number): void {
    const [from, to] = [index * RECORD_WORDS, place * RECORD_WORDS];
    for (let word = 0; word < RECORD_WORDS; word++) target[to + word] = this.#words[from + word] as number;
  }

  /** Copies node `place` of `source` to node `index` of this level. */
  copyNode(index: number, source: NodeLevel, place: number): void {
    source.copyRecord(place, this.#words, index);
  }

  restoreRecord(index: number, source: Uint8Array, offset: number): void {
    const to = index * RECORD_BYTES;
    for (let byte = 0; byte < RECORD_BYTES; byte++) this.#bytes[to + byte] = source[offset + byte] as number;
  }

  /**
   * Computes `count` nodes of this level, in ascending order, from their children in `below`, where `missing` is the record of
   * a right child that does not exist. `below` may be this level itself: no node is written before its children's are read.
   * @throws FormatError where a sum reaches 2^128
   */
  join(count: number, indexAt: (place: number) => number, below: NodeLevel, missing: Uint32Array): void {
    for (let first = 0; first < count; first += BATCH_MESSAGES) {
      const some = Math.min(BATCH_MESSAGES, count - first);
      for (let place = 0; place < some; place++) {
        const index = indexAt(first + place);
        below.#writeChildren(index, place, missing);
        addSums(this.#view, index * RECORD_BYTES + HASH_BYTES, messageAt(place));
      }
      nodes.hash(some);
      for (let place = 0; place < some; place++) this.#takeHash(indexAt(first + place), place);
    }
  }

  #writeChildren(parent: number, place: number, missing: Uint32Array): void {
    const to = (messageAt(place) + 1) / 4;
    const from = 2 * parent * RECORD_WORDS;
    const hasRight = 2 * parent + 1 < this.length;
    const available = hasRight ? 2 * RECORD_WORDS : RECORD_WORDS;
    for (let word = 0; word < available; word++) nodes.words[to + word] = this.#words[from + word] as number;
    if (!hasRight) nodes.words.set(missing, to + RECORD_WORDS);
  }

  #takeHash(index: number, place: number): void {
    const [from, to] = [digestAt(place) / 4, index * RECORD_WORDS];
    for (let word = 0; word < HASH_WORDS; word++) this.#words[to + word] = nodes.words[from + word] as number;
  }
}

export interface BytesAt {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** 0x01 and two records each. */
const nodes = new KeccakBatch(Uint8Array.of(1, ...new Uint8Array(2 * RECORD_BYTES)));

const LEFT_SUM = 1 + HASH_BYTES;
const RIGHT_SUM = LEFT_SUM + RECORD_BYTES;

/** Adds a message's two sums, lowest word first, without an allocation. */
function addSums(target: DataView, at: number, message: number): void {
  let carry = 0;
  for (let word = 12; word >= 0; word -= 4) {
    const [left, right] = [message + LEFT_SUM + word, message + RIGHT_SUM + word];
    const sum = nodes.view.getUint32(left) + nodes.view.getUint32(right) + carry;
    carry = sum > 0xffff_ffff ? 1 : 0;
    target.setUint32(at + word, sum);
  }
  if (carry !== 0) throw new FormatError("sum", "overflows 128 bits");
}

export function nodeOfRecord(bytes: Uint8Array, offset: number): SumNode {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, RECORD_BYTES);
  return {
    hash: toHex(bytes.subarray(offset, offset + HASH_BYTES)),
    sum: readU128(view, HASH_BYTES),
  };
}

const emptyLevels: Uint32Array[] = [new Uint32Array(RECORD_WORDS)];

/** The record of a node all of whose 2^level leaves are missing: zero at leaf level, hashed like any other above. */
export function missingRecord(level: number): Uint32Array {
  for (let below = emptyLevels.length - 1; below < level; below++) {
    const parent = new NodeLevel(new Uint32Array(RECORD_WORDS), 1);
    const child = emptyLevels[below] as Uint32Array;
    parent.join(1, () => 0, new NodeLevel(child, 1), child);
    const record = new Uint32Array(RECORD_WORDS);
    parent.copyRecord(0, record, 0);
    emptyLevels.push(record);
  }
  return emptyLevels[level] as Uint32Array;
}

export function missingNode(level: number): SumNode {
  return nodeOfRecord(new Uint8Array(missingRecord(level).buffer), 0);
}
