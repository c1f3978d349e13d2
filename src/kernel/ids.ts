/** Ids and randomness are passed in, so that a test can replay them. */
import { randomFillSync } from "node:crypto";
import { v7 } from "uuid";

export interface Ids {
  /** A UUIDv7: grows with time, so that indexes stay dense. */
  uuid(): string;
  bytes(length: number): Uint8Array;
}

/** Random bytes drawn at a time: a call of the system's source costs ten times what the bytes of an id do. */
const POOL_BYTES = 8_192;
const UUID_BYTES = 16;
/** Half of what a UUIDv7 has room for, so that a millisecond's ids cannot overrun it. */
const SEQUENCE_MASK = 0x3fffffff;

function createSystemIds(): Ids {
  const pool = Buffer.alloc(POOL_BYTES);
  let at = POOL_BYTES;
  let lastMs = 0;
  let sequence = 0;

  const bytes = (length: number): Uint8Array => {
    if (length > POOL_BYTES) return randomFillSync(new Uint8Array(length));
    if (at + length > POOL_BYTES) {
      randomFillSync(pool);
      at = 0;
    }
    const drawn = new Uint8Array(pool.subarray(at, at + length));
    // Whoever reads this memory later learns nothing about what was given out.
    pool.fill(0, at, at + length);
    at += length;
    return drawn;
  };

  /** RFC 9562, 6.2, method 1: ids of one millisecond count on from a random place, so that each is above the one before. */
  const uuid = (): string => {
    const random = bytes(UUID_BYTES);
    const now = Date.now();
    if (now > lastMs) {
      lastMs = now;
      sequence = new DataView(random.buffer).getUint32(0) & SEQUENCE_MASK;
    } else sequence += 1;
    return v7({ msecs: lastMs, seq: sequence, random });
  };

  return { uuid, bytes };
}

export const systemIds: Ids = createSystemIds();
