/** A written book with all that an auditor needs: a chain, the contracts, the server; and its end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Chain, connectChain, deployContracts } from "#infra";
import { type Anvil, startAnvil } from "../anvil.ts";
import { BLOCK_GAS } from "./bulk-deposits.ts";
import { type ServedBook, serveBook } from "./serve-book.ts";
import { type BookPlan, WrittenBook } from "./written-book.ts";

/** Made-up users have little. */
const MINIMUM_EXIT = 1_000n;

export interface BookStand {
  readonly anvil: Anvil;
  readonly chain: Chain;
  readonly book: WrittenBook;
  readonly served: ServedBook;
  close(): Promise<void>;
}

/** @param onEpoch told after each epoch how many lines there are */
export async function standBook(
  plan: BookPlan,
  onEpoch: (lines: number) => void = () => {},
): Promise<BookStand> {
  const ends: (() => unknown)[] = [];
  const close = async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  };
  try {
    const folder = mkdtempSync(join(tmpdir(), "anchorbook-written-"));
    ends.push(() => rmSync(folder, { recursive: true, force: true }));
    // It would keep the whole state of every block.
    const anvil = await startAnvil(["--prune-history", "--gas-limit", `${BLOCK_GAS}`]);
    ends.push(() => anvil.stop());
    const chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
    ends.push(() => chain.close());
    const record = await deployContracts(chain, {
      windowSeconds: 0,
      attesters: [],
      minimumExit: MINIMUM_EXIT,
    });
    const book = new WrittenBook(folder, chain, record, plan);
    const each = Math.ceil(plan.lines / plan.epochs);
    const { entries = 0 } = plan;
    // Before the first epoch is final the registry takes none.
    const entriesEach = Math.ceil(entries / Math.max(1, plan.epochs - 1));
    let entered = 0;
    for (let written = 0; written < plan.lines; written += each) {
      const now = written === 0 ? 0 : Math.min(entriesEach, entries - entered);
      await book.writeEpoch(Math.min(each, plan.lines - written), {}, now);
      entered += now;
      onEpoch(Math.min(written + each, plan.lines));
    }
    const served = await serveBook(book);
    ends.push(() => served.close());
    return { anvil, chain, book, served, close };
  } catch (error) {
    await close();
    throw error;
  }
}
