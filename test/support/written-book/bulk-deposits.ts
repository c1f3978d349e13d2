/** Deposits on a real chain, many in a transaction, by a contract that was given tokens out of nothing. */
import { AbiCoder, type BaseContract, ContractFactory, keccak256, toBeHex, zeroPadValue } from "ethers";
import { type Chain, contractArtifact, type DeploymentRecord } from "#infra";
import type { Hex } from "#proof";
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
      const sent = await this.#contract.getFunction("deposit")(
        custodians.balances,
        AMOUNT,
        Math.min(AT_ONCE, count - done),
      );
      const { logs } = await sent.wait();
      for (const log of logs) {
        const entry = toEntry(log);
        if (entry) yield entry;
      }
    }
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

function toEntry({ index, blockNumber, transactionHash, ...log }: LogOfReceipt): Entry | null {
  const parsed = contractArtifact("SettlementRegistry").abi.parseLog(log);
  if (parsed?.name !== "EntryMade") return null;
  return {
    ...{ txHash: transactionHash.toLowerCase() as Hex, logIndex: index, block: blockNumber },
    depositor: String(parsed.args.depositor).toLowerCase() as Hex,
    amount: parsed.args.amount as bigint,
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
