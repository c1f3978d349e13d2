/** Messages of one shape, hashed many at a time: written into memory in place, hashed in one call, read in place. */
import {
  BATCH_MESSAGES,
  BLOCK_BYTES,
  BLOCKS_AT,
  DIGEST_BYTES,
  DIGESTS_AT,
  startKeccak,
} from "./keccak-module.ts";

export class KeccakBatch {
  /** All messages and digests. */
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly view: DataView;
  readonly #hash: (count: number) => void;

  /** @param shape a message as all begin; below 136 bytes */
  constructor(shape: Uint8Array) {
    const { memory, hash } = startKeccak();
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Uint32Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.#hash = hash;
    this.shape(shape);
  }

  /** Makes all messages begin anew. */
  shape(shape: Uint8Array): void {
    if (shape.length >= BLOCK_BYTES) throw new RangeError("a message of a batch has to fit one block");
    const block = new Uint8Array(BLOCK_BYTES);
    block.set(shape);
    block[shape.length] = 0x01;
    block[BLOCK_BYTES - 1] = (block[BLOCK_BYTES - 1] ?? 0) | 0x80;
    for (let place = 0; place < BATCH_MESSAGES; place++) this.bytes.set(block, messageAt(place));
  }

  /** Of the first `count` messages. */
  hash(count: number): void {
    this.#hash(count);
  }
}

/** Where a message begins; what follows its first byte, and its first 33, is at a word. */
export function messageAt(place: number): number {
  return BLOCKS_AT + place * BLOCK_BYTES;
}

/** Where its digest is; at a word. */
export function digestAt(place: number): number {
  return DIGESTS_AT + place * DIGEST_BYTES;
}
