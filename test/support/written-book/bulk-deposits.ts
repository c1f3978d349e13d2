/** Deposits on a real chain, many in a transaction, by a contract that was given tokens out of nothing. */
import { AbiCoder, type BaseContract, ContractFactory, keccak256, toBeHex, zeroPadValue } from "ethers";
import { type Chain, contractArtifact, type DeploymentRecord } from "#infra";
import type { Hex } from "#proof";
import { poll } from "../../../src/devstack/poll.ts";
import { compileSolidity } from "../compile-solidity.ts";
import { mined } from "../mined.ts";

const SOURCE = `
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface IVault { function deposit(uint128 amount) external returns (uint64); }

contract BulkDepositor {
  function deposit(IVault vault, uint128 amount, uint256 times) external {
    for (uint256 done = 0; done < times; done++) vault.deposit(amount);
  }
}`;

const AT_ONCE = 100;
/**
 * Transactions of that many. The chain hashes its whole state for each block, which with every deposit takes longer: so
 * blocks are few.
 */
const IN_A_BLOCK = 10;
const AMOUNT = 10n ** 12n;
/** Of that many. */
const GAS = 16_000_000;
/** What the chain's blocks have to hold. */
export const BLOCK_GAS = GAS * IN_A_BLOCK;
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
    const { provider } = this.#chain;
    for (let done = 0; done < count; done += AT_ONCE * IN_A_BLOCK) {
      await provider.send("evm_setAutomine", [false]);
      const hashes = await this.#send(Math.min(AT_ONCE * IN_A_BLOCK, count - done));
      await provider.send("evm_mine", []);
      await provider.send("evm_setAutomine", [true]);
      for (const hash of hashes)
        for (const log of await this.#logsOf(hash)) {
          const entry = toEntry(log);
          if (entry) yield entry;
        }
    }
  }

  async #send(count: number): Promise<string[]> {
    const hashes: string[] = [];
    for (let done = 0; done < count; done += AT_ONCE) {
      const sent = await this.#contract
        ?.getFunction("deposit")
        .send(this.#record.custodians.balances, AMOUNT, Math.min(AT_ONCE, count - done), { gasLimit: GAS });
      if (sent) hashes.push(sent.hash);
    }
    return hashes;
  }

  /** A long transaction may be mined after it was asked for and before the library looks for a next block, which never comes. */
  async #logsOf(hash: string): Promise<readonly ReceiptLog[]> {
    const { provider } = this.#chain;
    const ask = async () =>
      ((await provider.send("eth_getTransactionReceipt", [hash])) as Receipt | null) ?? undefined;
    const receipt = await poll(ask, MINED_WITHIN_MS);
    if (receipt?.status !== "0x1") throw new Error(`the deposits in ${hash} were not made`);
    return receipt.logs;
  }

  async #deploy(): Promise<BaseContract> {
    const { token } = this.#record;
    const compiled = compileSolidity(SOURCE).BulkDepositor;
    if (!compiled) throw new Error("there is no such contract");
    const { abi, evm } = compiled;
    const factory = new ContractFactory(abi, evm.bytecode.object, this.#chain.signer);
    const contract = await factory.deploy();
    await mined(contract.deploymentTransaction());
    await setBalance(this.#chain.provider, token, await contract.getAddress(), 10n ** 24n);
    return contract;
  }
}

/** As the node sends it: the library takes longer over one than the chain over its transaction. */
interface Receipt {
  readonly status: string;
  readonly logs: readonly ReceiptLog[];
}

interface ReceiptLog {
  readonly topics: readonly string[];
  readonly data: string;
  readonly logIndex: string;
  readonly blockNumber: string;
  readonly transactionHash: Hex;
}

/** By hand: there are many. */
function toEntry({ topics, data, logIndex, blockNumber, transactionHash }: ReceiptLog): Entry | null {
  const [event, , depositor = ""] = topics;
  if (event !== ENTRY_MADE) return null;
  return {
    ...{ txHash: transactionHash, logIndex: Number(logIndex), block: Number(blockNumber) },
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
