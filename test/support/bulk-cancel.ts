/** What a stranger can do for its gas alone: a block with very many `WalletCancelled`, of keys that belong to nobody. */
import { AbiCoder, concat, toBeHex } from "ethers";
import { type Chain, contractArtifact, sendTransaction } from "#infra";

const CANCELLER = `0x${"ca".repeat(20)}`;
/** Of one transaction, at most: as most chains have it. */
const GAS = 16_000_000;

/** Takes a registry and a number from its data, and calls `cancelWallet` with each key below that number. */
function cancellerCode(): string {
  const selector = contractArtifact("SettlementRegistry").abi.getFunction("cancelWallet")?.selector ?? "0x";
  return concat([
    // The selector to memory 0; the first key, 0.
    ...["0x63", selector, "0x60e01b600052", "0x6000"],
    // Byte 13, the loop: the key to memory 4, the call of the registry with these 36 bytes, the next key.
    ...["0x5b80600452", "0x600060006024600060006000355af150", "0x600101"],
    // On while it is below the number.
    ...["0x80602035", "0x11600d57", "0x00"],
  ]);
}

/** On a local chain. @returns the block, and the gas that it took */
export async function cancelInOneBlock(
  { provider, signer }: Chain,
  registry: string,
  times: number,
): Promise<{ readonly block: number; readonly gas: bigint }> {
  if (!signer) throw new Error("there is nobody to send it");
  await provider.send("anvil_setCode", [CANCELLER, cancellerCode()]);
  const data = AbiCoder.defaultAbiCoder().encode(["address", "uint256"], [registry, toBeHex(times)]);
  const sent = await sendTransaction(signer, { to: CANCELLER, data, gasLimit: GAS });
  return { block: sent.blockNumber, gas: sent.gasUsed };
}
