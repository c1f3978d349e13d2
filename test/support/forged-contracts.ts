/**
 * Deploys a book as a dishonest operator may: with other creation code for one of its contracts, or in another way than
 * the product does. Written from the constructors in `contracts/`, not from the product's own deployment.
 */
import { AbiCoder, getCreateAddress, keccak256, toBeHex, ZeroAddress } from "ethers";
import {
  type Chain,
  type ContractName,
  contractArtifact,
  type DeploymentRecord,
  type SentTransaction,
} from "#infra";
import { compileSolidity } from "./compile-solidity.ts";
import { mined } from "./mined.ts";

const ORDER = [
  "TST",
  "SettlementVault",
  "P2PAgreementEscrow",
  "AccessTierStaking",
  "EntityComputeReserve",
  "SettlementRegistry",
] as const satisfies readonly ContractName[];

export interface ForgedDeployment {
  /** Another creation code, with its arguments, than this honest one. */
  readonly forge?: { readonly [name in ContractName]?: (honest: string) => string };
  /** Before each of the contracts is created; what the operator sends there takes a nonce for each of `nonces`. */
  readonly before?: (name: ContractName) => Promise<unknown>;
  /** Of the operator, which `before` uses up. Default 0. */
  readonly nonces?: number;
  /** A contract that creates what it is sent: it makes the token, as its first. */
  readonly tokenBy?: string;
  /** All of them. */
  readonly inOneBlock?: boolean;
  /** None of their signatures is needed. Default none. */
  readonly attesters?: readonly string[];
}

/** The chain is not asked for it where it has not got the contracts before. */
export const GAS = 7_000_000n;

export async function deployForged(
  chain: Chain,
  { forge = {}, before, nonces = 0, tokenBy, inOneBlock = false, attesters = [] }: ForgedDeployment = {},
): Promise<DeploymentRecord> {
  const { signer, provider, chainId } = chain;
  if (!signer) throw new Error("who deploys?");
  const from = signer.address;
  const first = await provider.getTransactionCount(from);
  const nonceOf = (place: number) => first + place * (1 + nonces) + nonces;
  const at = Object.fromEntries(
    ORDER.map((name, place) => [name, getCreateAddress({ from, nonce: nonceOf(place) })]),
  ) as Record<ContractName, string>;
  if (tokenBy !== undefined) at.TST = getCreateAddress({ from: tokenBy, nonce: 1 });
  let sent: SentTransaction | undefined;
  if (inOneBlock) await provider.send("evm_setAutomine", [false]);
  try {
    for (const [place, name] of ORDER.entries()) {
      await before?.(name);
      const honest = creationCode(name, argumentsOf(name, at, from, attesters));
      const data = forge[name]?.(honest) ?? honest;
      const to = (name === "TST" && tokenBy) || null;
      sent = await signer.sendTransaction({ to, data, nonce: nonceOf(place), gasLimit: GAS });
      if (!inOneBlock) await mined(sent);
    }
  } finally {
    if (inOneBlock) await provider.send("evm_mine", []);
    if (inOneBlock) await provider.send("evm_setAutomine", [true]);
  }
  const { blockNumber: block } = await mined(sent);
  return {
    ...{ chain_id: Number(chainId), token: at.TST, registry: at.SettlementRegistry, deployed_block: block },
    custodians: {
      ...{ balances: at.SettlementVault, locks: at.P2PAgreementEscrow, stakes: at.AccessTierStaking },
      ...{ compute: at.EntityComputeReserve, payouts: at.SettlementVault },
    },
  };
}

function argumentsOf(
  name: ContractName,
  at: Record<ContractName, string>,
  operator: string,
  attesters: readonly string[],
): unknown[] {
  const { SettlementVault: vault, SettlementRegistry: registry, TST: token } = at;
  const others = [at.P2PAgreementEscrow, at.AccessTierStaking, at.EntityComputeReserve];
  if (name === "TST") return [vault, ...others];
  if (name === "SettlementVault") return [registry, token, ...others];
  if (name === "SettlementRegistry")
    return [[operator, operator, operator], token, [vault, ...others], [0, 10n ** 18n, attesters, 0]];
  return [registry, token, vault];
}

export function creationCode(name: ContractName, args: readonly unknown[]): string {
  const { abi, bytecode } = contractArtifact(name);
  return bytecode + abi.encodeDeploy([...args]).slice(2);
}

/** The code that contracts have after an honest deployment at the sender's present nonce, which is taken back. */
export async function honestCode(chain: Chain): Promise<Readonly<Record<ContractName, string>>> {
  const { provider } = chain;
  const snapshot: unknown = await provider.send("evm_snapshot", []);
  const { token, registry, custodians } = await deployForged(chain);
  const codes = {
    TST: await provider.getCode(token),
    SettlementRegistry: await provider.getCode(registry),
    SettlementVault: await provider.getCode(custodians.balances),
    P2PAgreementEscrow: await provider.getCode(custodians.locks),
    AccessTierStaking: await provider.getCode(custodians.stakes),
    EntityComputeReserve: await provider.getCode(custodians.compute),
  };
  await provider.send("evm_revert", [snapshot]);
  return codes;
}

/** Creation code that writes these words to storage and leaves this code. */
export function presetting(
  code: string,
  storage: readonly (readonly [slot: string, value: bigint])[],
): string {
  const word = (value: string) => value.slice(2).padStart(64, "0");
  const stores = storage.map(([slot, value]) => `7f${word(toBeHex(value))}7f${word(slot)}55`).join("");
  const length = (code.length - 2) / 2;
  const threeBytes = (value: number) => value.toString(16).padStart(6, "0");
  // CODECOPY the rest to 0, and RETURN it.
  const tail = `62${threeBytes(length)}8062${threeBytes(stores.length / 2 + 15)}6000396000f3`;
  return `0x${stores}${tail}${code.slice(2)}`;
}

const coder = AbiCoder.defaultAbiCoder();

/** Where OpenZeppelin's roles, a mapping in the first slot, say that an account has one. */
export function roleSlot(role: string, account: string): string {
  const ofRole = keccak256(coder.encode(["bytes32", "uint256"], [role, 0]));
  return keccak256(coder.encode(["address", "bytes32"], [account, ofRole]));
}

/** Where its tokens have an account's balance. */
export function balanceSlot(account: string): string {
  return keccak256(coder.encode(["address", "uint256"], [account, 0]));
}

const SOURCE = `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

contract BackDoor {
    address private immutable honest;

    constructor(bytes memory creation) {
        address made;
        assembly { made := create(0, add(creation, 32), mload(creation)) }
        honest = made;
    }

    /// Answers as the honest code does, but to who knows the word.
    fallback() external payable {
        address target = honest;
        if (msg.sig == "open") target = address(bytes20(msg.data[4:24]));
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), target, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(done) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }
}`;

/** A contract that answers as the one that this creation code makes, and runs whatever somebody wants who knows the word. */
export function withBackDoor(honest: string): string {
  const code = compileSolidity(SOURCE).BackDoor?.evm.bytecode.object;
  if (code === undefined) throw new Error("there is no such contract");
  return `0x${code}${coder.encode(["bytes"], [honest]).slice(2)}`;
}

/** Creation code of a contract that creates what it is sent. */
export const CREATOR = "0x600d600c600039600d6000f33660006000373660006000f000";

/** An anchor's registry. */
export function anchorCode(operator: string): string {
  const nobody = [ZeroAddress, ZeroAddress, ZeroAddress, ZeroAddress];
  return creationCode("SettlementRegistry", [
    [operator, operator, operator],
    ZeroAddress,
    nobody,
    [0, 0, [], 0],
  ]);
}
