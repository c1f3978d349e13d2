/** A node that leaves an event out of one answer, whatever the event: who audits with that node alone asks it once more. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Chain, connectChain, contractArtifact } from "#infra";
import { AnsweredDifferently } from "../../src/cli/audit/asked-twice.ts";
import { type ChainBook, readChainBook } from "../../src/cli/audit/chain-source.ts";
import { EventReading } from "../../src/cli/audit/event-reading.ts";
import { EventSpool } from "../../src/cli/audit/store/event-spool.ts";
import { mined } from "../support/mined.ts";
import { type Mood, type MoodyNode, startMoodyNode } from "./moody-node.ts";
import { createWatchWorld, type Person, TOKENS, type WatchWorld } from "./watch-world.ts";

const folder = mkdtempSync(join(tmpdir(), "anchorbook-left-out-"));
/** Deep and not deep: all blocks settled, and none. */
const DEPTHS = [0, 1_000] as const;

let world: WatchWorld;
let anna: Person;
let dora: Person;
let node: MoodyNode;
let chain: Chain;
let spool: EventSpool;

beforeAll(async () => {
  world = await createWatchWorld();
  anna = await world.person("anna");
  dora = await world.person("dora");
  await world.withTokens(anna, 100n * TOKENS);
  await world.grant("dora", 5n * TOKENS);
  await world.settlement.run();
  await mined(world.vault(anna).getFunction("deposit")(1n));
  await mined(world.contract("registry", anna).getFunction("cancelWallet")(`0x${"0c".repeat(32)}`));
  await world.demandExit(dora, "balances", world.position("balances", "dora"));
  await world.advance(5);
  await world.settlement.run();
  const operator = world.chain.signer;
  if (!operator) throw new Error("no signer");
  await mined(world.contract("registry", { ...anna, wallet: operator }).getFunction("pause")());
  node = await startMoodyNode(world.anvil.rpcUrl);
  const [privateKey] = world.anvil.privateKeys;
  chain = await connectChain({ rpcUrl: node.url, privateKey, chainId: 31_337n });
  spool = new EventSpool(folder);
});
afterEach(() => node.be(null));
afterAll(async () => {
  spool?.close();
  chain?.close();
  await node?.close();
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Log {
  readonly topics: readonly string[];
  readonly transactionHash: string;
  readonly logIndex: string;
}

/** Leaves the newest event of that name out of those answers that hold it, by their number from 1. */
async function leavesOut(event: string, isLeftOut: (number: number) => boolean): Promise<() => number> {
  const topics = (["SettlementRegistry", "SettlementVault"] as const).flatMap(
    (contract) => contractArtifact(contract).abi.getEvent(event)?.topicHash ?? [],
  );
  const logs: Log[] = await world.chain.provider.send("eth_getLogs", [
    { fromBlock: "0x0", topics: [topics] },
  ]);
  const newest = logs.at(-1);
  if (!newest) throw new Error(`nobody has emitted ${event}`);
  let held = 0;
  const mood: Mood = async ({ method }, answer) => {
    const result = await answer();
    if (method !== "eth_getLogs") return { result };
    const others = (result as Log[]).filter(
      ({ transactionHash, logIndex }) =>
        transactionHash !== newest.transactionHash || logIndex !== newest.logIndex,
    );
    if (others.length < (result as Log[]).length) held += 1;
    else return { result };
    return { result: isLeftOut(held) ? others : result };
  };
  node.be(mood);
  return () => held;
}

const reading = () =>
  new EventReading([{ name: "node", chain }], world.record, world.record.deployed_block, spool);
const book = (depth: number) => readChainBook([{ name: "node", chain }], world.record, reading(), depth);
const said = ({ ofHeaders, ofLines, commits }: ChainBook) => [ofHeaders, [...ofLines], commits];

describe.each(DEPTHS)("an event that is left out of one answer, with blocks deep from %i on", (depth) => {
  it.each([
    "EntryMade",
    "Claimed",
    "ExitDemanded",
    "DemandServed",
    "WalletCancelled",
    "EpochCommitted",
    "EpochFinalized",
    "Paused",
  ])("%s, is asked for until two answers agree", async (event) => {
    const whole = said(await book(depth));
    for (const which of [1, 2]) {
      const held = await leavesOut(event, (number) => number === which);
      expect(said(await book(depth))).toEqual(whole);
      // Twice, and as the two differed twice more.
      expect(held()).toBe(4);
      node.be(null);
    }
  });

  it("time and again, makes an error and not a lie", async () => {
    await leavesOut("WalletCancelled", (number) => number % 2 === 1);
    const failed = await book(depth).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(AnsweredDifferently);
    expect((failed as Error).message).toMatch(
      /^node answers differently for the same blocks: its events of blocks \d+ to \d+ are others/,
    );
  });
});

it("is asked twice by other ranges, and two nodes once each", async () => {
  const head = await world.chain.provider.getBlockNumber();
  const ranges = () =>
    node.asked
      .filter(({ method }) => method === "eth_getLogs")
      .map(({ params }) => JSON.stringify(params[0]));
  node.be(null);
  await reading().settle(head);
  expect(new Set(ranges()).size).toBe(ranges().length);
  node.be(null);
  const from = world.record.deployed_block;
  const nodes = ["one", "other"].map((name) => ({ name, chain }));
  await new EventReading(nodes, world.record, from, spool).settle(head);
  expect(new Set(ranges()).size).toBe(ranges().length / 2);
});
