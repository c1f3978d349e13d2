/** A transaction of a command: sent once, waited for, told what became of it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chain, connectChain, sendTransaction } from "#infra";
import { startMoodyNode } from "../settlement/moody-node.ts";
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

it("says so where another transaction of the account took its place, and waits no longer", async () => {
  await node("evm_setAutomine", false);
  try {
    const nonce = await signer().getNonce();
    const sent = sendTransaction(signer(), { to: signer().address, value: 1n });
    const refused = expect(sent).rejects.toThrow(
      new RegExp(
        `^another transaction of ${signer().address} took the place of 0x[0-9a-f]{64}, which was not mined`,
      ),
    );
    const pending = () => node("eth_getTransactionCount", signer().address, "pending");
    await expect.poll(pending, { timeout: 20_000 }).toBe(`0x${(nonce + 1).toString(16)}`);
    // As a wallet cancels: nothing to itself, for more.
    const { maxFeePerGas, maxPriorityFeePerGas } = await chain.provider.getFeeData();
    await signer().sendTransaction({
      ...{ to: signer().address, nonce },
      maxFeePerGas: 2n * (maxFeePerGas ?? 0n),
      maxPriorityFeePerGas: 2n * (maxPriorityFeePerGas ?? 0n),
    });
    await node("evm_mine");
    await refused;
  } finally {
    await node("evm_setAutomine", true);
  }
});

it("does not take a failed transaction for one that worked", async () => {
  // an invalid instruction as the code to deploy, with gas of its own, so that nobody estimates it
  const failing = sendTransaction(signer(), { data: "0xfe", gasLimit: 100_000n });
  await expect(failing).rejects.toThrow(/^the transaction 0x[0-9a-f]{64} was mined, and failed$/);
});

describe("behind a node that stops answering once it took the transaction", () => {
  const withNode = async (failures: number, check: (chain: Chain) => Promise<void>) => {
    const moody = await startMoodyNode(anvil.rpcUrl);
    const behind = await connectChain({ rpcUrl: moody.url, privateKey: anvil.privateKeys[1] });
    let left = failures;
    moody.be(async ({ method }, answer) => {
      if (method !== "eth_getTransactionReceipt" || left-- <= 0) return { result: await answer() };
      return left % 2 === 0
        ? { status: 502 }
        : { error: { code: -32000, message: "transaction indexing is in progress" } };
    });
    try {
      await check(behind);
    } finally {
      behind.close();
      await moody.close();
    }
  };

  it("asks again, since what was sent stays sent", async () => {
    await withNode(4, async ({ signer: sender }) => {
      if (!sender) throw new Error("no signer");
      expect(await sendTransaction(sender, { to: sender.address, value: 1n })).toMatchObject({ status: 1 });
    });
  });

  it("names the transaction where it has to give up", async () => {
    await withNode(Number.POSITIVE_INFINITY, async ({ signer: sender }) => {
      if (!sender) throw new Error("no signer");
      const sent = sendTransaction(sender, { to: sender.address, value: 1n }, 0);
      await expect(sent).rejects.toThrow(
        /^the transaction 0x[0-9a-f]{64} was sent, and nothing says whether it is mined: look it up before/,
      );
    });
  });
});
