/** What the auditor of a journal in which an announced change was completed says of the old wallet's objections. */
import { describe, expect, it } from "vitest";
import { linkReference, WALLET_DELAY_SECONDS } from "#proof";
import type { ChainEvent } from "../../../src/cli/audit/chain-events.ts";
import type { Lie } from "../../../src/cli/audit/checks.ts";
import { OBJECTIONS, type ObjectionCase } from "../../wallets/objection-cases.ts";
import { addressOf, anna, ben, HOUR, keyOf, lie, link, Scene, START } from "./rule-scene.ts";

const ANNOUNCED = START + 20n * HOUR;
const ANCHORED = ANNOUNCED + HOUR;
const DUE = ANCHORED + WALLET_DELAY_SECONDS;
/** A block a second. */
const timeOf = async (block: number) => START + BigInt(block);
const blockAt = (time: bigint) => Number(time - START);

/** Anna's wallet, and a journal that is to announce another one. */
class Change extends Scene {
  static async linked(): Promise<Change> {
    const scene = new Change();
    scene.linked();
    scene.committedAt(START);
    await scene.close();
    scene.time = ANNOUNCED - 1n;
    return scene;
  }

  committedAt(time: bigint): void {
    this.closing = { committed: blockAt(time), timeOf };
  }

  objection(time: bigint, wallet = anna): Promise<ChainEvent> {
    return this.event("WalletCancelled", { key: keyOf("anna"), wallet: addressOf(wallet) }, blockAt(time));
  }

  announce(number = 2n): this {
    this.time = ANNOUNCED;
    const members = { previous: addressOf(anna), number, deadline: ANNOUNCED };
    return this.position("anna", "balances", {
      owner: addressOf(anna),
      signatures: [link(ben, "anna", members)],
    });
  }

  async anchor(): Promise<void> {
    this.committedAt(ANCHORED);
    await this.close({ epoch: 2n });
    this.time = DUE;
  }

  complete(number = 2n): this {
    return this.position("anna", "balances", {
      owner: addressOf(ben),
      signatures: [linkReference(keyOf("anna"), number)],
    });
  }

  async end(): Promise<void> {
    this.committedAt(DUE);
    await this.close({ epoch: 3n });
  }
}

async function completedAfter({ at, line, by }: ObjectionCase): Promise<void> {
  const scene = await Change.linked();
  const time = "fromDue" in at ? DUE + BigInt(at.fromDue) : ANNOUNCED + BigInt(at.fromAnnouncement);
  const objection = await scene.objection(time, by === "old" ? anna : ben);
  if (line === "before the announcement") scene.line(objection);
  scene.announce();
  const isLate = time >= ANCHORED;
  if (line === "behind it" && !isLate) scene.line(objection);
  await scene.anchor();
  if (line === "behind it" && isLate) scene.line(objection);
  await scene.complete().kept().end();
}

describe("an announced change that was completed", () => {
  it.each(OBJECTIONS)("with an objection $name", async (found) => {
    if (found.stands) return completedAfter(found);
    const told = await lie(() => completedAfter(found));
    expect(told.check).toBe("owners");
    expect(told.message).toMatch(/nor announced any more|has cancelled on-chain in block/);
  });

  const silent = async (): Promise<Change> => {
    const scene = await Change.linked();
    scene.announce();
    await scene.anchor();
    return scene;
  };
  const cancelled = (found: Lie) => {
    expect(found).toMatchObject({ check: "owners", place: { epoch: 3n } });
    expect(found.message).toContain("has cancelled on-chain in block");
  };

  it("has the line of an objection before it, and not in the same epoch behind it", async () => {
    const scene = await silent();
    const objection = await scene.objection(DUE - 1n);
    scene.complete().kept().line(objection);
    // Of two the earlier one counts, whichever has its line first.
    scene.line(await scene.objection(DUE + 1n)).kept();
    cancelled(await lie(() => scene.end()));
    const late = await silent();
    late.complete().line(await late.objection(DUE));
    await late.end();
  });

  it("is objected to in the very last second, not when it is due, and by nobody else", async () => {
    const scene = await silent();
    await scene.objection(DUE - 1n);
    scene.complete();
    cancelled(await lie(() => scene.end()));
    const late = await silent();
    await late.objection(DUE - 1n, ben);
    await late.objection(DUE);
    await late.complete().end();
  });

  it("is objected to in time also where another objection without a line comes the moment it is due", async () => {
    const scene = await silent();
    const inTime = await scene.objection(DUE - 1n);
    scene.complete().line(inTime);
    await scene.objection(DUE);
    cancelled(await lie(() => scene.end()));
  });

  it("is objected to behind a stranger's event that has no line either", async () => {
    const scene = await silent();
    await scene.objection(DUE - 3n, ben);
    await scene.objection(DUE - 2n);
    scene.complete();
    cancelled(await lie(() => scene.end()));
  });

  it("is due by the first epoch that holds it, however many follow", async () => {
    const scene = await silent();
    scene.committedAt(DUE - HOUR);
    await scene.close({ epoch: 3n });
    scene.complete().committedAt(DUE);
    await scene.close({ epoch: 4n });
  });

  it("is objected to as long as the objection is on the chain", async () => {
    const scene = await silent();
    const objection = await scene.objection(DUE - 1n);
    scene.complete();
    cancelled(await lie(() => scene.end()));
    // It comes again in a later block, and then not at all.
    await scene.chain([{ ...objection, block: blockAt(DUE) - 2 }]);
    cancelled(await lie(() => scene.end()));
    await scene.chain([{ ...objection, block: blockAt(DUE) }]);
    await scene.end();
    const again = await silent();
    await again.objection(DUE - 1n);
    await again.complete().chain([]);
    await again.end();
  });

  it("is objected to by what was said before it was announced and has no line since", async () => {
    const scene = await Change.linked();
    await scene.objection(ANNOUNCED - 1n);
    scene.announce();
    // The chain stands still: nothing on it is final.
    const closing = { timeOf: async (block: number) => (block > blockAt(DUE) ? null : timeOf(block)) };
    scene.committedAt(ANCHORED);
    scene.closing = { ...scene.closing, ...closing, depth: Number(WALLET_DELAY_SECONDS * 2n) };
    await scene.close({ epoch: 2n });
    scene.time = DUE;
    scene.complete().closing = { ...scene.closing, committed: blockAt(DUE) };
    cancelled(await lie(() => scene.close({ epoch: 3n })));
  });

  it("stands where an objection to an earlier one had ended that, and ends with another objection", async () => {
    for (const again of [false, true]) {
      const scene = await Change.linked();
      scene.announce();
      scene.line(await scene.objection(ANNOUNCED - 1n));
      scene.announce(3n);
      if (again) scene.line(await scene.objection(ANNOUNCED + 1n));
      await scene.anchor();
      const end = () => scene.complete(3n).end();
      if (again) expect((await lie(end)).message).toContain("nor announced any more");
      else await end();
    }
  });
});
