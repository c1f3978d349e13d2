/** Lines of chain events: each with its event, and in every epoch that has to have it. */
import { describe, expect, it } from "vitest";
import type { Header } from "#proof";
import type { ChainEvent } from "../../../src/cli/audit/chain-events.ts";
import { LineRules } from "../../../src/cli/audit/rules/line-rules.ts";
import {
  addressOf,
  anna,
  BOOK,
  ben,
  bookAt,
  DAY,
  HOUR,
  keyOf,
  LAST_BLOCK,
  lie,
  Scene,
  START,
  timeOf,
} from "./rule-scene.ts";

describe("lines of chain events", () => {
  it("stand for an event each, once", async () => {
    const scene = new Scene();
    const event = await scene.event("WalletCancelled", { key: keyOf("x"), wallet: addressOf(anna) });
    expect(await lie(() => scene.line({ ...event, txHash: keyOf("other") }))).toMatchObject({
      check: "chain_lines",
      place: { line: 1n },
    });
    expect((await lie(() => scene.line(event, { event: "Claimed" }))).message).toContain(
      "says Claimed in block 1, the chain WalletCancelled",
    );
    expect((await lie(() => scene.line(event, { block: 7n }))).message).toContain("in block 7");
    scene.line(event);
    expect((await lie(() => scene.kept().line(event))).message).toContain("has its line already: 1");
  });

  it("stand for no event of a later block than the commit of their epoch, also where that is known already", async () => {
    const scene = new Scene();
    const event = await scene.event("WalletCancelled", { key: keyOf("x"), wallet: addressOf(anna) }, 3);
    const { txHash, name } = event;
    const place = { seq: 1n, time: scene.time, block: 3n, txHash, logIndex: 0n };
    const line = { kind: "chain", ...place, event: name } as const;
    expect((await lie(() => scene.rules.apply(line, 2))).message).toContain("is not on the chain");
    await scene.close();
    expect((await lie(() => scene.rules.apply(line, 2))).message).toContain(
      "says WalletCancelled in block 3, and its epoch was committed in block 2",
    );
    scene.rules.apply(line, 3);
  });

  it("stand for an event each also after it is read again", async () => {
    const scene = new Scene();
    const event = await scene.event("WalletCancelled", { key: keyOf("x"), wallet: addressOf(anna) });
    scene.line(event);
    expect(scene.rules.toJson().chain.taken).toHaveLength(1);
    await scene.event("WalletCancelled", { key: keyOf("y"), wallet: addressOf(anna) });
    expect((await lie(() => scene.line(event))).message).toContain("has its line already: 1");
    // Nobody remembers what the chain cannot take back; an event that is gone from it has no second line either.
    scene.rules.moveCursor(1);
    expect(scene.rules.toJson().chain.taken).toEqual([]);
    expect((await lie(() => scene.line(event))).message).toContain("is not on the chain, or has its line");
  });

  it("are known by a place in the chain where it stays, and one by one where it may not", async () => {
    const scene = new Scene();
    const cancel = (name: string) =>
      scene.event("WalletCancelled", { key: keyOf(name), wallet: addressOf(anna) });
    const events = [await cancel("a"), await cancel("b"), await cancel("c"), await cancel("d")];
    const [first, late, third, newest] = events as [ChainEvent, ChainEvent, ChainEvent, ChainEvent];
    scene.line(first).line(third).line(newest);
    scene.rules.chain.settle(3);
    expect(scene.rules.chain.taken).toBe(1);
    // All are read again, by another process.
    scene.kept();
    expect(scene.rules.chain.waiting).toBe(1);
    for (const event of [first, third])
      expect((await lie(() => scene.line(event))).message).toContain("is not on the chain, or has its line");
    expect((await lie(() => scene.line(newest))).message).toContain("has its line already: 3");
    scene.line(late).kept();
    expect((await lie(() => scene.line(late))).message).toContain("has its line already: 4");
    expect(scene.rules.chain.waiting).toBe(0);
    expect((await lie(() => scene.chain([first, late, third]))).place).toEqual({ line: 3n });
  });

  it("of other books are left to whoever audits those, and nothing of this book follows from them", async () => {
    const scene = new Scene();
    const args = { seq: "1", depositor: addressOf(anna), section: "0", amount: "7" };
    const event = await scene.event("EntryMade", args);
    const elsewhere = { chainId: BOOK.chainId, registry: addressOf(ben) };
    scene.line(event, { txHash: keyOf("elsewhere"), book: elsewhere });
    scene.line(event, { book: { chainId: BOOK.chainId + 1n, registry: BOOK.registry } });
    expect([scene.rules.chain.lines, scene.kept().rules.chain.others]).toEqual([0, 2]);
    const found = await lie(() => scene.move("custody", "anna", 7n, "entry_credit"));
    expect(found.message).toContain("without the line of its chain event");
    scene.line(event, { book: { chainId: BOOK.chainId, registry: BOOK.registry } });
    expect([scene.rules.chain.lines, scene.rules.chain.others]).toEqual([1, 2]);
  });

  it("are those of other books where the book has no tokens", async () => {
    const scene = new Scene();
    scene.rules = new LineRules(scene.replay, { ...BOOK, anchorsOnly: true });
    const event = await scene.event("EntryMade", {
      seq: "1",
      depositor: addressOf(anna),
      section: "0",
      amount: "7",
    });
    await scene.line({ ...event, txHash: keyOf("elsewhere") }).close();
  });

  describe("of an event that was final", () => {
    const cancelled = { key: keyOf("x"), wallet: addressOf(anna) };
    /** The block above one is final as soon as it is there. */
    const final = (block: number) => START + BigInt(block + 1) * HOUR;
    const epoch = { epoch: 7n };

    it("may be written late, where no epoch closed an hour after that without them", async () => {
      const scene = new Scene();
      const event = await scene.event("WalletCancelled", cancelled);
      await scene.close({ ...epoch, closedAt: final(1) + HOUR });
      // Server or node were away for two days.
      scene.time = START + 2n * DAY;
      await scene.kept().line(event).kept().close();
      expect(scene.rules.chain.lines).toBe(1);
      await scene.rules.nothingMissing({ closedAt: scene.time + DAY } as Header, bookAt(START), 1, timeOf);
    });

    it("are in every epoch that closed more than an hour later", async () => {
      const scene = new Scene();
      const { txHash } = await scene.event("WalletCancelled", cancelled);
      const closedAt = final(1) + HOUR + 1n;
      const found = await lie(() => scene.kept().close({ ...epoch, closedAt }));
      expect([found.check, found.message]).toEqual([
        "chain_lines",
        `epoch 7: WalletCancelled of block 1 (${txHash}, log 0) was final at ${final(1)}, ` +
          `and the epoch closed at ${closedAt}, more than an hour later, without its line`,
      ]);
    });

    it("are in the very epoch, and not only in one that follows", async () => {
      const scene = new Scene();
      const events = [await scene.event("WalletCancelled", cancelled), await scene.event("Claimed", {})];
      scene.time = START + DAY;
      // The first has its line in the middle of the epoch, and the auditor was started anew behind it.
      scene.line(events[0] as ChainEvent).kept();
      expect((await lie(() => scene.close(epoch))).message).toContain("epoch 7: Claimed of block 2 ");
    });

    it("are missed also where the event is older than what is read of the chain", async () => {
      const scene = new Scene();
      const event = await scene.event("WalletCancelled", cancelled);
      // What stands behind it has its line.
      scene.line(await scene.event("WalletCancelled", cancelled)).rules.moveCursor(2);
      await scene.kept().chain([], 2);
      expect((await lie(() => scene.close({ closedAt: START + DAY }))).message).toContain("without its line");
      scene.time = START + DAY;
      await scene.line(event).close();
    });

    it("are asked for by where the event stands after a reorg, and not of an event that is gone", async () => {
      const scene = new Scene();
      const event = await scene.event("WalletCancelled", cancelled);
      const again = { ...event, block: 6 };
      await scene.chain([again]);
      await scene.kept().close({ closedAt: final(6) + HOUR });
      const late = { closedAt: final(6) + HOUR + 1n };
      expect((await lie(() => scene.close(late))).message).toContain("WalletCancelled of block 6 ");
      await scene.chain([]);
      await scene.close(late);
    });

    it("need not be there while it is not final, however long ago it was", async () => {
      const scene = new Scene();
      await scene.event("WalletCancelled", cancelled, LAST_BLOCK);
      // No block stands on it for a day: the chain stood still.
      await scene.close({ closedAt: final(LAST_BLOCK) + DAY });
    });

    it("need not be there of a demand that was served: its position stays bound for it", async () => {
      const scene = new Scene();
      await scene.event("DemandServed", { section: "0", index: "0", key: keyOf("anna"), epoch: "1" });
      await scene.close({ closedAt: START + DAY });
      await scene.event("WalletCancelled", cancelled);
      expect((await lie(() => scene.close({ closedAt: START + DAY }))).message).toContain("of block 2 ");
    });
  });

  it("are not of events that the chain took back", async () => {
    const scene = new Scene();
    scene.line(await scene.event("WalletCancelled", { key: keyOf("x"), wallet: addressOf(anna) })).kept();
    expect(await lie(() => scene.rules.takeEvents([], 0))).toMatchObject({
      check: "chain_lines",
      place: { line: 1n },
    });
  });
});
