/** Signatures of wallets as an auditor checks them, also with a node that has forgotten the block they were given in. */
import { Wallet } from "ethers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Chain, checkWalletSignature, connectChain, recheckWalletSignature } from "#infra";
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

it("takes a revert for a no, in whatever words, and a failure of the node for neither", async () => {
  const angry = await deployWallet("AngryWallet", chain.signer as NonNullable<typeof chain.signer>);
  const asOf = BigInt(await chain.provider.getBlockNumber());
  expect(await verdict(angry, signature, asOf)).toBe("not_signed");
  const told = (code: number, message: string, data?: string) =>
    node.be(async ({ method }, answer) =>
      method === "eth_call"
        ? { error: { code, message, ...(data === undefined ? {} : { data }) } }
        : { result: await answer() },
    );
  const reverts: [number, string, string?][] = [
    [3, "execution reverted: rate limit, try again, missing trie node", "0x08c379a0"],
    [-32_015, "VM execution error.", "Reverted 0x"],
    [-32_000, "out of gas"],
    [-32_000, "invalid opcode: INVALID"],
    [-32_603, "Error: VM Exception while processing transaction: reverted with panic code 0x11"],
  ];
  for (const [code, message, data] of reverts) {
    told(code, message, data);
    expect(await verdict(contract, signature, block), message).toBe("not_signed");
    expect(
      await checkWalletSignature(chain, { wallet: contract, digest, signature }, async () => Number(block)),
    ).toBeNull();
  }
  for (const message of ["Internal error", "upstream connect error", "daily request count exceeded"]) {
    told(-32_000, message);
    await expect(verdict(contract, signature, block)).rejects.toThrow(
      `the node refuses eth_call: ${message}`,
    );
    const isNew = checkWalletSignature(chain, { wallet: contract, digest, signature }, async () =>
      Number(block),
    );
    await expect(isNew).rejects.toMatchObject({ name: "NodeFailed" });
  }
  node.be(async ({ method }, answer) => ({ result: method === "eth_call" ? "0x" : await answer() }));
  expect(await verdict(contract, signature, block)).toBe("not_signed");
  node.be(async ({ method }, answer) => ({ result: method === "eth_call" ? 7 : await answer() }));
  await expect(verdict(contract, signature, block)).rejects.toMatchObject({ name: "NodeFailed" });
  node.be(null);
});
