/**
 * What an attester signs: the EIP-712 struct `Attest(bytes32 headerHash)` in the
 * domain of its registry. Recovering is as strict as the registry: 65 bytes, low
 * s, v 27 or 28; so what is taken here is what a finalize can carry.
 */
import { recoverAddress, TypedDataEncoder } from "ethers";
import { type HexText, lowerHex } from "./header-codec.ts";

/** `wallet.signTypedData(attestDomain(record), ATTEST_TYPES, { headerHash })` makes an attestation. */
export const ATTEST_TYPES = { Attest: [{ name: "headerHash", type: "bytes32" }] };

const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
const SIGNATURE = /^0x([0-9a-f]{64})([0-9a-f]{64})(1b|1c)$/;

/** @param registry in any case */
export function attestDomain({ chainId, registry }: { chainId: bigint | number; registry: string }) {
  return { name: "Anchorbook", version: "1", chainId: BigInt(chainId), verifyingContract: registry };
}

/** 65 bytes r, s, v as lower-case hex, with the lower of the two possible s. */
export function isCanonicalSignature(signature: string): signature is HexText {
  const s = SIGNATURE.exec(signature)?.[2];
  return s !== undefined && BigInt(`0x${s}`) <= HALF_ORDER;
}

/** Whose signature over a header it is, in lower case; null where the signature is none that the registry takes. */
export function attesterOf(
  book: { chainId: bigint | number; registry: string },
  headerHash: string,
  signature: string,
): HexText | null {
  if (!isCanonicalSignature(signature)) return null;
  const digest = TypedDataEncoder.hash(attestDomain(book), ATTEST_TYPES, { headerHash });
  try {
    return lowerHex(recoverAddress(digest, signature));
  } catch {
    // No point of the curve has this r.
    return null;
  }
}
