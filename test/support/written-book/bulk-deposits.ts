/** Deposits on a real chain, many in a transaction, by a contract that was given tokens out of nothing. */
import { AbiCoder, type BaseContract, ContractFactory, keccak256, toBeHex, zeroPadValue } from "ethers";
import { type Chain, contractArtifact, type DeploymentRecord } from "#infra";
import type { Hex } from "#proof";
import { poll } from "../../../src/devstack/poll.ts";
import { compileSolidity } from "../compile-solidity.ts";

const SOURCE = `
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface IVault { function deposit(uint128 amount) external returns (uint64); }

contract BulkDepositor {
  function deposit(IVault vault, uint128 amount, uint256 times) external {
    for (uint256 done = 0; done < times; done++) vault.deposit(amount);
  }
}`;

/** Some of them fit into a block. */
const AT_ONCE = 100;
const AMOUNT = 10n ** 12n;
const MINED_WITHIN_MS = 60_000;
const ENTRY_MADE = contractArtifact("SettlementRegistry").abi.getEvent("EntryMade")?.topicHash;

export interface Entry {
  readonly txHash: Hex;
  readonly logIndex: number;
  readonly block: number;
  readonly depositor: Hex;
  readonly amount: bigint;
}

export class BulkDepositor {
  readonly #chain: Chain;
  readonly #record: DeploymentRecord;
  #contract: BaseContract | undefined;

  constructor(chain: Chain, record: DeploymentRecord) {
    this.#chain = chain;
    this.#record = record;
  }

  /** In the chain's order; the book must have a final epoch. */
  async *deposit(count: number): AsyncGenerator<Entry> {
    this.#contract ??= await this.#deploy();
    for (let done = 0; done < count; done += AT_ONCE) {
      const { custodians } = this.#record;
      const sent = await this.#contract
        .getFunction("deposit")
        .send(custodians.balances, AMOUNT, Math.min(AT_ONCE, count - done));
      for (const log of await this.#logsOf(sent.hash)) {
        const entry = toEntry(log);
        if (entry) yield entry;
      }
    }
  }

  /** A long transaction may be mined after it was asked for and before the library looks for a next block, which never comes. */
  async #logsOf(hash: string): Promise<readonly LogOfReceipt[]> {
    const receipt = await poll(
      async () => (await this.#chain.provider.getTransactionReceipt(hash)) ?? undefined,
      MINED_WITHIN_MS,
    );
    if (receipt?.status !== 1) throw new Error(`the deposits in ${hash} were not made`);
    return receipt.logs;
  }

  async #deploy(): Promise<BaseContract> {
    const { token } = this.#record;
    const compiled = compileSolidity(SOURCE).BulkDepositor;
    if (!compiled) throw new Error("there is no such contract");
    const { abi, evm } = compiled;
    const factory = new ContractFactory(abi, evm.bytecode.object, this.#chain.signer);
    const contract = await factory.deploy();
    await contract.waitForDeployment();
    await setBalance(this.#chain.provider, token, await contract.getAddress(), 10n ** 24n);
    return contract;
  }
}

interface LogOfReceipt {
  readonly topics: readonly string[];
  readonly data: string;
  readonly index: number;
  readonly blockNumber: number;
  readonly transactionHash: string;
}

/** By hand: there are many. */
function toEntry({ topics, data, index, blockNumber, transactionHash }: LogOfReceipt): Entry | null {
  const [event, , depositor = ""] = topics;
  if (event !== ENTRY_MADE) return null;
  return {
    ...{ txHash: transactionHash.toLowerCase() as Hex, logIndex: index, block: blockNumber },
    depositor: `0x${depositor.slice(-40)}`,
    // The first word that is not indexed.
    amount: BigInt(data.slice(0, 66)),
  };
}

/** OpenZeppelin's balances are a mapping in the token's first slot. */
export async function setBalance(
  provider: Chain["provider"],
  token: string,
  holder: string,
  amount: bigint,
): Promise<void> {
  const slot = keccak256(AbiCoder.defaultAbiCoder().encode(["address", "uint256"], [holder, 0]));
  await provider.send("anvil_setStorageAt", [token, slot, zeroPadValue(toBeHex(amount), 32)]);
}
