/** Whether a wallet signed: by recovering its key, or by asking its contract (EIP-1271) as of a block. */
import { Contract, isError, recoverAddress } from "ethers";
import { type Chain, isChainUnavailable } from "#infra";
import type { SignatureCheck } from "#proof";
import type { SignatureVerdict } from "./rules/owner-rule.ts";

const EIP_1271 = ["function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)"];
const MAGIC = "0x1626ba7e";

export async function verifySignature(chain: Chain, check: SignatureCheck): Promise<SignatureVerdict> {
  if (check.block === 0n) return recovers(check) ? "holds" : "fails";
  const then = await contractSays(chain, check, Number(check.block));
  if (then !== null) return then ? "holds" : "fails";
  // The node has forgotten that block's state; a contract may say no now to what it said yes to then.
  return (await contractSays(chain, check, "latest")) ? "holds" : "unknown";
}

function recovers({ digest, signature, wallet }: SignatureCheck): boolean {
  try {
    return recoverAddress(digest, signature).toLowerCase() === wallet;
  } catch {
    return false;
  }
}

/** Null where the node does not have the state of that block. */
async function contractSays(
  chain: Chain,
  { wallet, digest, signature }: SignatureCheck,
  at: number | "latest",
): Promise<boolean | null> {
  const contract = new Contract(wallet, EIP_1271, chain.provider);
  try {
    const answer: string = await contract.getFunction("isValidSignature")(digest, signature, {
      blockTag: at,
    });
    return answer.slice(0, 10).toLowerCase() === MAGIC;
  } catch (error) {
    if (isChainUnavailable(error)) throw error;
    // It reverted, or answered with something else than four bytes: that is a no.
    if (isError(error, "CALL_EXCEPTION") || isError(error, "BAD_DATA")) return false;
    return null;
  }
}
