/** Signatures of wallets as an auditor checks them, also with a node that has forgotten the block they were given in. */
import { Wallet } from "ethers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Chain, connectChain, recheckWalletSignature } from "#infra";
import type { Hex } from "#proof";
import { type MoodyNode, startMoodyNode } from "../settlement/moody-node.ts";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { deployWallet } from "../wallets/contract-wallet.ts";

const owner = new Wallet(`0x${"a1".repeat(32)}`);
const digest: Hex = `0x${"d1".repeat(32)}`;
const signature = owner.signingKey.sign(digest).serialized as Hex;
const forged = new Wallet(`0x${"b2".repeat(32)}`).signingKey.sign(digest).serialized as Hex;

let anvil: Anvil;
let node: MoodyNode;
let chain: Chain;
let contract: Hex;
let block: bigint;
beforeAll(async () => {
  anvil = await startAnvil();
  node = await startMoodyNode(anvil.rpcUrl);
  chain = await connectChain({ rpcUrl: node.url, privateKey: anvil.privateKeys[0] });
  if (!chain.signer) throw new Error("it has a key");
  contract = (await deployWallet("OwnedWallet", chain.signer, owner.address)) as Hex;
  block = BigInt(await chain.provider.getBlockNumber());
});
afterAll(async () => {
  chain?.close();
  await node?.close();
  await anvil?.stop();
});

/** As of a block that was: forgotten or not. */
const verdict = (wallet: string, by: Hex, asOf: bigint) =>
  recheckWalletSignature(chain, { wallet: wallet.toLowerCase() as Hex, digest, signature: by }, asOf);

it("holds what a key or a contract signed, and nothing else", async () => {
  expect(await verdict(owner.address, signature, 0n)).toBe("signed");
  expect(await verdict(owner.address, forged, 0n)).toBe("not_signed");
  expect(await verdict(contract, signature, block)).toBe("signed");
  expect(await verdict(contract, forged, block)).toBe("not_signed");
  // There was no contract yet.
  expect(await verdict(contract, signature, block - 1n)).toBe("not_signed");
});

it("takes no key for a contract whose word is forgotten", async () => {
  node.be(async ({ params }, answer) =>
    params.at(-1) === `0x${block.toString(16)}`
      ? { error: { code: -32_000, message: "missing trie node" } }
      : { result: await answer() },
  );
  expect(await verdict(contract, signature, block)).toBe("signed");
  expect(await verdict(contract, forged, block)).toBe("changed");
  for (const by of [signature, forged]) expect(await verdict(owner.address, by, block)).toBe("not_signed");
  node.be(null);
});
