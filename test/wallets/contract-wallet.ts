/** Contract wallets (EIP-1271) for tests: one that has an owner, and ones that answer as they should not. */
import { ContractFactory, type Signer } from "ethers";
import { compileSolidity } from "../support/compile-solidity.ts";
import { mined } from "../support/mined.ts";

const SOURCE = `
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

contract OwnedWallet {
  address public owner;
  constructor(address first) { owner = first; }
  function setOwner(address next) external { owner = next; }
  /// Takes the owner's signature with anything behind it, as wallets do that pack more into one.
  function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
    bytes32 r = bytes32(signature[0:32]);
    bytes32 s = bytes32(signature[32:64]);
    address signer = ecrecover(hash, uint8(signature[64]), r, s);
    return signer == owner && signer != address(0) ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
  }
  function execute(address to, bytes calldata data) external {
    (bool done,) = to.call(data);
    require(done, "refused");
  }
}

/// Answers with a word that only looks like a yes.
contract SloppyWallet {
  fallback() external {
    assembly {
      mstore(0, 0x1626ba7e00000000000000000000000000000000000000000000000000000001)
      return(0, 32)
    }
  }
}

/// Answers fewer bytes than a word.
contract ShortWallet {
  fallback() external {
    assembly {
      mstore(0, shl(224, 0x1626ba7e))
      return(0, 4)
    }
  }
}

/// Says yes to who gives it little gas, and no to who gives it much.
contract MoodyWallet {
  function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
    return gasleft() < 5_000_000 ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
  }
}

contract AngryWallet {
  fallback() external { revert("no"); }
}
`;

export type WalletKind = "OwnedWallet" | "MoodyWallet" | "SloppyWallet" | "ShortWallet" | "AngryWallet";

let compiled: ReturnType<typeof compileSolidity> | undefined;

/** @returns the address, in lower case */
export async function deployWallet(kind: WalletKind, signer: Signer, ...args: unknown[]): Promise<string> {
  compiled ??= compileSolidity(SOURCE);
  const wallet = compiled[kind];
  if (!wallet) throw new Error(`there is no contract ${kind}`);
  const contract = await new ContractFactory(wallet.abi, wallet.evm.bytecode.object, signer).deploy(...args);
  await mined(contract.deploymentTransaction());
  return (await contract.getAddress()).toLowerCase();
}
