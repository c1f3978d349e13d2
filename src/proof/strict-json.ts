/**
 * Reading JSON strictly: exactly the members that are named, every integer a
 * canonical decimal string, every byte string lower-case hex. Each reader throws
 * FormatError with the member's name.
 */

import { fromHex, type Hex, toHex, toSafeInteger } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { keccak256 } from "./hash.ts";

export type JsonMembers = Readonly<Record<string, unknown>>;

/** The value's members, if it is an object with all of `required` and nothing beyond `optional`. */
export function readMembers(
  value: unknown,
  where: string,
  required: readonly string[],
  optional: readonly string[] = [],
): JsonMembers {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new FormatError(where, "must be a JSON object");
  const members = value as JsonMembers;
  for (const name of required)
    if (!Object.hasOwn(members, name)) throw new FormatError(where, `lacks the member "${name}"`);
  for (const name of Object.keys(members))
    if (!required.includes(name) && !optional.includes(name))
      throw new FormatError(where, `has the unknown member "${name}"`);
  return members;
}

export function readText(members: JsonMembers, name: string, where: string): string {
  const value = members[name];
  if (typeof value !== "string" || value === "")
    throw new FormatError(`${where}.${name}`, "must be a non-empty string");
  requireText(value, `${where}.${name}`);
  return value;
}

/** NUL and lone surrogates have no place: a database cannot hold the one, UTF-8 cannot hold the other. */
export function requireText(value: string, where: string): void {
  if (!value.isWellFormed() || value.includes("\0"))
    throw new FormatError(where, "holds NUL or a lone surrogate");
}

export function readList(value: unknown, where: string, maxLength: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new FormatError(where, "must be a JSON array");
  if (value.length > maxLength) throw new FormatError(where, `has more than ${maxLength} elements`);
  return value;
}

const DECIMAL = /^(?:0|[1-9][0-9]{0,77})$/;

export function readUint(members: JsonMembers, name: string, bits: number, where: string): bigint {
  const value = members[name];
  if (typeof value !== "string" || !DECIMAL.test(value))
    throw new FormatError(`${where}.${name}`, "must be a decimal string without sign or leading zero");
  const number = BigInt(value);
  if (number >> BigInt(bits) !== 0n) throw new FormatError(`${where}.${name}`, `does not fit ${bits} bits`);
  return number;
}

export function readU32(members: JsonMembers, name: string, where: string): number {
  return toSafeInteger(readUint(members, name, 32, where), `${where}.${name}`);
}

const LOWER_HEX = /^0x(?:[0-9a-f]{2})*$/;

export function readHex(members: JsonMembers, name: string, length: number, where: string): Hex {
  return requireHex(members[name], length, `${where}.${name}`);
}

export function requireHex(value: unknown, length: number | undefined, where: string): Hex {
  if (
    typeof value !== "string" ||
    !LOWER_HEX.test(value) ||
    (length !== undefined && value.length !== 2 + 2 * length)
  )
    throw new FormatError(
      where,
      `must be 0x and ${length === undefined ? "" : `${2 * length} `}lower-case hex digits`,
    );
  return value as Hex;
}

/** Of hashes in a proof: never more than a log has levels. */
const MAX_HEX_LIST = 64;

export function requireHexList(value: unknown, length: number, where: string): Hex[] {
  return readList(value, where, MAX_HEX_LIST).map((item) => requireHex(item, length, where));
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/;

/** Whether it is an address in lower case or with a right EIP-55 checksum. */
export function isAddress(value: unknown): value is Hex {
  if (typeof value !== "string" || !ADDRESS.test(value)) return false;
  const lower = value.toLowerCase() as Hex;
  return value === lower || value === toChecksumAddress(lower);
}

/** An address as `isAddress` has it; answered in lower case. */
export function readAddress(members: JsonMembers, name: string, where: string): Hex {
  const value = members[name];
  if (!isAddress(value))
    throw new FormatError(
      `${where}.${name}`,
      "must be an address: 0x and 40 hex digits, with a right checksum if any",
    );
  return value.toLowerCase() as Hex;
}

const text = new TextEncoder();

/** A book's contracts are in each of its headers and proofs, and a hash each would be a tenth of what a proof costs. */
const checksummed = new Map<Hex, Hex>();
const MOST_CHECKSUMMED = 64;

/** EIP-55: a digit is upper-case where the same digit of the lower-case text's Keccak hash is 8 or more. */
export function toChecksumAddress(address: Hex): Hex {
  const known = checksummed.get(address);
  if (known) return known;
  fromHex(address, 20, "address");
  const lower = address.slice(2).toLowerCase();
  const hash = toHex(keccak256(text.encode(lower))).slice(2);
  const answer: Hex = `0x${Array.from(lower, (digit, at) => ((hash[at] ?? "0") >= "8" ? digit.toUpperCase() : digit)).join("")}`;
  if (checksummed.size >= MOST_CHECKSUMMED) checksummed.clear();
  checksummed.set(address, answer);
  return answer;
}

/** Text to JSON; a syntax error becomes a FormatError. */
export function parseJson(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new FormatError(where, "is not JSON");
  }
}
