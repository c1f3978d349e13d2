/** What one answer of a node counts for, where it is asked what created a book's contracts. */
import { getCreateAddress, type Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chain, connectChain, type DeploymentRecord, deployContracts } from "#infra";
import { Lie } from "../../../src/cli/audit/checks.ts";
import { checkCode, knownOrChecked } from "../../../src/cli/audit/code-check.ts";
import { type Anvil, startAnvil } from "../../support/anvil.ts";
import { deployForged, honestCode, withBackDoor } from "../../support/forged-contracts.ts";
import { startLyingNode } from "../../support/lying-proxy.ts";

let anvil: Anvil;
let chain: Chain;
let honest: DeploymentRecord;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  anvil = await startAnvil();
  ends.push(() => anvil.stop());
  chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
  ends.push(() => chain.close());
  await chain.provider.send("anvil_mine", ["0x50"]);
  honest = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  await chain.provider.send("anvil_mine", ["0x50"]);
});
afterAll(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function node(change: Parameters<typeof startLyingNode>[1]) {
  const proxy = await startLyingNode(anvil.rpcUrl, change);
  ends.push(() => proxy.close());
  const connected = await connectChain({ rpcUrl: proxy.url });
  ends.push(() => connected.close());
  return { name: "node", chain: connected };
}

describe("one answer of a node", () => {
  /** An error that is no lie, and says that it comes from an answer. */
  async function expectDoubt(asked: Promise<unknown>): Promise<void> {
    const error = await asked.catch((failed: unknown) => failed);
    expect(error).not.toBeInstanceOf(Lie);
    expect(error).toMatchObject({
      message: expect.stringMatching(/^asked twice .* a node answered differently: /),
    });
  }

  it("that there is no code makes nobody a liar", async () => {
    let times = 0;
    const one = await node((method, _, result) =>
      method === "eth_getCode" && times++ === 0 ? "0x" : result,
    );
    await expectDoubt(checkCode([one], honest, 1));
  });

  it("that leaves a block's transactions out makes nobody a liar, beside another node either", async () => {
    const leavesOut = () => {
      let times = 0;
      return node((method, [, whole], result) =>
        method === "eth_getBlockByNumber" && whole === true && times++ === 0
          ? { ...(result as object), transactions: [] }
          : result,
      );
    };
    const one = { name: "one", chain };
    await expectDoubt(checkCode([one, await leavesOut()], honest, 1));
    await expectDoubt(checkCode([await leavesOut()], honest, 1));
  });
});

describe("a transaction with our code that failed", () => {
  it("is not what created the code that was at its address before it", async () => {
    const operator = chain.signer as Wallet;
    const codes = await honestCode(chain);
    const from = operator.address;
    const nonce = await chain.provider.getTransactionCount(from);
    const vault = getCreateAddress({ from, nonce: nonce + 1 });
    // As on a chain whose first block has code there.
    await chain.provider.send("anvil_setCode", [vault, `${codes.SettlementVault}fe`]);
    const doctored = await deployForged(chain, { inOneBlock: true });
    expect(await chain.provider.getCode(doctored.custodians.balances)).toBe(`${codes.SettlementVault}fe`);
    await expect(checkCode([{ name: "one", chain }], doctored, 0)).rejects.toBeInstanceOf(Lie);
  });
});

describe("what one node said alone", () => {
  it("is looked at again by who has two", async () => {
    let ours = "";
    const vault = (honestly: string) => {
      ours = honestly;
      return withBackDoor(honestly);
    };
    const doctored = await deployForged(chain, { forge: { SettlementVault: vault } });
    const made = withBackDoor(ours).toLowerCase();
    const liar = await node((method, [, whole], result) => {
      if (method !== "eth_getBlockByNumber" || whole !== true || result === null) return result;
      const block = result as { readonly transactions: readonly { readonly input: string }[] };
      const told = block.transactions.map((one) => (one.input === made ? { ...one, input: ours } : one));
      return { ...block, transactions: told };
    });
    const { code } = await knownOrChecked(null, [liar], doctored, 0);
    await expect(knownOrChecked(code, [liar, { name: "one", chain }], doctored, 0)).rejects.toBeInstanceOf(
      Lie,
    );
  });
});
