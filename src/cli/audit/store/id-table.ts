/**
 * Texts as numbers, from 0 in the order in which they first came: the account ids
 * and asset codes of a journal, at their own length and nine bytes each.
 */
import { randomInt } from "node:crypto";
import { HashTable, hashBytes } from "./hash-table.ts";

const FIRST_BYTES = 65_536;
const FIRST_ENDS = 1_024;
const GROWTH = 1.25;
const SCRATCH_BYTES = 4_096;

export class IdTable {
  #text = Buffer.alloc(FIRST_BYTES);
  /** Of each id the end of its bytes. */
  #ends = new Uint32Array(FIRST_ENDS);
  #length = 0;
  #scratch = Buffer.alloc(SCRATCH_BYTES);
  readonly #seed = randomInt(2 ** 32);
  readonly #table = new HashTable((number) => this.#hashOf(number));

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#text.length + this.#ends.byteLength + this.#table.bytes;
  }

  /** The text's number, or -1. */
  find(text: string): number {
    const length = this.#toScratch(text);
    return this.#find(length, hashBytes(this.#scratch, 0, length, this.#seed));
  }

  /** The text's number, a new one where it is not known. */
  intern(text: string): number {
    const length = this.#toScratch(text);
    const hash = hashBytes(this.#scratch, 0, length, this.#seed);
    const known = this.#find(length, hash);
    if (known >= 0) return known;
    const from = this.#start(this.#length);
    this.#reserve(from + length);
    this.#scratch.copy(this.#text, from, 0, length);
    this.#ends[this.#length] = from + length;
    this.#table.add(hash, this.#length);
    return this.#length++;
  }

  text(number: number): string {
    return this.#text.toString("utf8", this.#start(number), this.#ends[number]);
  }

  /** The ends of all ids, then their bytes. */
  *stored(): Generator<Uint8Array> {
    yield new Uint8Array(this.#ends.buffer, 0, this.#length * 4);
    yield this.#text.subarray(0, this.#start(this.#length));
  }

  /** The inverse of `stored`, with the number of ids. */
  *restore(length: number): Generator<Uint8Array> {
    this.#ends = new Uint32Array(Math.max(FIRST_ENDS, length));
    yield new Uint8Array(this.#ends.buffer, 0, length * 4);
    this.#length = 0;
    const end = length === 0 ? 0 : (this.#ends[length - 1] as number);
    this.#text = Buffer.alloc(Math.max(FIRST_BYTES, end));
    yield this.#text.subarray(0, end);
    for (; this.#length < length; this.#length++) this.#table.add(this.#hashOf(this.#length), this.#length);
  }

  #start(number: number): number {
    return number === 0 ? 0 : (this.#ends[number - 1] as number);
  }

  #hashOf(number: number): number {
    return hashBytes(this.#text, this.#start(number), this.#ends[number] as number, this.#seed);
  }

  #find(length: number, hash: number): number {
    return this.#table.find(hash, (number) => {
      const from = this.#start(number);
      if ((this.#ends[number] as number) - from !== length) return false;
      for (let at = 0; at < length; at++) if (this.#text[from + at] !== this.#scratch[at]) return false;
      return true;
    });
  }

  #toScratch(text: string): number {
    // At most three bytes a UTF-16 code unit.
    if (text.length * 3 > this.#scratch.length) this.#scratch = Buffer.alloc(text.length * 3);
    return this.#scratch.write(text);
  }

  #reserve(bytes: number): void {
    if (bytes > this.#text.length) {
      const grown = Buffer.alloc(Math.ceil(bytes * GROWTH));
      this.#text.copy(grown);
      this.#text = grown;
    }
    if (this.#length === this.#ends.length) {
      const grown = new Uint32Array(Math.ceil(this.#ends.length * GROWTH));
      grown.set(this.#ends);
      this.#ends = grown;
    }
  }
}
