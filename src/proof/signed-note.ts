/**
 * Signed notes (c2sp.org/signed-note): a text and, below an empty line, a line for
 * each signature. Reading and writing them, and the keys that check them
 * (`name+id+base64`). What a signature is over depends on its key's type and is
 * told in checkpoint.ts. Nothing here believes a note: its text means nothing
 * before a signature of a known key was checked.
 */
import { fromBase64, toBase64 } from "./base64.ts";
import { concatBytes, type Hex, toHex } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { sha256 } from "./hash.ts";

/** An Ed25519 signature over the note's text. */
export const NOTE_ED25519 = 0x01;
/** A timestamped Ed25519 signature of a witness (c2sp.org/tlog-cosignature). */
export const NOTE_COSIGNATURE = 0x04;

export interface NoteSignature {
  readonly name: string;
  /** 4 bytes. With the name it says whose signature this is, and of which type. */
  readonly keyId: Hex;
  /** What follows the key id. */
  readonly bytes: Uint8Array;
}

export interface SignedNote {
  /** Ends in a newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface NoteKey {
  readonly name: string;
  readonly type: typeof NOTE_ED25519 | typeof NOTE_COSIGNATURE;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly keyId: Hex;
}

const KEY_ID_BYTES = 4;
const PUBLIC_KEY_BYTES = 32;
const MAX_NOTE_LENGTH = 65_536;
const MAX_SIGNATURES = 100;
const MAX_NAME_LENGTH = 255;
const SIGNATURE_START = "— ";
/** JavaScript's white space is Unicode's but for U+0085. */
const NO_NAME = /[\s\u0085+]/u;
const text = new TextEncoder();

/** Whether a key, and so a log, can have this name. */
export function isNoteName(name: string): boolean {
  return (
    name !== "" &&
    name.length <= MAX_NAME_LENGTH &&
    name.isWellFormed() &&
    !NO_NAME.test(name) &&
    !hasControl(name)
  );
}

/** @throws FormatError where it is no note; unknown keys and types are no reason */
export function parseNote(note: string): SignedNote {
  if (note.length > MAX_NOTE_LENGTH)
    throw new FormatError("note", `is longer than ${MAX_NOTE_LENGTH} characters`);
  if (!note.isWellFormed() || hasControl(note))
    throw new FormatError("note", "holds a control character or is not Unicode");
  const split = note.lastIndexOf("\n\n");
  if (split < 0) throw new FormatError("note", "has no empty line before its signatures");
  if (!note.endsWith("\n")) throw new FormatError("note", "does not end with a newline");
  const lines = note
    .slice(split + 2)
    .split("\n")
    .slice(0, -1);
  if (lines.length === 0) throw new FormatError("note", "has no signature");
  if (lines.length > MAX_SIGNATURES)
    throw new FormatError("note", `has more than ${MAX_SIGNATURES} signatures`);
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignatureLine) };
}

export function formatNote({ text: body, signatures }: SignedNote): string {
  if (!body.endsWith("\n")) throw new FormatError("note", "does not end with a newline");
  return `${body}\n${signatures.map((signature) => `${formatSignatureLine(signature)}\n`).join("")}`;
}

/** @param line without its newline */
export function parseSignatureLine(line: string): NoteSignature {
  const [name, encoded, ...more] = line.startsWith(SIGNATURE_START)
    ? line.slice(SIGNATURE_START.length).split(" ")
    : [];
  if (name === undefined || encoded === undefined || more.length > 0 || !isNoteName(name))
    throw new FormatError("signature line", `must be "${SIGNATURE_START}", a name, a space, base64`);
  const bytes = fromBase64(encoded, "signature");
  if (bytes.length <= KEY_ID_BYTES) throw new FormatError("signature", "is too short");
  return { name, keyId: toHex(bytes.subarray(0, KEY_ID_BYTES)), bytes: bytes.subarray(KEY_ID_BYTES) };
}

/** Without a newline. */
export function formatSignatureLine({ name, keyId, bytes }: NoteSignature): string {
  const id = Uint8Array.from([2, 4, 6, 8], (at) => Number.parseInt(keyId.slice(at, at + 2), 16));
  return `${SIGNATURE_START}${name} ${toBase64(concatBytes(id, bytes))}`;
}

/** The key's id is the beginning of SHA-256(name ‖ newline ‖ type ‖ public key). */
export function noteKey(name: string, type: NoteKey["type"], publicKey: Uint8Array): NoteKey {
  if (!isNoteName(name)) throw new FormatError("key name", "must be text without spaces and +");
  if (publicKey.length !== PUBLIC_KEY_BYTES)
    throw new FormatError("public key", `must have ${PUBLIC_KEY_BYTES} bytes`);
  const hash = sha256(concatBytes(text.encode(`${name}\n`), Uint8Array.of(type), publicKey));
  return { name, type, publicKey, keyId: toHex(hash.subarray(0, KEY_ID_BYTES)) };
}

/** A key as text: `name+id+base64(type ‖ public key)`. */
export function formatVerifierKey({ name, type, publicKey, keyId }: NoteKey): string {
  return `${name}+${keyId.slice(2)}+${toBase64(concatBytes(Uint8Array.of(type), publicKey))}`;
}

/** @throws FormatError for a malformed key, another type than the two here, or an id that is not the key's */
export function parseVerifierKey(vkey: string): NoteKey {
  const [name = "", id = "", ...rest] = vkey.split("+");
  // The base64 may hold a + itself.
  const bytes = fromBase64(rest.join("+"), "verifier key");
  const type = bytes[0];
  if (type !== NOTE_ED25519 && type !== NOTE_COSIGNATURE)
    throw new FormatError("verifier key", "is of a type that is not known here");
  const key = noteKey(name, type, bytes.subarray(1));
  if (key.keyId !== `0x${id}`) throw new FormatError("verifier key", "has another id than it says");
  return key;
}

export function isKeyOf(key: NoteKey, { name, keyId }: Pick<NoteSignature, "name" | "keyId">): boolean {
  return key.name === name && key.keyId === keyId;
}

function hasControl(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code < 0x20 && code !== 0x0a) return true;
  }
  return false;
}
