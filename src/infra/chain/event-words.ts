/**
 * The values of an event by hand: whoever follows a chain may have to read a
 * hundred thousand of them, and the library takes about a millisecond for each.
 */
import type { EventFragment } from "ethers";

/** Bytes and addresses as lower-case hex, integers as decimal text; a string as its bytes, which need be no text. */
export type EventWord = string | boolean | Uint8Array;

const WORD_DIGITS = 64;

/**
 * In the order of the event's arguments; undefined for what is neither a word nor a string of bytes, which must be the last
 * of the data's words (a header) or take one of them (a list).
 * @throws Error where the data is not that of the event
 */
export function eventWords(
  { inputs }: EventFragment,
  topics: readonly string[],
  data: string,
): readonly (EventWord | undefined)[] {
  let [topic, word] = [1, 0];
  return inputs.map(({ type, indexed }) => {
    const digits = indexed ? (topics[topic++] ?? "").slice(2) : wordAt(data, WORD_DIGITS * word++);
    return wordOf(type, digits, data);
  });
}

function wordOf(type: string, digits: string, data: string): EventWord | undefined {
  if (!/^[0-9a-f]{64}$/i.test(digits)) throw new Error("the event's data is cut off");
  if (type.endsWith("]") || type === "tuple" || type.startsWith("tuple(")) return undefined;
  if (type.startsWith("uint")) return number(digits, Number.parseInt(type.slice(4), 10)).toString();
  if (type === "address") return `0x${number(digits, 160).toString(16).padStart(40, "0")}`;
  if (type === "bytes32") return `0x${digits.toLowerCase()}`;
  if (type === "bool") return number(digits, 1) === 1n;
  if (type === "string") return Buffer.from(bytesAt(data, digits), "hex");
  return type === "bytes" ? `0x${bytesAt(data, digits).toLowerCase()}` : undefined;
}

function number(digits: string, bits: number): bigint {
  const value = BigInt(`0x${digits}`);
  if (value >> BigInt(bits) !== 0n) throw new Error(`the event has a value of more than ${bits} bits`);
  return value;
}

function bytesAt(data: string, offset: string): string {
  const at = 2 * Number(BigInt(`0x${offset}`));
  const length = 2 * Number(BigInt(`0x${wordAt(data, at)}`));
  const digits = data.slice(2 + at + WORD_DIGITS, 2 + at + WORD_DIGITS + length);
  if (digits.length !== length) throw new Error("the event's data is cut off");
  return digits;
}

function wordAt(data: string, digit: number): string {
  const digits = data.slice(2 + digit, 2 + digit + WORD_DIGITS);
  if (digits.length !== WORD_DIGITS) throw new Error("the event's data is cut off");
  return digits;
}
