/** Two nodes are asked the same: what they say otherwise is named, and neither is believed alone. */
import { Wallet } from "ethers";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type Chain, connectChain } from "#infra";
import type { Hex, SignatureCheck } from "#proof";
import { Lie } from "../../../src/cli/audit/checks.ts";
import { blockAt, blockTimes, type Node, signatureVerifier } from "../../../src/cli/audit/nodes.ts";
import { type MoodyNode, startMoodyNode } from "../../settlement/moody-node.ts";
import { type Anvil, startAnvil } from "../../support/anvil.ts";
import { deployWallet } from "../../wallets/contract-wallet.ts";

const owner = new Wallet(`0x${"a1".repeat(32)}`);
const digest: Hex = `0x${"d1".repeat(32)}`;
const signature = owner.signingKey.sign(digest).serialized as Hex;
const forged = new Wallet(`0x${"b2".repeat(32)}`).signingKey.sign(digest).serialized as Hex;

let anvil: Anvil;
let moody: MoodyNode;
let nodes: readonly [Node, Node];
let newest: number;
let contract: Hex;
const chains: Chain[] = [];
beforeAll(async () => {
  anvil = await startAnvil();
  moody = await startMoodyNode(anvil.rpcUrl);
  for (const rpcUrl of [anvil.rpcUrl, moody.url])
    chains.push(await connectChain({ rpcUrl, privateKey: anvil.privateKeys[0] }));
  const [first, second] = chains as [Chain, Chain];
  nodes = [
    { name: "one", chain: first },
    { name: "other", chain: second },
  ];
  if (!first.signer) throw new Error("it has a key");
  contract = (await deployWallet("OwnedWallet", first.signer, owner.address)) as Hex;
  newest = await first.provider.getBlockNumber();
});
afterEach(() => moody.be(null));
afterAll(async () => {
  for (const chain of chains) chain.close();
  await moody?.close();
  await anvil?.stop();
});

async function lie(tell: Promise<unknown>): Promise<[string, string]> {
  const error = await tell.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Lie)) throw error ?? new Error("nothing was found");
  return [error.check, error.message];
}

const check = (by: Hex, block = BigInt(newest)): SignatureCheck => ({
  ...{ seq: 7n, wallet: contract, digest, signature: by, block },
});
const verdict = (by: Hex) => signatureVerifier(nodes)(check(by));

it("tell the times of blocks, each asked for once, and none beyond the newest", async () => {
  const timeOf = blockTimes(nodes, newest, 0);
  const time = BigInt((await nodes[0].chain.provider.getBlock(newest))?.timestamp ?? 0);
  expect([await timeOf(newest), await timeOf(newest + 1)]).toEqual([time, null]);
  moody.be(async () => ({ result: null }));
  expect(await timeOf(newest)).toBe(time);
  await expect(timeOf(newest - 1)).rejects.toThrow(`other does not have block ${newest - 1} (any more)`);
});

it("are named where they say another time of a block, or another block", async () => {
  const { hash, time } = await blockAt(nodes, newest);
  moody.be(async (_, answer) => ({ result: { ...((await answer()) as object), timestamp: "0x77" } }));
  const says = `block ${newest}: one says {"hash":"${hash}","time":${time}}, other says {"hash":"${hash}","time":119}`;
  expect(await lie(blockTimes(nodes, newest, 0)(newest))).toEqual(["rpcs", says]);
  // The newest blocks may be two for a while, and nobody lies.
  await expect(blockTimes(nodes, newest, 1)(newest)).rejects.toThrow(new Error(says));
});

it("are named where a contract signed by the word of one alone", async () => {
  expect([await verdict(signature), await verdict(forged)]).toEqual(["signed", "not_signed"]);
  moody.be(async ({ method }, answer) => ({
    result: method === "eth_call" ? `0x1626ba7e${"00".repeat(28)}` : await answer(),
  }));
  expect(await verdict(signature)).toBe("signed");
  expect(await lie(verdict(forged))).toEqual([
    "rpcs",
    `journal line 7: whether ${contract} signed, as of block ${newest}: one says no, other says yes`,
  ]);
});

it("count by who remembers, and only where none does by the present", async () => {
  const forgotten = {
    error: { code: -32_000, message: "missing trie node 0x12 (path ) state is not available" },
  };
  moody.be(async ({ params }, answer) =>
    params.at(-1) === "latest" ? { result: await answer() } : forgotten,
  );
  expect([await verdict(signature), await verdict(forged)]).toEqual(["signed", "not_signed"]);
  const [, other] = nodes;
  const alone = signatureVerifier([other]);
  expect([await alone(check(signature)), await alone(check(forged))]).toEqual(["signed", "changed"]);
});

it("are asked again where one fails, and that is nobody's no", async () => {
  for (const failure of [
    { error: { code: -32_603, message: "Internal error" } },
    { error: { code: -32_000, message: "request timed out" } },
    { status: 429, retryAfter: "600" },
  ]) {
    moody.be(async ({ method }, answer) => (method === "eth_call" ? failure : { result: await answer() }));
    await expect(verdict(signature)).rejects.toMatchObject({
      name: "retryAfter" in failure ? "ChainUnavailable" : "NodeFailed",
    });
  }
});
