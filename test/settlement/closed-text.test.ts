/** What closing an epoch keeps for publishing it: all of its text or nothing. */
import { expect, test } from "vitest";
import { ClosedText } from "../../src/settlement/closed-text.ts";

test("has the files of the lines that went by, and of no others", () => {
  const text = new ClosedText();
  text.addLines(4, ["a", "b"]);
  text.addLines(6, ["c"]);
  text.addLeaves("locks", "leaf 0\n");
  text.addLeaves("locks", "leaf 1\n");
  const files = text.files(4, 7);
  expect(files?.journal.join("")).toBe("a\nb\nc\n");
  expect(files?.leaves.locks.join("")).toBe("leaf 0\nleaf 1\n");
  expect(files?.leaves.stakes).toEqual([]);
  for (const [from, to] of [
    [3, 7],
    [4, 6],
    [5, 7],
    [4, 8],
    [7, 7],
  ] as const)
    expect(text.files(from, to)).toBeNull();
});

test("has nothing where lines are missing in between, where it grew too large, or where an epoch has no line", () => {
  const gap = new ClosedText();
  gap.addLines(0, ["a"]);
  gap.addLines(2, ["c"]);
  expect(gap.files(0, 3)).toBeNull();
  const large = new ClosedText();
  large.addLines(0, ["a"]);
  for (let piece = 0; piece < 70; piece++) large.addLeaves("balances", "x".repeat(2 ** 20));
  expect(large.files(0, 1)).toBeNull();
  expect(new ClosedText().files(5, 5)).toMatchObject({ journal: [] });
  expect(new ClosedText().files(4, 5)).toBeNull();
});
