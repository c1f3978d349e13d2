/**
 * Leaves as Postgres packs them (leaf-records.sql, older-leaves.sql), unpacked to the bytes that are hashed: no object a
 * leaf, no text. What comes is checked for its form: each index is the one that is wanted, and every number fits.
 */
import { LEAF_RECORD, LEAF_RECORD_BYTES } from "#proof";

/** index, owner, key, valid until, kind, quantity; then the amount. */
const FIXED_BYTES = 8 + 20 + 32 + 8 + 8 + 8;
const KEY_END = 60;
const NUMERIC_HEAD_BYTES = 8;
const NUMERIC_BASE = 10_000;
const U32 = 2 ** 32;

export interface PackedRun {
  readonly count: number;
  readonly packed: Uint8Array;
}

/** The bytes that are hashed. @throws Error where what is packed is not the leaves from `first` on */
export function recordsIn(first: number, run: Uint8Array | PackedRun): Uint8Array {
  if (run instanceof Uint8Array) return run;
  const { buffer, byteOffset, byteLength } = run.packed;
  return unpack(Buffer.from(buffer, byteOffset, byteLength), first, run.count);
}

/** @throws Error where it does not hold exactly the leaves from `first` on */
export function unpack(packed: Buffer, first: number, count: number): Uint8Array {
  return unpackAt(packed, count, (place) => first + place);
}

/**
 * @param indexAt the index of the leaf that is the next to come
 * @throws Error where it does not hold exactly those leaves
 */
export function unpackAt(packed: Buffer, count: number, indexAt: (place: number) => number): Uint8Array {
  const records = new Uint8Array(count * LEAF_RECORD_BYTES);
  const view = new DataView(records.buffer);
  let at = 0;
  for (let place = 0; place < count; place++) {
    const wanted = indexAt(place);
    if (at + FIXED_BYTES + NUMERIC_HEAD_BYTES > packed.length) throw missing(wanted);
    const to = place * LEAF_RECORD_BYTES;
    const index = packed.readUInt32BE(at) * U32 + packed.readUInt32BE(at + 4);
    if (index !== wanted) throw missing(wanted);
    records.set(packed.subarray(at, at + KEY_END), to);
    records.set(packed.subarray(at + 60, at + 68), to + LEAF_RECORD.validUntil);
    records.set(wordOf(packed, at + 68), to + LEAF_RECORD.kind);
    records.set(wordOf(packed, at + 76), to + LEAF_RECORD.quantity);
    at = writeAmount(packed, at + FIXED_BYTES, view, to + LEAF_RECORD.amount);
  }
  if (at !== packed.length) throw new Error(`a leaf after ${indexAt(count - 1)} came unasked`);
  return records;
}

function missing(index: number): Error {
  return new Error(`leaf ${index} is missing`);
}

/** The four low bytes of an int8 that must be an unsigned 32-bit number. */
function wordOf(packed: Buffer, at: number): Uint8Array {
  if (packed.readUInt32BE(at) !== 0) throw new Error("a leaf's kind or quantity does not fit 32 bits");
  return packed.subarray(at + 4, at + 8);
}

/**
 * A numeric as Postgres sends it, digits to the base 10,000, as 16 bytes; there have to be zeros.
 * @returns where it ends
 */
export function writeAmount(packed: Buffer, at: number, view: DataView, to: number): number {
  const digits = packed.readUInt16BE(at);
  const weight = packed.readInt16BE(at + 2);
  if (packed.readUInt16BE(at + 4) !== 0 || digits > weight + 1)
    throw new Error("a leaf's amount is no whole number");
  const end = at + NUMERIC_HEAD_BYTES + 2 * digits;
  if (end > packed.length) throw new Error("a leaf's amount is cut off");
  for (let place = 0; place <= weight; place++) {
    const digit = place < digits ? packed.readUInt16BE(at + NUMERIC_HEAD_BYTES + 2 * place) : 0;
    appendDigit(view, to, digit);
  }
  return end;
}

/** value × 10,000 + digit, in four words from the lowest up. */
function appendDigit(view: DataView, to: number, digit: number): void {
  let carry = digit;
  for (let word = 12; word >= 0; word -= 4) {
    const product = view.getUint32(to + word) * NUMERIC_BASE + carry;
    view.setUint32(to + word, product % U32);
    carry = Math.floor(product / U32);
  }
  if (carry !== 0) throw new Error("a leaf's amount does not fit 128 bits");
}
