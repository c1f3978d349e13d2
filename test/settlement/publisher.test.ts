/** What is written aside while an epoch closes: all of it or nothing, published once, and nobody's leftovers. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Hex, SECTIONS } from "#proof";
import { type EpochText, Publisher } from "../../src/settlement/publisher.ts";

let folder: string;
let publisher: Publisher;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "anchorbook-publisher-"));
  publisher = new Publisher(folder);
});
afterEach(() => rmSync(folder, { recursive: true }));

const hash = (digit: string): Hex => `0x${digit.repeat(64)}`;
const epoch = (headerHash: Hex) => ({ book: 1, epoch: 1, headerHash, journalFrom: 0, journalTo: 1 });
/** Nothing here has to be read from it. */
const nowhere = { query: () => Promise.reject(new Error("Postgres was asked")) };

function text(journal: Iterable<string>): EpochText<Iterable<string>> {
  const leaves = Object.fromEntries(SECTIONS.map((section) => [section, [`${section}\n`]]));
  return { leaves: leaves as Record<(typeof SECTIONS)[number], string[]>, journal };
}

const written = (line: string) => publisher.writeAside(1, text([`${line}\n`]));
const journalOf = (headerHash: Hex) => readFileSync(join(folder, headerHash, "journal.ndjson"), "utf8");

it("leaves nothing of what could not be written to its end", async () => {
  function* torn(): Generator<string> {
    yield "a line\n";
    throw new Error("no space left on device");
  }
  expect(await publisher.writeAside(1, text(torn()))).toBeNull();
  expect(readdirSync(folder)).toEqual([]);
});

it("leaves nothing of an epoch that was closed and, before it was published, gave way to another", async () => {
  await publisher.remember(hash("1"), await written("first"));
  await publisher.remember(hash("2"), await written("second"));
  expect(readdirSync(folder)).toHaveLength(1);
  await expect(publisher.publish(nowhere, epoch(hash("1")))).rejects.toThrow("Postgres was asked");
  await publisher.publish(nowhere, epoch(hash("2")));
  expect(journalOf(hash("2"))).toBe("second\n");
});

it("leaves what is published as it is, and nothing beside it", async () => {
  await publisher.remember(hash("1"), await written("first"));
  await publisher.publish(nowhere, epoch(hash("1")));
  await publisher.remember(hash("1"), await written("again"));
  await publisher.publish(nowhere, epoch(hash("1")));
  expect(readdirSync(folder)).toEqual([hash("1")]);
  expect(journalOf(hash("1"))).toBe("first\n");
});

it("writes it from Postgres where what was published is lost later", async () => {
  await publisher.remember(hash("1"), await written("first"));
  await publisher.publish(nowhere, epoch(hash("1")));
  rmSync(join(folder, hash("1")), { recursive: true });
  await expect(publisher.publish(nowhere, epoch(hash("1")))).rejects.toThrow("Postgres was asked");
});

it("sweeps what one book left, and what was half swept, and no other's", async () => {
  for (const name of ["closing-1-a", "closing-1-b.gone", "closing-10-a", hash("1")])
    mkdirSync(join(folder, name));
  await publisher.sweep(1);
  expect(readdirSync(folder).toSorted()).toEqual([hash("1"), "closing-10-a"]);
});
