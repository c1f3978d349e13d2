/**
 * The auditor's flat memory against `ReplayState`, which says the same with
 * objects: line by line, epoch by epoch, through a file and back, and with epochs
 * taken back.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type JournalLine, type Leaf, ReplayError, ReplayState, SECTIONS } from "#proof";
import { BookReplay } from "../../../src/cli/audit/store/book-replay.ts";
import { DamagedState, loadState, saveState, stateFile } from "../../../src/cli/audit/store/state-file.ts";
import { createRandom, type Random } from "../../support/random.ts";
import { JournalWriter } from "../../support/written-book/journal-writer.ts";

const folder = mkdtempSync(join(tmpdir(), "anchorbook-audit-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function linesOf(count: number, seed: number): JournalLine[] {
  const writer = new JournalWriter(40, seed);
  return Array.from({ length: count }, () => writer.next());
}

/** A line as it could stand in its place, but for one thing. */
function spoiled(line: JournalLine, random: Random, lines: readonly JournalLine[]): JournalLine {
  const other = random.pick(lines);
  const changes: Record<string, unknown>[] = [
    { seq: line.seq + 1n },
    { asset: "GIGS" },
    { amount: 2n ** 128n - 1n },
    { debit: "credit" in line ? line.credit : "x" },
    { pendingId: "nothing", phase: "post" },
    { id: "id" in other ? other.id : "x", phase: "pending" },
    { index: 7_777n },
    { key: "key" in other ? other.key : `0x${"77".repeat(32)}` },
    { section: "stakes" },
    { owner: `0x${"12".repeat(20)}` },
    { kind: "closing", account: "account" in other ? other.account : "nobody" },
    { kind: "closing", account: "credit" in other ? other.credit : "nobody" },
  ];
  return { ...line, ...random.pick(changes) } as JournalLine;
}

function outcome(apply: () => void): string {
  try {
    apply();
    return "";
  } catch (error) {
    if (!(error instanceof ReplayError)) throw error;
    return error.message;
  }
}

const leavesOf = (replay: BookReplay) => SECTIONS.map((section) => [...replay.leaves(section)]);
const leavesAt = (replay: BookReplay, epoch: bigint) =>
  SECTIONS.map((section) => [...replay.leavesAt(epoch, section)]);
const plainLeaves = (state: ReplayState) => SECTIONS.map((section) => state.leaves("TST", section));

function closed(replay: BookReplay, epoch: bigint): Leaf[][] {
  const changed = replay.closeEpoch(epoch);
  return SECTIONS.map((section) => [...changed[section]].map((position) => replay.leaf(position)));
}

function replayed(lines: readonly JournalLine[]): BookReplay {
  const replay = new BookReplay("TST");
  for (const line of lines) replay.apply(line);
  return replay;
}

describe("the auditor's memory", () => {
  it.each([1, 2, 3])("says the same as the plain replay of random journals (%i)", (seed) => {
    const random = createRandom(seed);
    const [flat, plain] = [new BookReplay("TST"), new ReplayState()];
    let epoch = 0n;
    for (const line of linesOf(4_000, seed)) {
      flat.apply(line);
      plain.apply(line);
      if (!random.chance(0.01)) continue;
      epoch += 1n;
      expect(closed(flat, epoch)).toEqual(Object.values(plain.closeEpoch("TST")));
    }
    expect(leavesOf(flat)).toEqual(plainLeaves(plain));
    expect(flat.accounts.holds.size).toBe(plain.openHolds);
    expect(flat.undo).toHaveLength(Number(epoch));
  });

  it("refuses the lines that the plain replay refuses, in the same words", () => {
    const random = createRandom(5);
    const lines = linesOf(250, 5);
    const messages = new Set<string>();
    for (let round = 0; round < 600; round++) {
      const at = random.below(lines.length);
      const [flat, plain] = [new BookReplay("TST"), new ReplayState()];
      for (const line of lines.slice(0, at)) {
        flat.apply(line);
        plain.apply(line);
      }
      const line = spoiled(lines[at] as JournalLine, random, lines.slice(0, at + 1));
      const said = outcome(() => flat.apply(line));
      expect(said).toBe(outcome(() => plain.apply(line)));
      messages.add(said.replaceAll(/\d[\w-]*/g, "N"));
    }
    expect(messages.size).toBeGreaterThan(12);
  });

  it("goes on from a file as if it had never stopped", async () => {
    const lines = linesOf(3_000, 7);
    const whole = new BookReplay("TST");
    let kept = new BookReplay("TST");
    for (const [at, line] of lines.entries()) {
      whole.apply(line);
      kept.apply(line);
      if (at % 500 === 499) {
        const epoch = BigInt(at + 1);
        // Numbers of epochs do not matter here, but that they follow each other does.
        expect(closed(kept, epoch)).toEqual(closed(whole, epoch));
        whole.settle(epoch);
        kept.settle(epoch);
      }
      if (at % 700 !== 699) continue;
      await saveState(stateFile(folder), kept, { at });
      const found = await loadState<{ at: number }>(stateFile(folder));
      expect(found?.memory).toEqual({ at });
      kept = found?.replay as BookReplay;
    }
    expect(leavesOf(kept)).toEqual(leavesOf(whole));
    expect(kept.accounts.holds).toEqual(whole.accounts.holds);
    expect([kept.nextSeq, kept.closedEpoch]).toEqual([whole.nextSeq, whole.closedEpoch]);
  });

  it("tells the leaves of every epoch that can be taken back, and takes them back", async () => {
    const lines = linesOf(2_000, 11);
    const replay = new BookReplay("TST");
    const states: Leaf[][][] = [leavesOf(replay)];
    for (const [at, line] of lines.entries()) {
      replay.apply(line);
      if (at % 200 !== 199) continue;
      replay.closeEpoch(BigInt(states.length));
      states.push(leavesOf(replay));
    }
    await saveState(stateFile(folder), replay, null);
    const loaded = (await loadState(stateFile(folder)))?.replay as BookReplay;
    for (const one of [replay, loaded])
      for (const [epoch, leaves] of states.entries()) expect(leavesAt(one, BigInt(epoch))).toEqual(leaves);
    loaded.reopen(6n);
    expect(leavesAt(loaded, 6n)).toEqual(states[6]);
    expect(leavesAt(loaded, 3n)).toEqual(states[3]);
    // Epoch 7 again, with the lines of all that came after the 6th.
    const again = closed(loaded, 7n);
    const expected = replayed(lines.slice(0, 1_200));
    expected.closeEpoch(6n);
    for (const line of lines.slice(1_200)) expected.apply(line);
    expect(again).toEqual(closed(expected, 7n));
    loaded.settle(6n);
    expect(() => leavesAt(loaded, 5n)).toThrow("not kept");
  });
});

describe("the file of the auditor's memory", () => {
  it("is not believed where any byte of it changed, or its end is missing", async () => {
    const path = join(folder, "damaged");
    await saveState(path, replayed(linesOf(600, 3)), { epochs: 3 });
    const whole = readFileSync(path);
    const random = createRandom(4);
    for (let round = 0; round < 30; round++) {
      const changed = Buffer.from(whole);
      const at = round < 15 ? round : random.below(whole.length);
      changed[at] = (changed[at] as number) ^ (1 << random.below(8));
      writeFileSync(path, changed);
      await expect(loadState(path), `byte ${at}`).rejects.toThrow(DamagedState);
      writeFileSync(path, whole.subarray(0, random.below(whole.length)));
      await expect(loadState(path)).rejects.toThrow(/audit from the beginning/);
    }
    writeFileSync(path, Buffer.concat([whole, Buffer.alloc(5)]));
    await expect(loadState(path)).rejects.toThrow(DamagedState);
    writeFileSync(path, whole);
    expect((await loadState(path))?.memory).toEqual({ epochs: 3 });
    expect(await loadState(join(folder, "nothing"))).toBeNull();
  });

  it("says what is wrong with it by its digest first", async () => {
    const path = join(folder, "order");
    await saveState(path, replayed(linesOf(60, 3)), {});
    const changed = readFileSync(path);
    const place = changed.indexOf('"byte_order":"') + '"byte_order":"'.length;
    changed[place] = changed[place] === 0x4c ? 0x42 : 0x4c;
    writeFileSync(path, changed);
    await expect(loadState(path)).rejects.toThrow("its digest does not hold");
    createHash("sha256")
      .update(changed.subarray(0, -32))
      .digest()
      .copy(changed, changed.length - 32);
    writeFileSync(path, changed);
    await expect(loadState(path)).rejects.toThrow("written on a machine of another byte order");
  });
});
