/** Many messages at once, against the library that hashes one. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { keccak256, toHex } from "#proof";
import { digestAt, KeccakBatch, messageAt } from "../../src/proof/keccak-batch.ts";
import { BATCH_MESSAGES, BLOCK_BYTES } from "../../src/proof/keccak-module.ts";

function expectHashed(batch: KeccakBatch, messages: readonly Uint8Array[]): void {
  messages.forEach((message, place) => {
    batch.bytes.set(message, messageAt(place));
  });
  batch.hash(messages.length);
  messages.forEach((message, place) => {
    const digest = batch.bytes.subarray(digestAt(place), digestAt(place) + 32);
    expect(toHex(digest)).toBe(toHex(keccak256(message)));
  });
}

test("messages of every length that fits one block have the hashes of the library", () => {
  const bytes = fc.uint8Array({ minLength: BLOCK_BYTES, maxLength: BLOCK_BYTES });
  const messages = fc.sample(bytes, { numRuns: 3, seed: 7 });
  messages.push(new Uint8Array(BLOCK_BYTES), new Uint8Array(BLOCK_BYTES).fill(255));
  const batch = new KeccakBatch(new Uint8Array(0));
  for (let length = 0; length < BLOCK_BYTES; length++) {
    batch.shape(new Uint8Array(length));
    expectHashed(
      batch,
      messages.map((message) => message.subarray(0, length)),
    );
  }
  expect(() => batch.shape(new Uint8Array(BLOCK_BYTES))).toThrow(RangeError);
});

test("a full batch is hashed as one by one, what stands behind is left alone, and again with other messages", () => {
  const length = 97;
  const batch = new KeccakBatch(new Uint8Array(length));
  const message = fc.uint8Array({ minLength: length, maxLength: length });
  for (const seed of [1, 2]) expectHashed(batch, fc.sample(message, { numRuns: BATCH_MESSAGES, seed }));
  for (const odd of [1, BATCH_MESSAGES - 1])
    expectHashed(batch, fc.sample(message, { numRuns: odd, seed: odd }));
  const last = batch.bytes.slice(digestAt(BATCH_MESSAGES - 1), digestAt(BATCH_MESSAGES - 1) + 32);
  expectHashed(batch, fc.sample(message, { numRuns: 3, seed: 3 }));
  batch.hash(0);
  expect(batch.bytes.slice(digestAt(BATCH_MESSAGES - 1), digestAt(BATCH_MESSAGES - 1) + 32)).toEqual(last);
});
