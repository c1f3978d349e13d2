/** Whose code a book's contracts are, on a real chain: what was created otherwise than the product does is told, however well it answers. */
import { getCreateAddress, id, Wallet, ZeroAddress } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Chain,
  type ContractName,
  checkDeployment,
  connectChain,
  contractAt,
  contractsDigest,
  contractsOf,
  type DeploymentRecord,
  deployAnchor,
  deployContracts,
  findCreations,
  sendTransaction,
} from "#infra";
import { Lie } from "../../../src/cli/audit/checks.ts";
import { checkCode } from "../../../src/cli/audit/code-check.ts";
import type { Node } from "../../../src/cli/audit/nodes.ts";
import { type Anvil, startAnvil } from "../../support/anvil.ts";
import {
  anchorCode,
  balanceSlot,
  CREATOR,
  creationCode,
  deployForged,
  GAS,
  honestCode,
  presetting,
  roleSlot,
  withBackDoor,
} from "../../support/forged-contracts.ts";
import { startLyingNode } from "../../support/lying-proxy.ts";

const TST = 10n ** 18n;
const ADMIN_ROLE = `0x${"00".repeat(32)}`;
const thief = Wallet.createRandom().address;

let anvil: Anvil;
let chain: Chain;
let other: Chain;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  anvil = await startAnvil();
  ends.push(() => anvil.stop());
  chain = await connected(anvil.rpcUrl, anvil.privateKeys[0]);
  other = await connected(anvil.rpcUrl, anvil.privateKeys[1]);
});
afterAll(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function connected(rpcUrl: string, privateKey?: string): Promise<Chain> {
  const made = await connectChain({ rpcUrl, privateKey });
  ends.push(() => made.close());
  return made;
}

async function lyingNode(name: string, change: Parameters<typeof startLyingNode>[1]): Promise<Node> {
  const proxy = await startLyingNode(anvil.rpcUrl, change);
  ends.push(() => proxy.close());
  return { name, chain: await connected(proxy.url) };
}

const honestNode = (): Node => ({ name: "one", chain });
const check = (record: DeploymentRecord, nodes: readonly Node[] = [honestNode()], depth = 0) =>
  checkCode(nodes, record, depth);
const mine = (blocks: number) => chain.provider.send("anvil_mine", [`0x${blocks.toString(16)}`]);

/** That it is a lie, and what is said. */
async function expectLie(asked: Promise<unknown>, says: RegExp, check = "code"): Promise<void> {
  const error = await asked.then(
    () => new Error("nothing was found"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Lie);
  expect(error).toMatchObject({ check, message: expect.stringMatching(says) });
}

describe("contracts as the product deploys them", () => {
  it("are found and told with the terms of the registry", async () => {
    const [admin, committer, guardian, ...attesters] = Array.from(
      { length: 5 },
      () => Wallet.createRandom().address,
    ) as [string, string, string, string, string];
    const terms = { windowSeconds: 3_600, attesters, threshold: 1, minimumExit: 5n * TST };
    const record = await deployContracts(chain, { ...terms, admin, committer, guardian });
    const { code } = await check(record);
    expect(code).toEqual({
      digest: contractsDigest(),
      nodes: 1,
      detail:
        `6 contracts created by this version's code in blocks ${record.deployed_block - 5} to ${record.deployed_block}; ` +
        `window 3600 s, smallest exit ${5n * TST} base units; at first admin ${admin}, committer ${committer}, ` +
        `guardian ${guardian}, 1 of the attesters ${attesters.join(", ")}`,
    });
  });

  it("are a registry alone in a book without a token", async () => {
    const record = await deployAnchor(chain, { windowSeconds: 0, attesters: [] });
    const { code } = await check(record);
    expect(code.detail).toContain(
      `1 contract created by this version's code in block ${record.deployed_block}; `,
    );
  });

  it("are found with other transactions between them, and all in one block", async () => {
    const others = async () => {
      await sendTransaction(other.signer as Wallet, { to: thief, value: 1n });
      await sendTransaction(other.signer as Wallet, { data: CREATOR });
      await sendTransaction(chain.signer as Wallet, { to: thief, value: 1n });
    };
    await expect(check(await deployForged(chain, { before: others, nonces: 1 }))).resolves.toBeDefined();

    const together = await deployForged(chain, { inOneBlock: true });
    const { code } = await check(together);
    expect(code.detail).toContain(
      `6 contracts created by this version's code in block ${together.deployed_block};`,
    );
  });

  it("are found where the record is some blocks wrong, as after a branch that was given up, and not far off", async () => {
    await mine(70);
    const record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
    await mine(70);
    const { deployed_block } = record;
    for (const wrong of [-64, -1, 1, 64]) {
      const found = check({ ...record, deployed_block: deployed_block + wrong });
      await expect(found, `${wrong}`).resolves.toEqual(await check(record));
    }
    for (const wrong of [-65, 65])
      await expectLie(
        check({ ...record, deployed_block: deployed_block + wrong }),
        new RegExp(
          `the SettlementRegistry at ${record.registry} cannot be trusted: no transaction around block ${deployed_block + wrong}, .*created it`,
          "i",
        ),
      );
  });

  it("are looked for over so many blocks before the registry, and lie within them", async () => {
    const before = (name: ContractName) => (name === "SettlementVault" ? mine(10) : Promise.resolve());
    const record = await deployForged(chain, { before });
    const contracts = contractsOf(record);
    const found = async (back: number) =>
      (await findCreations(chain.rpc, contracts, record.deployed_block, back)).size;
    expect([await found(14), await found(15)]).toEqual([5, 6]);

    let first = "";
    const slow = await startLyingNode(anvil.rpcUrl, (method, _, result) => {
      const receipt = result as { readonly transactionHash: string; readonly blockNumber: string } | null;
      if (method !== "eth_getTransactionReceipt" || receipt === null) return result;
      first ||= receipt.transactionHash;
      const later = receipt.transactionHash === first ? 0 : 1_996;
      return { ...receipt, blockNumber: `0x${(Number(receipt.blockNumber) + later).toString(16)}` };
    });
    ends.push(() => slow.close());
    const deployer = await connected(slow.url, anvil.privateKeys[0]);
    await expect(deployContracts(deployer, { windowSeconds: 0, attesters: [] })).rejects.toThrow(
      "the first contract was mined 2001 blocks before the last",
    );
  });
});

describe("contracts that somebody has made otherwise", () => {
  const fault = (name: ContractName, why: string) =>
    new RegExp(
      `^the ${name} at 0x\\w{40} cannot be trusted: transaction 0x\\w{64} of block \\d+, which created it, ${why}.*A book of another version`,
    );
  const otherCode = (name: ContractName) =>
    fault(name, "does not hold the code of this version of Anchorbook");
  const otherArguments = (name: ContractName) => fault(name, "tells its constructor something else");
  /** Nothing that the contracts answer gives it away. */
  const answersWell = (record: DeploymentRecord) => checkDeployment(chain, record);

  it("are told where a vault has a back door", async () => {
    const record = await deployForged(chain, { forge: { SettlementVault: withBackDoor } });
    await answersWell(record);
    await expectLie(check(record), otherCode("SettlementVault"));
  });

  it("are told where the code is ours, and the storage was written before: a hidden admin, tokens of nobody", async () => {
    const operator = (chain.signer as Wallet).address;
    const roles = [ADMIN_ROLE, id("COMMITTER_ROLE"), id("GUARDIAN_ROLE")].map(
      (role) => [roleSlot(role, operator), 1n] as const,
    );
    const codes = await honestCode(chain);
    const hidden = [...roles, [roleSlot(ADMIN_ROLE, thief), 1n] as const];
    const ruled = await deployForged(chain, {
      forge: { SettlementRegistry: () => presetting(codes.SettlementRegistry, hidden) },
    });
    expect(await chain.provider.getCode(ruled.registry)).toBe(codes.SettlementRegistry);
    expect(
      await contractAt(chain, "SettlementRegistry", ruled.registry).getFunction("hasRole")(ADMIN_ROLE, thief),
    ).toBe(true);
    await answersWell(ruled);
    await expectLie(check(ruled), otherCode("SettlementRegistry"));

    const { TST: token } = await honestCode(chain);
    const minted = await deployForged(chain, {
      forge: { TST: () => presetting(token, [[balanceSlot(thief), TST]]) },
    });
    expect(await contractAt(chain, "TST", minted.token).getFunction("balanceOf")(thief)).toBe(TST);
    await answersWell(minted);
    await expectLie(check(minted), otherCode("TST"));
  });

  it("are told where bytes follow the arguments, or these are written in another way", async () => {
    for (const name of ["P2PAgreementEscrow", "SettlementRegistry"] as const) {
      const record = await deployForged(chain, { forge: { [name]: (honest: string) => `${honest}00` } });
      await answersWell(record);
      await expectLie(check(record), otherArguments(name));
    }
  });

  it("are told where a token obeys somebody else, which its custodians do not notice", async () => {
    const record = await deployForged(chain, {
      forge: {
        TST: (honest) => `${honest.slice(0, -40)}${thief.slice(2)}`,
      },
    });
    await expect(answersWell(record)).rejects.toThrow("token.reserve");
    await expectLie(check(record), otherArguments("TST"));
  });

  it("are told where the record names another custodian or token than the registry was told", async () => {
    const record = await deployForged(chain);
    const second = await deployForged(chain, {});
    const { custodians } = record;
    await expectLie(
      check({ ...second, custodians: { ...second.custodians, locks: custodians.locks } }),
      otherArguments("SettlementRegistry"),
    );
    await expectLie(check({ ...second, token: record.token }), otherArguments("SettlementRegistry"));
    // A registry of a book with tokens is no anchor.
    await expectLie(check({ ...second, token: ZeroAddress }), otherArguments("SettlementRegistry"));
  });

  it("are told where another contract has made them", async () => {
    const operator = chain.signer as Wallet;
    const { contractAddress } = await sendTransaction(operator, { data: CREATOR });
    const data = anchorCode(operator.address);
    const made = await sendTransaction(operator, { to: contractAddress, data, gasLimit: GAS });
    const registry = getCreateAddress({ from: contractAddress ?? "", nonce: 1 });
    const book = { registry, token: ZeroAddress, chain_id: 31_337, deployed_block: made.blockNumber };
    const custodians = {
      ...{ balances: registry, locks: registry, stakes: registry, compute: registry, payouts: registry },
    };
    await answersWell({ ...book, custodians });
    await expectLie(
      check({ ...book, custodians }),
      /no transaction around block \d+, .*created it\. anchorbook deploy/,
    );

    const creator = await sendTransaction(operator, { data: CREATOR });
    const record = await deployForged(chain, { tokenBy: creator.contractAddress ?? "" });
    await answersWell(record);
    await expectLie(
      check(record),
      /^the TST at 0x\w+ cannot be trusted: no transaction of the 2000 blocks before the registry's created it/,
    );
  });

  it("are told where the transaction that should have made one failed", async () => {
    const operator = chain.signer as Wallet;
    const nonce = await chain.provider.getTransactionCount(operator.address);
    // An attester twice: its constructor refuses that.
    const nobody = [ZeroAddress, ZeroAddress, ZeroAddress, ZeroAddress];
    const roles = [operator.address, operator.address, operator.address];
    const data = creationCode("SettlementRegistry", [roles, ZeroAddress, nobody, [0, 0, [thief, thief], 1]]);
    await expect(sendTransaction(operator, { data, gasLimit: GAS })).rejects.toThrow("and failed");
    const registry = getCreateAddress({ from: operator.address, nonce });
    const deployed_block = await chain.provider.getBlockNumber();
    const custodians = {
      ...{ balances: registry, locks: registry, stakes: registry, compute: registry, payouts: registry },
    };
    await expectLie(
      check({ registry, token: ZeroAddress, chain_id: 31_337, deployed_block, custodians }),
      /which created it, left no code there/,
    );
  });
});

describe("nodes", () => {
  interface Made {
    readonly from: string;
    readonly nonce: string;
    readonly input?: string;
  }
  interface Block {
    readonly number: string;
    readonly transactions: readonly Made[];
  }
  const isVault = ({ from, nonce }: Made, { custodians }: DeploymentRecord) =>
    getCreateAddress({ from, nonce }) === custodians.balances;
  const blockChanged =
    (change: (block: Block) => unknown) => (method: string, params: readonly unknown[], result: unknown) =>
      method === "eth_getBlockByNumber" && params[1] === true && result !== null
        ? change(result as Block)
        : result;

  it("are held against each other: two that tell another transaction, or one that tells none", async () => {
    const record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
    const [one, same] = [honestNode(), await lyingNode("same", (_m, _p, result) => result)];
    await expect(check(record, [one, same])).resolves.toMatchObject({ code: { nodes: 2 } });
    const liar = await lyingNode(
      "two",
      blockChanged(({ transactions, ...block }) => ({
        ...block,
        transactions: transactions.map((made) => ({ ...made, input: `${made.input}00` })),
      })),
    );
    const differ = (second: string) =>
      new RegExp(
        `^what created the SettlementRegistry at 0x\\w+: one says 0x\\w{64} of block \\d+, .*, two says ${second}`,
      );
    await expectLie(check(record, [one, liar]), differ("0x\\w{64} of block \\d+, "), "rpcs");
    const silent = await lyingNode(
      "two",
      blockChanged((block) => ({ ...block, transactions: [] })),
    );
    await expectLie(check(record, [one, silent]), differ("no transaction"), "rpcs");
    // While the chain may still change it, one of the two may be behind.
    const young = await check(record, [one, silent], 64).catch((error: unknown) => error);
    expect(young).not.toBeInstanceOf(Lie);
    expect(young).toMatchObject({ message: expect.stringMatching(differ("no transaction")) });
  });

  it("have to have come as far both of them before nothing changes any more", async () => {
    const record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
    await mine(1);
    const [one, behind] = [
      honestNode(),
      await lyingNode("behind", (method, _, result) =>
        method === "eth_blockNumber" ? `0x${record.deployed_block.toString(16)}` : result,
      ),
    ];
    expect((await check(record, [one], 1)).isDeep).toBe(true);
    expect((await check(record, [one, behind], 1)).isDeep).toBe(false);
  });

  it("may show transactions of kinds in which a nonce is no account's, and they say nothing of an address", async () => {
    const record = await deployForged(chain, { forge: { SettlementVault: withBackDoor } });
    const honest = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
    const { transactions } = (await chain.provider.send("eth_getBlockByNumber", [
      ...[`0x${(honest.deployed_block - 4).toString(16)}`, true],
    ])) as Block;
    const [vault] = transactions;
    // The vault's address by sender and nonce, and our own code, from somebody who can have a transaction look so.
    const beside = (type: string) =>
      blockChanged((block) => ({
        ...block,
        transactions: block.transactions.flatMap((made) =>
          isVault(made, record) ? [made, { ...made, type, input: vault?.input }] : [made],
        ),
      }));
    await expectLie(check(record, [await lyingNode("one", beside("0x68"))]), /does not hold the code/);
    const twice = check(record, [await lyingNode("one", beside("0x0"))]);
    await expect(twice).rejects.toThrow(/the node contradicts itself: two transactions created 0x/);
    // Another chain's own kind alone is none at all.
    const alone = blockChanged((block) => ({
      ...block,
      transactions: block.transactions.map((made) => ({ ...made, type: "0x68" })),
    }));
    await expectLie(check(honest, [await lyingNode("one", alone)]), /no transaction around block/);
  });

  it("that do not serve so old blocks, or not their transactions, are no lie", async () => {
    const record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
    const { deployed_block } = record;
    const answers: [string, (block: Block) => unknown, string][] = [
      ["pruned", () => null, `does not have block ${deployed_block}`],
      [
        "pruning",
        (block) => (Number(block.number) < deployed_block - 2 ? null : block),
        `does not have block ${deployed_block - 3} (any more)`,
      ],
      [
        "hashes",
        ({ transactions, ...block }) => ({ ...block, transactions: transactions.map(() => id("")) }),
        "without its transactions",
      ],
      ["another", (block) => ({ ...block, number: "0x1" }), "is numbered 0x1"],
      [
        "no data",
        ({ transactions, ...block }) => ({
          ...block,
          transactions: transactions.map(({ input: _, ...made }) => made),
        }),
        "without hash or data",
      ],
    ];
    for (const [name, change, says] of answers) {
      const error = await check(record, [await lyingNode(name, blockChanged(change))]).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).not.toBeInstanceOf(Lie);
      expect(String(error)).toContain(`${name} does not show what created the contracts (`);
      expect(String(error)).toContain(says);
    }
    const away = check({ ...record, deployed_block: deployed_block + 1_000 });
    await expect(away).rejects.toThrow(`does not have block ${deployed_block + 1_000}`);
  });
});
