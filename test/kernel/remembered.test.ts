import { expect, test } from "vitest";
import { Remembered } from "#kernel";

test("what was used last is remembered, within the bound, and the rest is gone", () => {
  const remembered = new Remembered<number, string>(10);
  for (let key = 0; key < 100; key++) remembered.set(key, `value ${key}`);
  const isKnown = (key: number) => remembered.get(key) === `value ${key}`;
  expect(Array.from({ length: 90 }, (_, key) => key).filter(isKnown)).toEqual([]);
  expect([95, 96, 97, 98, 99].filter(isKnown)).toEqual([95, 96, 97, 98, 99]);
});

test("what is asked for again and again stays, whatever comes beside it", () => {
  const remembered = new Remembered<string, number>(4);
  remembered.set("kept", 1);
  for (let other = 0; other < 50; other++) {
    remembered.set(`other ${other}`, other);
    expect(remembered.get("kept")).toBe(1);
  }
});

test("a key has its newest value", () => {
  const remembered = new Remembered<string, number>(2);
  for (const value of [1, 2, 3]) remembered.set("key", value);
  expect(remembered.get("key")).toBe(3);
});
