/** Checking Ed25519 signatures (RFC 8032) by the Web Crypto that Node and browsers both have. */

/** @param publicKey 32 bytes @param signature 64 bytes */
export async function verifyEd25519(
  publicKey: Uint8Array,
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  const { subtle } = globalThis.crypto;
  try {
    const key = await subtle.importKey("raw", Uint8Array.from(publicKey), "Ed25519", false, ["verify"]);
    return await subtle.verify("Ed25519", key, Uint8Array.from(signature), Uint8Array.from(message));
  } catch (error) {
    // Bytes that are no key; whoever lacks the algorithm must not take that for a bad signature.
    if (error instanceof DOMException && error.name === "DataError") return false;
    throw error;
  }
}
