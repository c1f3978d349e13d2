/**
 * Whether a wallet signed a digest: by its key (ECDSA, 65 bytes, low s), or by
 * its contract (EIP-1271). A key's signature needs no chain. A contract may answer
 * differently later, so its answer is one as of a block. It may also want to be
 * heard as a yes by one and a no by another, so that honest books look false: it is
 * asked as of a block that no reorg takes away, by the same caller with the same gas.
 */
import { getBytes, Interface, recoverAddress, ZeroAddress } from "ethers";
import { NodeFailed } from "./chain-errors.ts";
import type { Chain } from "./connect-chain.ts";
import type { HexText } from "./header-codec.ts";
import { RpcRefused } from "./json-rpc.ts";

export interface SignedDigest {
  /** Lower case. */
  readonly wallet: HexText;
  readonly digest: HexText;
  readonly signature: HexText;
}

const KEY_SIGNATURE = /^0x[0-9a-f]{128}1[bc]$/;
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
const ERC1271 = new Interface([
  "function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)",
]);
/** The selector is also the answer that says yes, in the first bytes of one word. */
const YES = `0x1626ba7e${"00".repeat(28)}`;

/** Of every question to a contract. More than contract wallets need, less than any node allows. */
const ASKED = { from: ZeroAddress, gas: `0x${(5_000_000).toString(16)}` };

/** Whether the key of `wallet` made it. Malleable ones (s in the upper half, another v, compact) are none. */
export function isSignedByKey({ wallet, digest, signature }: SignedDigest): boolean {
  if (!KEY_SIGNATURE.test(signature)) return false;
  if (BigInt(`0x${signature.slice(66, 130)}`) > HALF_ORDER) return false;
  try {
    return recoverAddress(digest, signature).toLowerCase() === wallet;
  } catch {
    return false;
  }
}

/**
 * For a signature that is new.
 * @param finalBlock the newest block that stays on the chain
 * @returns 0 where a key made it, the block as of which the wallet's contract said yes, or null where it is none
 * @throws where the chain has to be asked and does not answer (`isChainUnavailable`)
 */
export async function checkWalletSignature(
  chain: Chain,
  signed: SignedDigest,
  finalBlock: () => Promise<number>,
): Promise<bigint | null> {
  if (isSignedByKey(signed)) return 0n;
  const block = BigInt(await finalBlock());
  const answer = await askWallet(chain, signed, block);
  if (answer === null) throw new NodeFailed(new Error(`the node does not have its final block ${block}`));
  return answer ? block : null;
}

/**
 * For a signature that was checked before, as of `block` (0: by key).
 * @returns "changed" where only the present answer of a contract that is there could be had, and is no
 * @throws where the chain has to be asked and does not answer
 */
export async function recheckWalletSignature(
  chain: Chain,
  signed: SignedDigest,
  block: bigint,
): Promise<"signed" | "not_signed" | "changed"> {
  if (block === 0n) return isSignedByKey(signed) ? "signed" : "not_signed";
  const then = await askWallet(chain, signed, block);
  if (then !== null) return then ? "signed" : "not_signed";
  const now = await askWallet(chain, signed, "latest");
  if (now === null) throw new NodeFailed(new Error("the node does not have its latest block"));
  if (now) return "signed";
  // Whoever has a key alone signs with it: no contract was there to say yes, whatever the node remembers.
  return (await chain.provider.getCode(signed.wallet)) === "0x" ? "not_signed" : "changed";
}

/** How nodes say that they do not have the state of a block, any more or at all. */
const FORGOTTEN =
  /missing trie node|not found|unknown block|out ?of ?range|block height|histor|prun|archive|ancient|old data|not available|unavailable|no state|state .*missing|too old|proof window|retention/i;

/**
 * What the wallet's contract says as of a block. An account without code says no, and so does one that reverts, runs
 * out of gas, or answers anything but a yes.
 * @returns null where the node does not have the state of that block
 * @throws what `isChainUnavailable` knows, where the node fails: that is nobody's no
 */
export async function askWallet(
  chain: Chain,
  { wallet, digest, signature }: SignedDigest,
  asOf: bigint | "latest",
): Promise<boolean | null> {
  const block = asOf === "latest" ? asOf : `0x${asOf.toString(16)}`;
  const data = ERC1271.encodeFunctionData("isValidSignature", [digest, getBytes(signature)]);
  try {
    if ((await askBytes(chain, "eth_getCode", [wallet, block])) === "0x") return false;
    const answer = await askBytes(chain, "eth_call", [{ ...ASKED, to: wallet, data }, block]);
    return answer.slice(0, YES.length) === YES;
  } catch (error) {
    if (!(error instanceof RpcRefused)) throw error;
    if (error.isRevert) return false;
    if (FORGOTTEN.test(error.message)) return null;
    throw new NodeFailed(error);
  }
}

async function askBytes(chain: Chain, method: string, params: readonly unknown[]): Promise<string> {
  const answer = await chain.rpc.call(method, params);
  if (typeof answer === "string" && /^0x[0-9a-f]*$/i.test(answer)) return answer.toLowerCase();
  throw new NodeFailed(new Error(`the node's answer to ${method} is none`));
}
