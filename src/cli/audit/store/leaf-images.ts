/**
 * What leaves were before they changed: amount and position members, in 60 bytes
 * a leaf, one image a position. With the images of everything since an epoch its
 * leaves can be told, and a vetoed epoch taken back.
 */
import type { Leaf } from "#proof";
import { META_BYTES, type PositionMeta, type PositionStore, readMeta } from "./position-store.ts";
import { RecordTable, readU128At, writeU128At } from "./record-table.ts";

const RECORD_BYTES = 60;
const [POSITION, EXISTED, AMOUNT, META] = [0, 4, 8, 24];

/** A leaf's members that can change; undefined: there was no leaf. */
export type LeafImage = (PositionMeta & { readonly amount: bigint }) | undefined;

export class LeafImages {
  readonly records = new RecordTable(RECORD_BYTES);
  readonly #numbers = new Map<number, number>();

  get length(): number {
    return this.records.length;
  }

  has(position: number): boolean {
    return this.#numbers.has(position);
  }

  /** Undefined, too, where none was kept: ask `has` first. */
  get(position: number): LeafImage {
    const number = this.#numbers.get(position);
    return number === undefined ? undefined : this.at(number).image;
  }

  at(number: number): { position: number; image: LeafImage } {
    const [page, at] = [this.records.page(number), this.records.offset(number)];
    const position = page.readUInt32BE(at + POSITION);
    if (page[at + EXISTED] === 0) return { position, image: undefined };
    return { position, image: { amount: readU128At(page, at + AMOUNT), ...readMeta(page, at + META) } };
  }

  /** The leaf as it is now; undefined amount: there is none yet. The first image of a position stays. */
  keep(position: number, amount: bigint | undefined, positions: PositionStore): void {
    if (this.#numbers.has(position)) return;
    const number = this.records.append();
    const [page, at] = [this.records.page(number), this.records.offset(number)];
    page.writeUInt32BE(position, at + POSITION);
    if (amount !== undefined) {
      page[at + EXISTED] = 1;
      writeU128At(page, at + AMOUNT, amount);
      const from = positions.metaOffset(position);
      positions.records.page(position).copy(page, at + META, from, from + META_BYTES);
    }
    this.#numbers.set(position, number);
  }

  /** Another's image of a position, where there is none here yet. */
  copyFrom(other: LeafImages, number: number): void {
    const [source, from] = [other.records.page(number), other.records.offset(number)];
    const position = source.readUInt32BE(from + POSITION);
    if (this.#numbers.has(position)) return;
    const copy = this.records.append();
    source.copy(this.records.page(copy), this.records.offset(copy), from, from + RECORD_BYTES);
    this.#numbers.set(position, copy);
  }

  /** After the records were restored. */
  reindex(): void {
    for (let number = 0; number < this.records.length; number++)
      this.#numbers.set(this.at(number).position, number);
  }
}

export function sameImage(image: LeafImage, leaf: Leaf): boolean {
  return (
    image !== undefined &&
    image.amount === leaf.amount &&
    image.owner === leaf.owner &&
    image.validUntil === leaf.validUntil &&
    image.kind === leaf.kind &&
    image.quantity === leaf.quantity
  );
}
