/**
 * Ids of locks, stakes, reservations and consumed units: a kind, 48 bits of time
 * so that indexes stay dense, 80 random bits so that nobody guesses one: the
 * proofs of positions are public to who knows the id.
 */
import type { Ids } from "#kernel";

const TIME_HEX_DIGITS = 12;
const RANDOM_BYTES = 10;

export type IdKind = "lock" | "stake" | "res" | "grant";

export function newAccessId(ids: Ids, kind: IdKind): string {
  const time = ids.uuid().replaceAll("-", "").slice(0, TIME_HEX_DIGITS);
  return `${kind}_${time}${Buffer.from(ids.bytes(RANDOM_BYTES)).toString("hex")}`;
}
