/** Leaves given as records, hashed many at a time. */
import type { Hex } from "./bytes.ts";
import { digestAt, KeccakBatch, messageAt } from "./keccak-batch.ts";
import { BATCH_MESSAGES } from "./keccak-module.ts";
import { encodeLeafDomain, LEAF_BYTES, LEAF_RECORD_BYTES } from "./leaf.ts";
import type { BytesAt } from "./node-level.ts";

const leaves = new KeccakBatch(new Uint8Array(LEAF_BYTES));
const RECORD_IN_LEAF = LEAF_BYTES - LEAF_RECORD_BYTES;

/** @param take is told of each, in order; its hash is there until it returns */
export function hashLeafRecords(
  domain: Hex,
  records: Uint8Array,
  take: (place: number, hash: BytesAt) => void,
): void {
  leaves.shape(encodeLeafDomain(domain));
  const count = records.length / LEAF_RECORD_BYTES;
  for (let first = 0; first < count; first += BATCH_MESSAGES) {
    const some = Math.min(BATCH_MESSAGES, count - first);
    for (let place = 0; place < some; place++) {
      const from = (first + place) * LEAF_RECORD_BYTES;
      leaves.bytes.set(records.subarray(from, from + LEAF_RECORD_BYTES), messageAt(place) + RECORD_IN_LEAF);
    }
    leaves.hash(some);
    for (let place = 0; place < some; place++)
      take(first + place, { bytes: leaves.bytes, at: digestAt(place) });
  }
}
