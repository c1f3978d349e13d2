/**
 * Base 64 of RFC 4648, section 4, as signed notes have it, by what browsers have too.
 * Reading is strict: padding where it belongs, no other characters, no bits left
 * over, so that bytes have one text.
 */
import { FormatError } from "./format-error.ts";

/** How many bytes become text in one call; engines bound the number of arguments. */
const PIECE_BYTES = 8_192;

export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let from = 0; from < bytes.length; from += PIECE_BYTES)
    binary += String.fromCharCode(...bytes.subarray(from, from + PIECE_BYTES));
  return btoa(binary);
}

/** @throws FormatError where the text is not exactly what `toBase64` writes */
export function fromBase64(text: string, where = "value"): Uint8Array<ArrayBuffer> {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new FormatError(where, "is not base64");
  }
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  if (toBase64(bytes) !== text) throw new FormatError(where, "is not base64 in its one form");
  return bytes;
}
