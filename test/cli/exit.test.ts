/**
 * Leaving without the operator: the server is gone, the data is what an audit
 * kept, the chain is real and its clock is moved.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contractAt } from "#infra";
import { headerHash, SECTIONS } from "#proof";
import { cli } from "../settlement/audit-world.ts";
import { startLyingNode } from "../support/lying-proxy.ts";
import { mined } from "../support/mined.ts";
import { type BookStand, standBook } from "../support/written-book/book-stand.ts";

const DAY = 86_400;
const KEYS = [`0x${"a1".repeat(32)}`, `0x${"b2".repeat(32)}`] as const;
const wallets = KEYS.map((key) => new Wallet(key));
const [first] = wallets as [Wallet];

const folder = mkdtempSync(join(tmpdir(), "anchorbook-exit-"));
const stands: BookStand[] = [];

interface Book extends BookStand {
  /** What an audit kept of it, before its server was shut down; and copies of what was published later. */
  readonly data: readonly string[];
  readonly keyFile: string;
}

let left: Book;
let entered: Book;

async function openBook(name: string): Promise<Book> {
  const stand = await standBook({ lines: 400, epochs: 3, users: 10, seed: 21, wallets });
  stands.push(stand);
  const { provider } = stand.chain;
  for (const { address } of wallets)
    await provider.send("anvil_setBalance", [address, "0x56bc75e2d63100000"]);
  const data = join(folder, name);
  const audited = await cli("audit", "--api", stand.served.url, "--rpc", stand.anvil.rpcUrl, "--state", data);
  expect(audited.out).toContain("valid: 3 epochs, 400 journal lines");
  await stand.served.close();
  const keyFile = join(folder, `${name}.key`);
  writeFileSync(keyFile, `${KEYS[0]}\n`, { mode: 0o600 });
  return { ...stand, data: [data], keyFile };
}

/** One epoch more, which nobody audits. @returns a copy of its files alone */
async function publishOneMore({ book }: Book): Promise<string> {
  const { header } = await book.writeEpoch(100);
  const copy = join(folder, "published");
  for (const section of SECTIONS)
    cpSync(book.leafFile(header.epoch, section), join(copy, headerHash(header), `leaves-${section}.ndjson`));
  return copy;
}

beforeAll(async () => {
  left = await openBook("left");
  entered = await openBook("entered");
});
afterAll(async () => {
  for (const stand of stands) await stand.close();
  rmSync(folder, { recursive: true, force: true });
});

interface ExitAnswer {
  epoch: string;
  positions: { section: string; leaf: { index: string; amount: string } }[];
  steps: {
    action: string;
    what: string;
    detail: string;
    call?: { to: string; data: string };
    from?: string;
  }[];
  sent: { action: string; what: string; tx_hash: string }[];
}

async function leave({ data, anvil, keyFile }: Book, ...args: string[]): Promise<ExitAnswer> {
  const { code, out, err } = await cli(
    ...["exit", "--rpc", anvil.rpcUrl, "--key-file", keyFile, "--json", ...args],
    ...data.flatMap((place) => ["--data", place]),
  );
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as ExitAnswer;
}

async function wait({ chain }: Book, seconds: number): Promise<void> {
  await chain.provider.send("evm_increaseTime", [seconds]);
  await chain.provider.send("evm_mine", []);
}

async function tokensOf({ chain, book }: Book, address: string): Promise<bigint> {
  return (await contractAt(chain, "TST", book.record.token).getFunction("balanceOf")(address)) as bigint;
}

/** Of the wallet, in the newest epoch. */
function owned({ book }: Book, address: string): bigint {
  let total = 0n;
  for (const section of ["balances", "locks", "payouts"] as const)
    for (const leaf of book.replay.leaves(section))
      if (leaf.owner === address.toLowerCase()) total += leaf.amount;
  return total;
}

const actions = (steps: { action: string }[]) => [...new Set(steps.map(({ action }) => action))].sort();

describe("anchorbook exit, with the operator gone", () => {
  it("shows the positions and prepares what can be sent now, without sending it", async () => {
    const found = await leave(left);
    expect(found.epoch).toBe("3");
    expect(found.sent).toEqual([]);
    expect(actions(found.steps)).toEqual(["claim", "demandExit", "none"]);
    const human = await cli(
      "exit",
      "--wallet",
      first.address,
      ...["--data", ...left.data],
      "--rpc",
      left.anvil.rpcUrl,
    );
    expect(human.out).toContain("in epoch 3, the last final one");
    expect(human.out).toMatch(/balances \d+ +0\.\d+ TST \(\d+ base units\)\n/);
    expect(human.out).toMatch(/now {3}claim of payouts 0: 0\.\d+ TST \(\d+ base units\) of 0\.\d+ TST/);
    expect(human.out).toMatch(
      /now {3}demandExit of balances \d+: .*\n {6}to 0x\w+, from the wallet itself\n {6}data 0x/,
    );
    expect(await tokensOf(left, first.address)).toBe(0n);
  });

  it("sends nothing to contracts that are not Anchorbook's, and hides no way out of them", async () => {
    const changed = (change: (made: { readonly input: string }) => unknown) =>
      startLyingNode(left.anvil.rpcUrl, (method, [, whole], result) => {
        if (method !== "eth_getBlockByNumber" || whole !== true) return result;
        const block = result as { readonly transactions: readonly { readonly input: string }[] };
        return { ...block, transactions: block.transactions.map(change) };
      });
    const args = ["exit", "--key-file", left.keyFile, "--data", ...left.data, "--rpc"];
    const otherCode = await changed((made) => ({ ...made, input: made.input.replace(/^0x../, "0xfe") }));
    const forgetful = await changed(({ input: _, ...made }) => made);
    try {
      const honest = await cli(...args, left.anvil.rpcUrl);
      expect(honest).toMatchObject({ code: 0, err: "" });
      const shown = await cli(...args, otherCode.url);
      expect(shown).toMatchObject({ code: 0, out: honest.out });
      const says =
        /the SettlementRegistry at 0x\w+ cannot be trusted: .* does not hold the code of this version/;
      expect(shown.err).toMatch(new RegExp(`^WARNING: ${says.source}`));
      const sent = await cli(...args, otherCode.url, "--send");
      expect(sent).toMatchObject({ code: 1, out: "" });
      expect(sent.err).toMatch(new RegExp(`nothing is sent: ${says.source}`));
      expect(otherCode.asked).not.toContain("eth_sendRawTransaction");
      const unseen = await cli(...args, forgetful.url);
      expect(unseen).toMatchObject({ code: 0, out: honest.out });
      expect(unseen.err).toMatch(/^note: the node does not show what created the contracts \(/);
    } finally {
      await otherCode.close();
      await forgetful.close();
    }
  });

  it("names the account and what it lacks, where it has no ether for a step", async () => {
    const { provider } = left.chain;
    const had = await provider.send("eth_getBalance", [first.address, "latest"]);
    await provider.send("anvil_setBalance", [first.address, "0x1"]);
    const poor = leave(left, "--send");
    await expect(poor).rejects.toThrow(
      new RegExp(
        `^anchorbook exit: the account ${first.address} has 0\\.0{17}1 ether; up to 0\\.0\\d+ ether is needed for the transaction, which was not sent\n$`,
      ),
    );
    await provider.send("anvil_setBalance", [first.address, had]);
    expect(await provider.getTransactionCount(first.address)).toBe(0);
  });

  it("claims, demands, has the book frozen and escapes, each as soon as it can, until all is paid", async () => {
    const all = owned(left, first.address);
    const begun = await leave(left, "--send");
    expect(actions(begun.sent)).toEqual(["claim", "demandExit"]);
    expect(actions(begun.steps)).toEqual(["none", "wait"]);
    expect(await leave(left, "--send")).toMatchObject({ sent: [] });
    // Balances are due at once, locks when they end: the freeze for one opens the way for all.
    await wait(left, 7 * DAY);
    expect(actions((await leave(left, "--send")).sent)).toEqual(["requestFreeze"]);
    await wait(left, DAY);
    const frozen = await leave(left, "--send");
    expect(actions(frozen.sent)).toEqual(["escape", "freeze"]);
    const waiting = frozen.steps.filter(({ action }) => action === "wait");
    expect(waiting.length).toBeGreaterThan(0);
    expect(waiting.every(({ what }) => what.startsWith("locks"))).toBe(true);
    expect(await tokensOf(left, first.address)).toBeLessThan(all);
    await wait(left, 367 * DAY);
    const done = await leave(left, "--send");
    expect(actions(done.sent)).toEqual(["escape"]);
    expect(actions(done.steps)).toEqual(["none"]);
    expect(await tokensOf(left, first.address)).toBe(all);
    expect(await leave(left, "--send")).toMatchObject({ sent: [] });
  });

  it("is run twice at once, and each step is sent and paid for once", async () => {
    const book = await openBook("twice");
    const all = owned(book, first.address);
    const nonce = () => book.chain.provider.getTransactionCount(first.address);
    for (const later of [0, 7 * DAY, DAY, 367 * DAY]) {
      await wait(book, later);
      const before = await nonce();
      const both = await Promise.all([leave(book, "--send"), leave(book, "--send")]);
      const hashes = new Set(both.flatMap(({ sent }) => sent.map(({ tx_hash }) => tx_hash)));
      expect(hashes.size).toBeGreaterThan(0);
      expect(await nonce()).toBe(before + hashes.size);
      // Whoever was not first ends with nothing to send either.
      expect(both.flatMap(({ steps }) => steps.filter(({ call }) => call))).toEqual([]);
    }
    expect(await tokensOf(book, first.address)).toBe(all);
  });

  it("goes on from an older audit by the files that were published after it", async () => {
    const { data } = entered;
    const copy = await publishOneMore(entered);
    await expect(leave(entered)).rejects.toThrow(
      `${data[0]} ends with epoch 3, the last final one is 4: add a copy of the published files`,
    );
    entered = { ...entered, data: [copy, ...data] };
    const { epoch, positions } = await leave(entered);
    expect(epoch).toBe("4");
    const found = positions.reduce((total, { leaf }) => total + BigInt(leaf.amount), 0n);
    expect(found).toBe(owned(entered, first.address));
    const headless = await cli(
      ...["exit", "--rpc", entered.anvil.rpcUrl, "--wallet", first.address, "--data", copy],
      ...["--registry", entered.book.record.registry],
    );
    expect(headless).toMatchObject({ code: 1, err: expect.stringContaining("of epoch 1 is missing in") });
  });

  it("has an entry paid back that nobody credited", async () => {
    const all = owned(entered, first.address);
    await leave(entered, "--send");
    const claimed = await tokensOf(entered, first.address);
    const vault = contractAt(entered.chain, "SettlementVault", entered.book.record.custodians.balances);
    const signer = first.connect(entered.chain.provider);
    const data = vault.interface.encodeFunctionData("deposit", [claimed]);
    await mined(signer.sendTransaction({ to: await vault.getAddress(), data }));
    expect((await leave(entered)).steps.find(({ what }) => what === "entry 1")).toMatchObject({
      action: "wait",
    });
    await wait(entered, 7 * DAY);
    const { sent } = await leave(entered, "--send");
    expect(actions(sent)).toEqual(["escape", "freezeForEntry", "repayEntry", "requestFreeze"]);
    await wait(entered, 367 * DAY);
    await leave(entered, "--send");
    expect(await tokensOf(entered, first.address)).toBe(all);
  });

  it("says what is missing", async () => {
    const { anvil, data } = left;
    const nothing = await cli("exit", "--wallet", first.address, "--data", folder, "--rpc", anvil.rpcUrl);
    expect(nothing).toMatchObject({ code: 1 });
    expect(nothing.err).toContain("there is no data in");
    const stranger = await cli(
      "exit",
      "--wallet",
      `0x${"12".repeat(20)}`,
      ...["--data", ...data],
      "--rpc",
      anvil.rpcUrl,
    );
    expect(stranger.out).toContain("nothing; a position leaves on-chain only with a linked wallet");
    for (const args of [
      [],
      ["--wallet", "0x12"],
      ["--wallet", first.address, "--send"],
      ["--key-file", "x", "--rpc", "y"],
    ])
      expect((await cli("exit", ...args)).code).toBe(2);
  });
});
