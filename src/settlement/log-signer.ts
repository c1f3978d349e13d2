/**
 * The key that signs a log's checkpoints. It signs text and never leaves this
 * file; what it is made from is read elsewhere, and never written into a log.
 */
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { NOTE_ED25519, type NoteKey, type NoteSignature, noteKey } from "#proof";

export interface LogSigner {
  /** Also the key's name. */
  readonly origin: string;
  readonly key: NoteKey;
  /** Over the text of a note. */
  sign(text: string): NoteSignature;
}

const SEED_BYTES = 32;
/** What stands before the seed in a PKCS #8 key of Ed25519 (RFC 8410). */
const PKCS8_START = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * @param origin which log: no other log anywhere has the same
 * @param seed 32 bytes, as RFC 8032 has them
 * @throws FormatError where no log can be called so
 */
export function createLogSigner(origin: string, seed: Uint8Array): LogSigner {
  if (seed.length !== SEED_BYTES) throw new RangeError(`a key's seed has ${SEED_BYTES} bytes`);
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_START, seed]),
    ...{ format: "der", type: "pkcs8" },
  });
  const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  const key = noteKey(origin, NOTE_ED25519, Buffer.from(x, "base64url"));
  return {
    ...{ origin, key },
    sign: (text) => ({
      ...{ name: origin, keyId: key.keyId },
      bytes: Uint8Array.from(sign(null, Buffer.from(text), privateKey)),
    }),
  };
}
