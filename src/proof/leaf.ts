/**
 * A position as the tree knows it: the leaf, its 125 bytes, its hash, and the
 * salted key that stands for the position's name.
 */
import { fromHex, type Hex, requireU32, toHex, writeHex, writeU64, writeU128 } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { keccak256 } from "./hash.ts";
import { requireText } from "./strict-json.ts";

export interface Leaf {
  /** u64: the position's place in its section, for good. */
  readonly index: bigint;
  /** The linked wallet, lower-case, or the zero address. */
  readonly owner: Hex;
  readonly key: Hex;
  /** u128, base units. */
  readonly amount: bigint;
  /** u64, Unix seconds; 0 where the section has no term. */
  readonly validUntil: bigint;
  readonly kind: number;
  readonly quantity: number;
}

export const LEAF_BYTES = 125;
const DOMAIN_END = 33;
/** A leaf's bytes after the domain: index, owner, key, amount, valid until, kind, quantity. */
export const LEAF_RECORD_BYTES = LEAF_BYTES - DOMAIN_END;
/** Where each value of a leaf begins in its record. */
export const LEAF_RECORD = {
  index: 0,
  owner: 8,
  key: 28,
  amount: 60,
  validUntil: 76,
  kind: 84,
  quantity: 88,
} as const;

/** The bytes of a leaf that stand before its record; the record's are zero. */
export function encodeLeafDomain(domain: Hex): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(LEAF_BYTES);
  writeHex(bytes, 1, domain, 32, "domain");
  return bytes;
}

/** A function that writes leaves of one domain, for many of them: each call overwrites the bytes of the one before. */
function leafEncoder(domain: Hex): (leaf: Leaf) => Uint8Array<ArrayBuffer> {
  const bytes = encodeLeafDomain(domain);
  const view = new DataView(bytes.buffer);
  return (leaf) => {
    writeU64(view, DOMAIN_END + LEAF_RECORD.index, leaf.index, "leaf.index");
    writeHex(bytes, DOMAIN_END + LEAF_RECORD.owner, leaf.owner, 20, "leaf.owner");
    writeHex(bytes, DOMAIN_END + LEAF_RECORD.key, leaf.key, 32, "leaf.key");
    writeU128(view, DOMAIN_END + LEAF_RECORD.amount, leaf.amount, "leaf.amount");
    writeU64(view, DOMAIN_END + LEAF_RECORD.validUntil, leaf.validUntil, "leaf.valid_until");
    requireU32(leaf.kind, "leaf.kind");
    requireU32(leaf.quantity, "leaf.quantity");
    view.setUint32(DOMAIN_END + LEAF_RECORD.kind, leaf.kind);
    view.setUint32(DOMAIN_END + LEAF_RECORD.quantity, leaf.quantity);
    return bytes;
  };
}

/** The 125 bytes that a leaf's hash is of. */
export function encodeLeaf(domain: Hex, leaf: Leaf): Uint8Array<ArrayBuffer> {
  return leafEncoder(domain)(leaf);
}

/** A function that hashes leaves of one domain, for many of them. */
export function leafHasher(domain: Hex): (leaf: Leaf) => Uint8Array {
  const encode = leafEncoder(domain);
  return (leaf) => keccak256(encode(leaf));
}

export function leafHash(domain: Hex, leaf: Leaf): Hex {
  return toHex(leafHasher(domain)(leaf));
}

/** What a position's key hides; known to its user and to auditors. */
export interface Opening {
  /** 32 random bytes, one salt a user. */
  readonly salt: Hex;
  /** The ids the section's key is made of, numbers as decimal text. */
  readonly parts: readonly string[];
}

const text = new TextEncoder();

/**
 * keccak256(salt ‖ part 0x00 part 0x00 …). The zero byte ends every part, so
 * that ("ab", "c") and ("a", "bc") differ.
 * @throws FormatError for a part with NUL or a lone surrogate, or a salt of another length
 */
export function positionKey(opening: Opening): Hex {
  if (opening.parts.length === 0) throw new FormatError("opening.parts", "must not be empty");
  for (const part of opening.parts) requireText(part, "opening.parts");
  const parts = text.encode(opening.parts.map((part) => `${part}\0`).join(""));
  const bytes = new Uint8Array(32 + parts.length);
  bytes.set(fromHex(opening.salt, 32, "opening.salt"), 0);
  bytes.set(parts, 32);
  return toHex(keccak256(bytes));
}
