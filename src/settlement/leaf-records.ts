/**
 * A whole section's leaves out of Postgres as the bytes that are hashed, packed a
 * run at a time: no object a leaf, no text. What comes is checked for its form: each
 * index is the next one, and every number fits.
 */
import { LEAF_RECORD_BYTES, RUN_LEAVES } from "#proof";
import { firstRow, type Queryable, SQL } from "./sql.ts";

/** index, owner, key, valid until, kind, quantity; then the amount. */
const FIXED_BYTES = 8 + 20 + 32 + 8 + 8 + 8;
const KEY_END = 60;
const NUMERIC_HEAD_BYTES = 8;
const NUMERIC_BASE = 10_000;
const U32 = 2 ** 32;

/** From index 0 to `count` - 1, RUN_LEAVES at a time; the next run is asked for while one is being hashed. */
export async function* sectionRecords(
  db: Queryable,
  wanted: { readonly book: number; readonly section: number; readonly epoch: number; readonly count: number },
): AsyncGenerator<Uint8Array> {
  const { book, section, epoch, count } = wanted;
  const ask = (from: number) =>
    firstRow<{ records: Buffer | null }>(db, SQL.leafRecords, [
      ...[book, section, epoch, from],
      Math.min(from + RUN_LEAVES, count),
    ]);
  let next = count > 0 ? ask(0) : undefined;
  for (let from = 0; from < count; from += RUN_LEAVES) {
    const row = await next;
    next = from + RUN_LEAVES < count ? ask(from + RUN_LEAVES) : undefined;
    // Where the reader stops before the end, nobody else looks at it.
    next?.catch(() => {});
    yield unpack(row?.records ?? Buffer.alloc(0), from, Math.min(RUN_LEAVES, count - from));
  }
}

/** @throws Error where it does not hold exactly the leaves from `first` on */
export function unpack(packed: Buffer, first: number, count: number): Uint8Array {
  const records = new Uint8Array(new SharedArrayBuffer(count * LEAF_RECORD_BYTES));
  const view = new DataView(records.buffer);
  let at = 0;
  for (let place = 0; place < count; place++) {
    if (at + FIXED_BYTES + NUMERIC_HEAD_BYTES > packed.length) throw missing(first + place);
    const to = place * LEAF_RECORD_BYTES;
    const index = packed.readUInt32BE(at) * U32 + packed.readUInt32BE(at + 4);
    if (index !== first + place) throw missing(first + place);
    records.set(packed.subarray(at, at + KEY_END), to);
    records.set(packed.subarray(at + 60, at + 68), to + 76);
    records.set(wordOf(packed, at + 68), to + 84);
    records.set(wordOf(packed, at + 76), to + 88);
    at = writeAmount(packed, at + FIXED_BYTES, view, to + KEY_END);
  }
  if (at !== packed.length) throw new Error(`leaf ${first + count} came unasked`);
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

/** A numeric as Postgres sends it, digits to the base 10,000, as 16 bytes. @returns where it ends */
function writeAmount(packed: Buffer, at: number, view: DataView, to: number): number {
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
