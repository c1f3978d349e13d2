/**
 * Numbers found by a hash, in four bytes a slot: which number belongs to what is
 * the caller's to compare. Open addressing; it grows by doubling and is never
 * stored, but filled again from what it is over.
 */
const FREE = 0;
const FIRST_SLOTS = 1_024;
/** A table that is fuller than this share is slow. */
const FULLEST = 0.6;

export class HashTable {
  /** A number plus 1; 0 is free. */
  #slots = new Uint32Array(FIRST_SLOTS);
  #used = 0;
  readonly #hashOf: (number: number) => number;

  /** @param hashOf the 32-bit hash of a number that is in the table, for growing */
  constructor(hashOf: (number: number) => number) {
    this.#hashOf = hashOf;
  }

  get bytes(): number {
    return this.#slots.byteLength;
  }

  /** The number under this hash that `equals`, or -1. */
  find(hash: number, equals: (number: number) => boolean): number {
    const mask = this.#slots.length - 1;
    for (let at = spread(hash) & mask; ; at = (at + 1) & mask) {
      const slot = this.#slots[at] as number;
      if (slot === FREE) return -1;
      if (equals(slot - 1)) return slot - 1;
    }
  }

  /** The caller has looked: it is not there yet. */
  add(hash: number, number: number): void {
    if (this.#used + 1 > this.#slots.length * FULLEST) this.#grow();
    this.#put(hash, number);
    this.#used++;
  }

  #put(hash: number, number: number): void {
    const mask = this.#slots.length - 1;
    let at = spread(hash) & mask;
    while (this.#slots[at] !== FREE) at = (at + 1) & mask;
    this.#slots[at] = number + 1;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (const slot of old) if (slot !== FREE) this.#put(this.#hashOf(slot - 1), slot - 1);
  }
}

/** Every bit of the hash reaches the lowest bits, which choose the slot. */
function spread(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** 32 bits of FNV-1a over some bytes, from a start that nobody outside knows, so that nobody can make ids collide. */
export function hashBytes(bytes: Uint8Array, from: number, to: number, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return hash >>> 0;
}
