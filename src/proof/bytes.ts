/**
 * Bytes, hex and fixed-width integers, without Node's Buffer, so that the
 * verifier runs in a browser. Everything is big-endian, as in the format.
 * Every writer refuses a value that does not fit; nothing wraps silently.
 */
import { FormatError } from "./format-error.ts";

/** Bytes as text: "0x" and two lower-case digits a byte. */
export type Hex = `0x${string}`;

export const U64_LIMIT = 1n << 64n;
export const U128_LIMIT = 1n << 128n;
export const U256_LIMIT = 1n << 256n;

export const ZERO_ADDRESS: Hex = `0x${"00".repeat(20)}`;
export const ZERO_WORD: Hex = `0x${"00".repeat(32)}`;

const DIGITS = "0123456789abcdef";
const DIGIT_CODES = Uint8Array.from(DIGITS, (digit) => digit.charCodeAt(0));
const NO_DIGIT = 255;
/** The value of every UTF-16 code unit as a hex digit; the whole range, so that a look-up needs no check. */
const NIBBLES = new Uint8Array(0x1_0000).fill(NO_DIGIT);
for (let value = 0; value < 16; value++) {
  NIBBLES[DIGITS.charCodeAt(value)] = value;
  NIBBLES[DIGITS.toUpperCase().charCodeAt(value)] = value;
}

/** How many bytes become text in one call; engines bound the number of arguments. */
const TEXT_PIECE_BYTES = 512;
/** Of the text that is being made: most are of 32 bytes, so most find it as long as they need it. */
let codes: number[] = [];

export function toHex(bytes: Uint8Array): Hex {
  if (bytes.length > TEXT_PIECE_BYTES)
    return `${toHex(bytes.subarray(0, TEXT_PIECE_BYTES))}${toHex(bytes.subarray(TEXT_PIECE_BYTES)).slice(2)}`;
  // One flat string at once: text put together digit by digit is flattened at its first use, which costs twice.
  if (codes.length !== 2 + 2 * bytes.length) codes = new Array<number>(2 + 2 * bytes.length);
  codes[0] = 48;
  codes[1] = 120;
  for (let position = 0, at = 2; position < bytes.length; position++) {
    const byte = bytes[position] as number;
    codes[at++] = DIGIT_CODES[byte >> 4] as number;
    codes[at++] = DIGIT_CODES[byte & 15] as number;
  }
  return String.fromCharCode.apply(null, codes) as Hex;
}

/** Writes `length` bytes of `hex` (either case) at `offset`; throws FormatError for another length or a foreign digit. */
export function writeHex(
  target: Uint8Array,
  offset: number,
  hex: Hex,
  length: number,
  where = "value",
): void {
  if (hex.length !== 2 + 2 * length || hex.charCodeAt(0) !== 48 || hex.charCodeAt(1) !== 120)
    throw new FormatError(where, `must be 0x and ${2 * length} hex digits`);
  let seen = 0;
  for (let position = 0, at = 2; position < length; position++, at += 2) {
    const high = NIBBLES[hex.charCodeAt(at)] as number;
    const low = NIBBLES[hex.charCodeAt(at + 1)] as number;
    seen |= high | low;
    target[offset + position] = (high << 4) | low;
  }
  if (seen > 15) throw new FormatError(where, "holds a character that is no hex digit");
}

export function fromHex(hex: Hex, length: number, where = "value"): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  writeHex(bytes, 0, hex, length, where);
  return bytes;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, position) => byte === right[position]);
}

export function requireUint(value: bigint, limit: bigint, where: string): void {
  if (typeof value !== "bigint" || value < 0n || value >= limit)
    throw new FormatError(where, `must be an unsigned integer of ${(limit - 1n).toString(2).length} bits`);
}

export function requireU32(value: number, where: string): void {
  if (value >>> 0 !== value) throw new FormatError(where, "must be an unsigned integer of 32 bits");
}

export function writeU64(view: DataView, offset: number, value: bigint, where: string): void {
  if (value < 0n || value >= U64_LIMIT) requireUint(value, U64_LIMIT, where);
  view.setBigUint64(offset, value);
}

export function writeU128(view: DataView, offset: number, value: bigint, where: string): void {
  if (value < 0n || value >= U128_LIMIT) requireUint(value, U128_LIMIT, where);
  view.setBigUint64(offset, value >> 64n);
  view.setBigUint64(offset + 8, BigInt.asUintN(64, value));
}

/** One ABI word, right-aligned. */
export function writeU256(view: DataView, offset: number, value: bigint, where: string): void {
  requireUint(value, U256_LIMIT, where);
  writeU128(view, offset, value >> 128n, where);
  writeU128(view, offset + 16, BigInt.asUintN(128, value), where);
}

export function readU128(view: DataView, offset: number): bigint {
  return (view.getBigUint64(offset) << 64n) | view.getBigUint64(offset + 8);
}

const scratch = new DataView(new ArrayBuffer(8));

/** A u64 that counts or indexes things in memory, as a number; refused from 2^53 on. */
export function toSafeInteger(value: bigint, where: string): number {
  requireUint(value, 1n << 53n, where);
  scratch.setBigUint64(0, value);
  return scratch.getUint32(0) * 2 ** 32 + scratch.getUint32(4);
}
