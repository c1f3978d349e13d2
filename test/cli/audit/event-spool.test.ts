/** Events that an auditor keeps on disk for one run: in order, as often as wanted, and without a trace. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, it } from "vitest";
import type { Hex } from "#proof";
import type { ChainEvent } from "../../../src/cli/audit/chain-events.ts";
import { EventSpool } from "../../../src/cli/audit/store/event-spool.ts";

const folder = mkdtempSync(join(tmpdir(), "anchorbook-spool-"));
let spool: EventSpool;
beforeEach(() => {
  spool?.close();
  spool = new EventSpool(folder);
});
afterAll(() => {
  spool.close();
  rmSync(folder, { recursive: true, force: true });
});

const hash = (number: number): Hex => `0x${number.toString(16).padStart(64, "0")}`;
/** Some have letters of several bytes, and one is longer than a piece of the file. */
const event = (number: number): ChainEvent => ({
  ...{ block: Math.floor(number / 3), blockHash: hash(1), txHash: hash(number), logIndex: number % 3 },
  name: "EntryMade",
  args: { seq: `${number}`, ref: number === 777 ? "ü\n".repeat(200_000) : "Größe 😀".repeat(number % 5) },
});
const fill = (from: number, to: number) => {
  for (let number = from; number < to; number++) spool.append(event(number));
};
const expected = (to: number) => Array.from({ length: to }, (_, number) => event(number));

it("come back as they were put in, as often as they are read", () => {
  expect([...spool]).toEqual([]);
  fill(0, 3);
  expect([...spool]).toEqual(expected(3));
  fill(3, 3_000);
  expect([...spool]).toEqual(expected(3_000));
  const [some, others] = [spool[Symbol.iterator](), spool[Symbol.iterator]()];
  for (const { txHash } of expected(2_000)) {
    expect(some.next().value?.txHash).toBe(txHash);
    expect(others.next().value?.txHash).toBe(txHash);
  }
});

it("leave nothing in the folder, also while they are there", () => {
  fill(0, 3_000);
  expect(readdirSync(folder)).toEqual([]);
});

it.each([
  [0, 5, 10],
  [10, 20, 5_000],
  [10, 3_000, 3_000],
  [3_000, 3_001, 3_002],
  [3_000, 6_000, 10],
])(
  "are forgotten back to a mark: %i before it, up to %i behind it, then up to %i",
  (before, behind, then) => {
    fill(0, before);
    const mark = spool.mark();
    fill(before, behind);
    spool.rewind(mark);
    expect([...spool]).toEqual(expected(before));
    spool.rewind(mark);
    fill(before, then);
    expect([...spool]).toEqual(expected(Math.max(before, then)));
    spool.rewind();
    expect([...spool]).toEqual([]);
  },
);
