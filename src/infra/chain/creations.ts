/**
 * The transactions that created a book's contracts, and whether they hold this version's own code. What a transaction
 * creates is at an address that follows from its sender and nonce, so the one that is there was made by these bytes: its
 * code and its first storage are theirs. That needs blocks with their transactions, and no index of transactions.
 */
import { getCreateAddress, id, ZeroAddress } from "ethers";
import { ChainInconsistent } from "./chain-errors.ts";
import { quantity } from "./chain-reader.ts";
import {
  addressesOf,
  constructorArguments,
  type RegistryTerms,
  readRegistryTerms,
  registryArguments,
} from "./constructor-arguments.ts";
import { type ContractName, contractArtifact, IN_ORDER_OF_CREATION } from "./contract-artifacts.ts";
import type { DeploymentRecord } from "./deployment.ts";
import type { JsonRpc } from "./json-rpc.ts";

/** A transaction that created a contract. */
export interface Creation {
  readonly block: number;
  readonly txHash: string;
  /** Its data, as lower-case hex: creation code and what the constructor is told. */
  readonly input: string;
}

/** A contract of a book, at which lower-case address. */
export interface BookContract {
  readonly name: ContractName;
  readonly address: string;
}

/** From the registry's block on: the contracts of a book are created one after the other. */
export const MOST_BLOCKS_BACK = 2_000;
/** A branch that was given up may have had the registry in another block than the chain now has. */
const BLOCKS_AROUND = 64;

/** The registry first; alone in a book without a token. */
export function contractsOf(record: DeploymentRecord): readonly BookContract[] {
  const at = addressesOf(record);
  return IN_ORDER_OF_CREATION.toReversed()
    .filter((name) => at[name] !== ZeroAddress)
    .map((name) => ({ name, address: at[name].toLowerCase() }));
}

/**
 * Looks around the block of the registry for it, and over so many blocks before that one for the others.
 * @param contracts the registry first
 * @param deployedBlock in which the registry was created, by whoever says so
 * @returns by lower-case address; what was not found is not in it
 * @throws Error where the node does not have such a block, or not its transactions
 */
export async function findCreations(
  rpc: JsonRpc,
  contracts: readonly BookContract[],
  deployedBlock: number,
  mostBlocksBack = MOST_BLOCKS_BACK,
): Promise<ReadonlyMap<string, Creation>> {
  const wanted = new Set(contracts.map(({ address }) => address));
  const registry = contracts[0]?.address ?? "";
  const found = new Map<string, Creation>();
  const look = async (number: number): Promise<boolean> => {
    const transactions = await transactionsOf(rpc, number);
    for (const transaction of transactions ?? []) {
      const address = createdBy(transaction);
      if (address === null || !wanted.has(address)) continue;
      if (found.has(address)) throw new ChainInconsistent(`two transactions created ${address}`);
      found.set(address, creationOf(transaction, number));
    }
    return transactions !== null;
  };
  if (!(await look(deployedBlock))) throw new Error(`the node does not have block ${deployedBlock}`);
  for (let number = deployedBlock + 1; !found.has(registry); number++)
    if (number > deployedBlock + BLOCKS_AROUND || !(await look(number))) break;
  for (let number = deployedBlock - 1; number >= 0 && found.size < wanted.size; number--) {
    const back = found.has(registry) ? mostBlocksBack : BLOCKS_AROUND;
    if (number < deployedBlock - back) break;
    if (!(await look(number))) throw new Error(`the node does not have block ${number} (any more)`);
  }
  return found;
}

/** Why a contract of the record cannot have been created by this data, as the end of a sentence; null where it is right. */
export function creationFault(name: ContractName, input: string, record: DeploymentRecord): string | null {
  const { abi, bytecode } = contractArtifact(name);
  if (!input.startsWith(bytecode.toLowerCase()))
    return "does not hold the code of this version of Anchorbook";
  const given = `0x${input.slice(bytecode.length)}`;
  const at = addressesOf(record);
  try {
    const args =
      name === "SettlementRegistry"
        ? registryArguments(at, readRegistryTerms(given))
        : constructorArguments(name, at);
    if (abi.encodeDeploy(args).toLowerCase() === given) return null;
  } catch {
    // Bytes that are no arguments at all.
  }
  return "tells its constructor something else, or more, than the addresses of the book's other contracts";
}

/** What a registry was created with, whose data has no fault. */
export function termsOfCreation({ input }: Creation): RegistryTerms {
  return readRegistryTerms(`0x${input.slice(contractArtifact("SettlementRegistry").bytecode.length)}`);
}

/** Another one for each version of the contracts. */
export function contractsDigest(): string {
  return id(IN_ORDER_OF_CREATION.map((name) => contractArtifact(name).bytecode).join());
}

type RpcTransaction = Readonly<Record<string, unknown>>;

/** Null where the node has no such block. */
async function transactionsOf(rpc: JsonRpc, number: number): Promise<readonly RpcTransaction[] | null> {
  const block = (await rpc.call("eth_getBlockByNumber", [`0x${number.toString(16)}`, true])) as {
    readonly number?: unknown;
    readonly transactions?: unknown;
  } | null;
  if (block === null) return null;
  const { transactions } = block;
  if (typeof block.number !== "string" || quantity(block.number) !== number)
    throw new ChainInconsistent(`block ${number} is numbered ${String(block.number)}`);
  if (!Array.isArray(transactions) || transactions.some((one) => typeof one !== "object" || one === null))
    throw new ChainInconsistent(`block ${number} without its transactions`);
  return transactions as RpcTransaction[];
}

/**
 * Those that an account signed and that can create. Chains above others have types of their own, in some of which `nonce` is not
 * the sender's, and says nothing of an address.
 */
const CREATING_TYPES: readonly unknown[] = [undefined, null, "0x0", "0x1", "0x2"];

/** In lower case; null of a transaction that creates nothing. */
function createdBy({ type, to, from, nonce }: RpcTransaction): string | null {
  if (!CREATING_TYPES.includes(type)) return null;
  if ((to !== null && to !== undefined) || typeof from !== "string" || typeof nonce !== "string") return null;
  if (!/^0x[0-9a-f]{40}$/i.test(from)) throw new ChainInconsistent(`a transaction from ${from.slice(0, 60)}`);
  return getCreateAddress({ from, nonce: quantity(nonce) }).toLowerCase();
}

function creationOf({ hash, input, data }: RpcTransaction, block: number): Creation {
  const bytes = input ?? data;
  if (typeof bytes !== "string" || !/^0x[0-9a-f]*$/i.test(bytes) || typeof hash !== "string")
    throw new ChainInconsistent(`a transaction of block ${block} without hash or data`);
  return { block, txHash: hash.toLowerCase(), input: bytes.toLowerCase() };
}
