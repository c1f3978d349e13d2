/** Events of a real chain, read in pieces that are never long, and those that stay no more than once. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ContractTransactionResponse } from "ethers";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type Chain, connectChain, contractAt, type DeploymentRecord, deployContracts } from "#infra";
import { EventReading } from "../../../src/cli/audit/event-reading.ts";
import type { Node } from "../../../src/cli/audit/nodes.ts";
import { EventSpool } from "../../../src/cli/audit/store/event-spool.ts";
import { poll } from "../../../src/devstack/poll.ts";
import { createJsonRpc } from "../../../src/infra/chain/json-rpc.ts";
import { type MoodyNode, startMoodyNode } from "../../settlement/moody-node.ts";
import { type Anvil, startAnvil } from "../../support/anvil.ts";
import { cancelInOneBlock } from "../../support/bulk-cancel.ts";

/** Of empty blocks between two events. */
const SILENCE = 100;
const LIMITS = { firstBlocks: 2, mostBlocks: 16, someEvents: 5 };

let anvil: Anvil;
let moody: MoodyNode;
let chain: Chain;
let nodes: readonly [Node, Node];
let record: DeploymentRecord;
let spool: EventSpool;
const folder = mkdtempSync(join(tmpdir(), "anchorbook-reading-"));
const chains: Chain[] = [];

beforeAll(async () => {
  anvil = await startAnvil();
  moody = await startMoodyNode(anvil.rpcUrl);
  for (const rpcUrl of [anvil.rpcUrl, moody.url])
    chains.push(await connectChain({ rpcUrl, privateKey: anvil.privateKeys[0] }));
  const [first, second] = chains as [Chain, Chain];
  chain = first;
  nodes = [
    { name: "one", chain: first },
    { name: "other", chain: second },
  ];
  record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  spool = new EventSpool(folder);
});
afterEach(() => moody.be(null));
afterAll(async () => {
  spool.close();
  for (const one of chains) one.close();
  await moody?.close();
  await anvil?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const keyOf = (number: number) => `0x${number.toString(16).padStart(64, "0")}`;

/** Anybody may say that he cancels: an event for each key. @returns the block of the last */
async function cancel(...keys: number[]): Promise<number> {
  const registry = contractAt(chain, "SettlementRegistry", record.registry).connect(chain.signer ?? null);
  let sent: ContractTransactionResponse | undefined;
  for (const key of keys) sent = await registry.getFunction("cancelWallet").send(keyOf(key));
  await poll(async () => (await chain.provider.getTransactionReceipt(sent?.hash ?? "")) ?? undefined, 20_000);
  return chain.provider.getBlockNumber();
}

const mine = (blocks: number) => chain.provider.send("anvil_mine", [`0x${blocks.toString(16)}`]);
const keys = () => [...spool].map(({ args }) => Number(args.key));
const ranges = () =>
  moody.asked
    .filter(({ method }) => method === "eth_getLogs")
    .map(({ params }) => {
      const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string };
      return [Number(fromBlock), Number(toBlock)] as const;
    });
const onlyMoody = () => [nodes[1]];

it("are asked for piece by piece, however long nothing happens", async () => {
  const from = await cancel(1);
  await mine(SILENCE);
  const to = await cancel(2);
  moody.be(null);
  await new EventReading(onlyMoody(), record, from, spool, LIMITS).read(to);
  expect(keys()).toEqual([1, 2]);
  const asked = ranges();
  expect(asked[0]).toEqual([from, from + 1]);
  expect(asked.at(-1)?.[1]).toBe(to);
  expect(Math.max(...asked.map(([first, last]) => last - first + 1))).toBe(16);
  for (const [place, [first]] of asked.slice(1).entries()) expect(first).toBe((asked[place]?.[1] ?? 0) + 1);

  // What the other does not say is told together with what it says next, or with nothing.
  moody.be(async ({ method }, answer) => {
    const result = await answer();
    return { result: method === "eth_getLogs" ? (result as object[]).slice(0, -1) : result };
  });
  const both = new EventReading(nodes, record, from, spool, LIMITS);
  await both.read(to - 1);
  expect(both.difference(1)).toMatchObject({ place: 0, one: { args: { key: keyOf(1) } }, other: undefined });
  moody.be(null);
  await both.read(to);
  expect(both.difference(1)).toMatchObject({
    ...{ place: 0, one: { args: { key: keyOf(1) } }, other: { args: { key: keyOf(2) } } },
  });
});

it("are asked for in shorter ranges where there are many", async () => {
  const from = await cancel(1);
  await mine(SILENCE);
  const to = await cancel(...Array.from({ length: 40 }, (_, number) => number + 2));
  moody.be(null);
  await new EventReading(onlyMoody(), record, from, spool, LIMITS).read(to);
  expect(keys()).toEqual(Array.from({ length: 41 }, (_, number) => number + 1));
  const lengths = ranges().map(([first, last]) => last - first + 1);
  // A block has one of them there.
  expect(lengths.slice(-2).every((length) => length <= 5)).toBe(true);
});

it("are all read where the node refuses long ranges, and not where it refuses a block", async () => {
  const from = await cancel(1, 2);
  const to = await cancel(...Array.from({ length: 12 }, (_, number) => number + 3));
  const error = { code: -32_005, message: "query returned more than 3 results" };
  const refusing = (most: number) =>
    moody.be(async ({ method, params }, answer) => {
      const { fromBlock, toBlock } = (params[0] ?? {}) as { fromBlock: string; toBlock: string };
      const tooLong = method === "eth_getLogs" && Number(toBlock) - Number(fromBlock) + 1 > most;
      return tooLong ? { error } : { result: await answer() };
    });
  refusing(3);
  await new EventReading(onlyMoody(), record, from, spool).read(to);
  expect(keys()).toEqual(Array.from({ length: 13 }, (_, number) => number + 2));
  refusing(0);
  await expect(new EventReading(onlyMoody(), record, from, spool).read(to)).rejects.toThrow("more than 3");
});

it("of one block that the node does not send together are asked for by contract and event", async () => {
  const { block } = await cancelInOneBlock(chain, record.registry, 20);
  const error = { code: -32_005, message: "response is too big" };
  const taking = (most: number) =>
    moody.be(async ({ method, params }, answer) => {
      const { address, topics } = (params[0] ?? {}) as { address: string[]; topics?: string[][] };
      const asked = address?.length * (topics?.[0]?.length ?? Number.POSITIVE_INFINITY);
      return method === "eth_getLogs" && asked > most ? { error } : { result: await answer() };
    });
  taking(1);
  await new EventReading(onlyMoody(), record, block, spool).read(block);
  expect(keys()).toEqual(Array.from({ length: 20 }, (_, number) => number));
  expect(new Set(ranges().map(String))).toEqual(new Set([`${block},${block}`]));
  taking(0);
  const reading = new EventReading(onlyMoody(), record, block, spool).read(block);
  await expect(reading).rejects.toThrow("response is too big");
});

it("are not read where an answer has no end in sight", async () => {
  const { block } = await cancelInOneBlock(chain, record.registry, 20);
  const [, { chain: second }] = nodes;
  const rpc = createJsonRpc({ url: moody.url, mostBytes: 10_000, someBytes: 9_000 });
  const short = [{ name: "short", chain: { ...second, rpc } }];
  await expect(new EventReading(short, record, block, spool).read(block)).rejects.toThrow(
    "an answer of more than 10000 bytes is not read",
  );
  const { block: few } = await cancelInOneBlock(chain, record.registry, 10);
  await new EventReading(short, record, few, spool).read(few);
  expect(keys()).toHaveLength(10);
});

it("are not taken from a node that speaks of other blocks", async () => {
  const to = await cancel(1, 2);
  moody.be(async ({ method, params }, answer) => {
    const { fromBlock } = (params[0] ?? {}) as { fromBlock: string };
    const result = (await answer()) as object[];
    if (method !== "eth_getLogs") return { result };
    const blockNumber = `0x${(Number(fromBlock) - 1).toString(16)}`;
    return { result: result.map((log) => ({ ...log, blockNumber })) };
  });
  const reading = new EventReading(onlyMoody(), record, to, spool);
  await expect(reading.read(to)).rejects.toThrow(`a log of block ${to - 1} for blocks ${to} to ${to}`);
});

it("are read once where they stay, and anew where they did not", async () => {
  const from = await cancel(1);
  const reading = new EventReading(onlyMoody(), record, from, spool);
  const settled = await cancel(2, 3);
  await reading.settle(settled);
  await reading.read(await cancel(4));
  expect(keys()).toEqual([1, 2, 3, 4]);
  const snapshot = await chain.provider.send("evm_snapshot", []);
  const newer = await cancel(5, 6);
  moody.be(null);
  await reading.settle(newer - 1);
  expect(keys()).toEqual([1, 2, 3, 4, 5]);
  await reading.read(newer);
  expect(keys()).toEqual([1, 2, 3, 4, 5, 6]);
  // What became settled just now is asked for twice.
  expect(ranges()).toEqual([
    [settled + 1, newer - 1],
    [settled, settled + 1],
    [settled + 2, newer - 1],
    [newer, newer],
  ]);

  await chain.provider.send("evm_revert", [snapshot]);
  expect(await reading.stands()).toBe(false);
  const other = await cancel(7, 8, 9);
  await reading.settle(other - 1);
  await reading.read(other);
  expect(keys()).toEqual([1, 2, 3, 4, 7, 8, 9]);
});
