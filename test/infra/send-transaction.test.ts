/** A transaction of a command: sent once, waited for, told what became of it. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Chain, connectChain, sendTransaction } from "#infra";
import { type Anvil, startAnvil } from "../support/anvil.ts";

let anvil: Anvil;
let chain: Chain;

beforeAll(async () => {
  anvil = await startAnvil();
  chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
});

afterAll(async () => {
  chain?.close();
  await anvil?.stop();
});

const signer = () => {
  if (!chain.signer) throw new Error("no signer");
  return chain.signer;
};
const node = (method: string, ...params: unknown[]) => chain.provider.send(method, params);

it("answers the receipt on a chain on which no other block follows", async () => {
  const receipt = await sendTransaction(signer(), { to: signer().address, value: 1n });
  expect(receipt).toMatchObject({ status: 1, blockNumber: await chain.provider.getBlockNumber() });
});

it("waits for the block that it is in", async () => {
  await node("evm_setAutomine", false);
  try {
    const sent = sendTransaction(signer(), { to: signer().address, value: 1n });
    await expect.poll(() => node("eth_getTransactionCount", signer().address, "pending")).toBe("0x2");
    await node("evm_mine");
    expect((await sent).status).toBe(1);
  } finally {
    await node("evm_setAutomine", true);
  }
});

it("gives up some time and names the transaction, which may still be mined", async () => {
  await node("evm_setAutomine", false);
  try {
    const refused = sendTransaction(signer(), { to: signer().address, value: 1n }, 0);
    await expect(refused).rejects.toThrow(
      /^the transaction 0x[0-9a-f]{64} was sent, and is not mined yet: look it up before you send it again$/,
    );
  } finally {
    await node("evm_setAutomine", true);
    await node("evm_mine");
  }
});

it("does not take a failed transaction for one that worked", async () => {
  // an invalid instruction as the code to deploy, with gas of its own, so that nobody estimates it
  const failing = sendTransaction(signer(), { data: "0xfe", gasLimit: 100_000n });
  await expect(failing).rejects.toThrow(/^the transaction 0x[0-9a-f]{64} was mined, and failed$/);
});
