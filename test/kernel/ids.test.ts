import { expect, test } from "vitest";
import { systemIds } from "#kernel";

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("ids are UUIDs of version 7, each above the one before, also within a millisecond", () => {
  const ids = Array.from({ length: 20_000 }, () => systemIds.uuid());
  for (const id of ids) expect(id).toMatch(UUID_V7);
  expect(new Set(ids).size).toBe(ids.length);
  expect([...ids].sort()).toEqual(ids);
  const time = Number.parseInt((ids[0] ?? "").replaceAll("-", "").slice(0, 12), 16);
  expect(Math.abs(Date.now() - time)).toBeLessThan(60_000);
});

test("bytes are never given out twice, whatever is drawn at a time", () => {
  const lengths = [1, 16, 32, 100, 4_096, 8_192, 20_000];
  for (const length of lengths) expect(systemIds.bytes(length)).toHaveLength(length);
  const drawn = Array.from({ length: 5_000 }, () => Buffer.from(systemIds.bytes(24)).toString("hex"));
  expect(new Set(drawn).size).toBe(drawn.length);
  expect(drawn.filter((hex) => hex.includes("000000000000"))).toEqual([]);
});
