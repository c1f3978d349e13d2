import { expect, test } from "vitest";
import { sharedBuffersMb } from "../../src/devstack/postgres.ts";

const GB = 1024 ** 3;

test.each([
  ["a small machine", 1, 512],
  ["a laptop", 16, 2_048],
  ["a large machine", 256, 4_096],
])("%s gives Postgres an eighth of its memory, within bounds", (_, memoryGb, expected) => {
  expect(sharedBuffersMb(memoryGb * GB)).toBe(expected);
});
