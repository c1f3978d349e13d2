/** A transaction of a command: sent once, waited for, told what became of it. */
import { formatEther } from "ethers";
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

describe("an account that the node takes to be without enough ether", () => {
  const [gasLimit, maxFeePerGas, maxPriorityFeePerGas] = [21_000n, 10n ** 10n, 1n];
  /** Sends so much more than all that the account can send. */
  const refusedBy = async ({ provider, signer: sender }: Chain, more: bigint): Promise<unknown> => {
    if (!sender) throw new Error("no signer");
    const value = (await provider.getBalance(sender.address)) - gasLimit * maxFeePerGas + more;
    const transaction = { to: sender.address, value, gasLimit, maxFeePerGas, maxPriorityFeePerGas };
    return sendTransaction(sender, transaction).catch((error: unknown) => error);
  };

  it("hears what it has and what it would need", async () => {
    const has = await chain.provider.getBalance(signer().address);
    const [ether, needed] = [formatEther(has), formatEther(has + 1n)];
    expect(await refusedBy(chain, 1n)).toMatchObject({
      code: "INSUFFICIENT_FUNDS",
      message: `the account ${signer().address} has ${ether} ether; up to ${needed} ether is needed for the transaction, which was not sent`,
    });
  });

  it("hears the node's own words where it has enough: others of it are under way", async () => {
    const moody = await startMoodyNode(anvil.rpcUrl);
    const behind = await connectChain({ rpcUrl: moody.url, privateKey: anvil.privateKeys[1] });
    const message =
      "insufficient funds for gas * price + value: balance 2, queued cost 1, tx cost 2, overshot 1";
    moody.be(async ({ method }, answer) =>
      method === "eth_sendRawTransaction"
        ? { error: { code: -32_000, message } }
        : { result: await answer() },
    );
    try {
      const refused = await refusedBy(behind, 0n);
      expect(refused).toMatchObject({ code: "INSUFFICIENT_FUNDS", info: { error: { message } } });
      expect((refused as Error).message).not.toContain("is needed");
    } finally {
      behind.close();
      await moody.close();
    }
  });
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
