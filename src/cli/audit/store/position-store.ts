/**
 * The positions of a journal, in 80 bytes each: which account a leaf is of, its
 * place, and what its newest position line says. Places and keys are given once
 * for each asset and section.
 */
import { randomInt } from "node:crypto";
import { fromHex, type Hex, type PositionLine, SECTIONS, type Section, toHex } from "#proof";
import { HashTable, hashBytes } from "./hash-table.ts";
import { RecordTable } from "./record-table.ts";

const RECORD_BYTES = 80;
const [ACCOUNT, INDEX, KEY, OWNER, VALID_UNTIL, KIND, QUANTITY, ASSET, SECTION] = [
  0, 4, 8, 40, 60, 68, 72, 76, 79,
];
const KEY_BYTES = 32;
const OWNER_BYTES = 20;
/** Of what a position line can change: owner, validUntil, kind, quantity, one after the other. */
export const META_BYTES = 36;

/** Members of a leaf that position lines say. */
export interface PositionMeta {
  readonly owner: Hex;
  readonly validUntil: bigint;
  readonly kind: number;
  readonly quantity: number;
}

export class PositionStore {
  readonly records = new RecordTable(RECORD_BYTES);
  readonly #seed = randomInt(2 ** 32);
  readonly #keys = new HashTable((position) => this.#hashOf(position));
  /** By asset and section: which position has index 0, 1, 2 … */
  readonly #places = new Map<number, GrowingList>();

  get bytes(): number {
    let bytes = this.records.bytes + this.#keys.bytes;
    for (const { bytes: more } of this.#places.values()) bytes += more;
    return bytes;
  }

  count(asset: number, section: Section): number {
    return this.#places.get(place(asset, section))?.length ?? 0;
  }

  /** The position at an index below the count. */
  at(asset: number, section: Section, index: number): number {
    return this.#places.get(place(asset, section))?.get(index) ?? -1;
  }

  account(position: number): number {
    return this.records.page(position).readUInt32BE(this.records.offset(position) + ACCOUNT);
  }

  index(position: number): number {
    return this.records.page(position).readUInt32BE(this.records.offset(position) + INDEX);
  }

  section(position: number): Section {
    return SECTIONS[
      this.records.page(position)[this.records.offset(position) + SECTION] as number
    ] as Section;
  }

  asset(position: number): number {
    return this.records.page(position).readUIntBE(this.records.offset(position) + ASSET, 3);
  }

  key(position: number): Hex {
    return toHex(this.#bytes(position, KEY, KEY_BYTES));
  }

  meta(position: number): PositionMeta {
    return readMeta(this.records.page(position), this.records.offset(position) + OWNER);
  }

  /** Where the bytes of `meta` stand in the position's page. */
  metaOffset(position: number): number {
    return this.records.offset(position) + OWNER;
  }

  hasKey(asset: number, section: Section, key: Hex): boolean {
    const bytes = fromHex(key, KEY_BYTES);
    const found = this.#keys.find(this.#hash(bytes, 0, asset, section), (position) => {
      if (this.asset(position) !== asset || this.section(position) !== section) return false;
      return this.#bytes(position, KEY, KEY_BYTES).equals(bytes);
    });
    return found >= 0;
  }

  /** A new position at the next index; the caller has looked at index and key. */
  add(line: PositionLine, account: number, asset: number): number {
    const position = this.records.append();
    const [page, at] = [this.records.page(position), this.records.offset(position)];
    const list = this.#listOf(place(asset, line.section));
    page.writeUInt32BE(account, at + ACCOUNT);
    page.writeUInt32BE(list.length, at + INDEX);
    page.set(fromHex(line.key, KEY_BYTES), at + KEY);
    page.writeUIntBE(asset, at + ASSET, 3);
    page[at + SECTION] = SECTIONS.indexOf(line.section);
    list.push(position);
    this.#keys.add(this.#hashOf(position), position);
    this.update(position, line);
    return position;
  }

  update(position: number, line: PositionLine): void {
    const [page, at] = [this.records.page(position), this.records.offset(position)];
    page.set(fromHex(line.owner, OWNER_BYTES), at + OWNER);
    page.writeBigUInt64BE(line.validUntil, at + VALID_UNTIL);
    page.writeUInt32BE(line.positionKind, at + KIND);
    page.writeUInt32BE(line.quantity, at + QUANTITY);
  }

  /** After the records were restored: what is found through them. */
  reindex(): void {
    for (let position = 0; position < this.records.length; position++) {
      this.#listOf(place(this.asset(position), this.section(position))).push(position);
      this.#keys.add(this.#hashOf(position), position);
    }
  }

  #listOf(name: number): GrowingList {
    const known = this.#places.get(name);
    if (known) return known;
    const fresh = new GrowingList();
    this.#places.set(name, fresh);
    return fresh;
  }

  #bytes(position: number, from: number, length: number): Buffer {
    const at = this.records.offset(position) + from;
    return this.records.page(position).subarray(at, at + length);
  }

  #hashOf(position: number): number {
    const [page, at] = [this.records.page(position), this.records.offset(position)];
    return this.#hash(page, at + KEY, this.asset(position), this.section(position));
  }

  #hash(bytes: Uint8Array, at: number, asset: number, section: Section): number {
    return hashBytes(bytes, at, at + KEY_BYTES, this.#seed ^ place(asset, section));
  }
}

/** Positions are in the order of their first lines, and so are the indexes of a section. */
class GrowingList {
  #numbers = new Uint32Array(64);
  length = 0;

  get bytes(): number {
    return this.#numbers.byteLength;
  }

  get(at: number): number {
    return at < this.length ? (this.#numbers[at] as number) : -1;
  }

  push(number: number): void {
    if (this.length === this.#numbers.length) {
      const grown = new Uint32Array(Math.ceil(this.#numbers.length * 1.5));
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.#numbers[this.length++] = number;
  }
}

export function readMeta(page: Buffer, at: number): PositionMeta {
  return {
    owner: toHex(page.subarray(at, at + OWNER_BYTES)),
    validUntil: page.readBigUInt64BE(at + VALID_UNTIL - OWNER),
    kind: page.readUInt32BE(at + KIND - OWNER),
    quantity: page.readUInt32BE(at + QUANTITY - OWNER),
  };
}

function place(asset: number, section: Section): number {
  return asset * SECTIONS.length + SECTIONS.indexOf(section);
}
