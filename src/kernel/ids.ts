/** Ids and randomness are passed in, so that a test can replay them. */
import { randomBytes } from "node:crypto";
import { v7 } from "uuid";

export interface Ids {
  /** A UUIDv7: grows with time, so that indexes stay dense. */
  uuid(): string;
  bytes(length: number): Uint8Array;
}

export const systemIds: Ids = {
  uuid: () => v7(),
  bytes: (length) => randomBytes(length),
};
