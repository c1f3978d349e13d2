/**
 * Checkpoints of a log (c2sp.org/tlog-checkpoint) and what signs them: the log
 * itself, and witnesses that say when they saw it (c2sp.org/tlog-cosignature).
 * `openCheckpoint` is the one way to a checkpoint that may be believed: by keys
 * that whoever calls trusts.
 */
import { fromBase64, toBase64 } from "./base64.ts";
import { concatBytes, fromHex, type Hex, toHex, writeU64 } from "./bytes.ts";
import { verifyEd25519 } from "./ed25519.ts";
import { FormatError } from "./format-error.ts";
import {
  isKeyOf,
  isNoteName,
  NOTE_ED25519,
  type NoteKey,
  type NoteSignature,
  parseNote,
  type SignedNote,
} from "./signed-note.ts";

export interface Checkpoint {
  /** Which log; no two logs have the same. */
  readonly origin: string;
  /** How many lines. */
  readonly size: bigint;
  /** Of the log tree over them. */
  readonly root: Hex;
}

export interface Cosignature {
  readonly key: NoteKey;
  /** When the witness saw it, in Unix seconds. */
  readonly time: bigint;
}

export interface OpenCheckpoint extends Checkpoint {
  /** Keys of the log whose signatures hold; one at least. */
  readonly signedBy: readonly NoteKey[];
  readonly cosignatures: readonly Cosignature[];
}

const ROOT_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;
const TIME_LIMIT = 1n << 63n;
const SIZE = /^(?:0|[1-9][0-9]{0,18})$/;
const utf8 = new TextEncoder();

/** The text that is signed: three lines. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  if (!isNoteName(origin)) throw new FormatError("origin", "must be text without spaces and +");
  return `${origin}\n${size}\n${toBase64(fromHex(root, ROOT_BYTES, "root"))}\n`;
}

/** Lines after the third are for others and not looked at. */
export function parseCheckpoint(body: string): Checkpoint {
  const [origin, size, root, ...more] = body.split("\n").slice(0, -1);
  if (origin === undefined || size === undefined || root === undefined)
    throw new FormatError("checkpoint", "must have three lines");
  if (origin === "" || more.includes("")) throw new FormatError("checkpoint", "has an empty line");
  if (!SIZE.test(size)) throw new FormatError("checkpoint.size", "must be a whole number");
  const hash = fromBase64(root, "checkpoint.root");
  if (hash.length !== ROOT_BYTES) throw new FormatError("checkpoint.root", `must have ${ROOT_BYTES} bytes`);
  return { origin, size: BigInt(size), root: toHex(hash) };
}

/** What a witness signs: when, and the checkpoint's text. */
export function cosignedMessage(body: string, time: bigint): Uint8Array {
  return utf8.encode(`cosignature/v1\ntime ${time}\n${body}`);
}

/** A witness's signature as a note carries it. @param signature over `cosignedMessage` */
export function cosignatureOf(key: NoteKey, time: bigint, signature: Uint8Array): NoteSignature {
  const stamp = new Uint8Array(TIME_BYTES);
  writeU64(new DataView(stamp.buffer), 0, time, "time");
  return { name: key.name, keyId: key.keyId, bytes: concatBytes(stamp, signature) };
}

/** @throws FormatError where the bytes cannot be a timestamped signature */
export function cosignatureTime({ bytes }: Pick<NoteSignature, "bytes">): bigint {
  if (bytes.length !== TIME_BYTES + SIGNATURE_BYTES)
    throw new FormatError("cosignature", `must have ${TIME_BYTES + SIGNATURE_BYTES} bytes`);
  const time = new DataView(bytes.buffer, bytes.byteOffset, TIME_BYTES).getBigUint64(0);
  if (time >= TIME_LIMIT) throw new FormatError("cosignature", "has a time that is out of range");
  return time;
}

/** Whether the key signed this text, as keys of its type do. */
export async function verifyNoteSignature(
  body: string,
  key: NoteKey,
  { bytes }: Pick<NoteSignature, "bytes">,
): Promise<boolean> {
  if (key.type === NOTE_ED25519)
    return bytes.length === SIGNATURE_BYTES && verifyEd25519(key.publicKey, bytes, utf8.encode(body));
  if (bytes.length !== TIME_BYTES + SIGNATURE_BYTES) return false;
  const time = new DataView(bytes.buffer, bytes.byteOffset, TIME_BYTES).getBigUint64(0);
  if (time >= TIME_LIMIT) return false;
  return verifyEd25519(key.publicKey, bytes.subarray(TIME_BYTES), cosignedMessage(body, time));
}

/**
 * @param logKeys keys of type 0x01: each signs for the log of its own name
 * @param witnessKeys keys of type 0x04
 * @throws FormatError unless it is a checkpoint, a known key of its log signed it, and no known key's signature is wrong
 */
export async function openCheckpoint(
  note: string | SignedNote,
  logKeys: readonly NoteKey[],
  witnessKeys: readonly NoteKey[] = [],
): Promise<OpenCheckpoint> {
  const { text, signatures } = typeof note === "string" ? parseNote(note) : note;
  const checkpoint = parseCheckpoint(text);
  const signedBy = new Set<NoteKey>();
  const seen = new Map<NoteKey, bigint>();
  for (const signature of signatures) {
    const key = [...logKeys, ...witnessKeys].find((known) => isKeyOf(known, signature));
    if (!key) continue;
    if (!(await verifyNoteSignature(text, key, signature)))
      throw new FormatError("checkpoint", `carries a wrong signature of ${key.name}`);
    if (key.type === NOTE_ED25519) signedBy.add(key);
    else if (!seen.has(key)) seen.set(key, cosignatureTime(signature));
  }
  if (![...signedBy].some(({ name }) => name === checkpoint.origin))
    throw new FormatError(
      "checkpoint",
      `of ${checkpoint.origin} is not signed by a key that is known for it`,
    );
  const cosignatures = [...seen].map(([key, time]) => ({ key, time }));
  return { ...checkpoint, signedBy: [...signedBy], cosignatures };
}
