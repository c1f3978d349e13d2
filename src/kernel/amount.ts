/**
 * Amounts are integers in an asset's base units, held in `bigint`, never in
 * `number`. Text in whole units ("10", "0.5") exists at the edge only; these two
 * functions are that edge.
 */
import { DomainError } from "./domain-error.ts";

export type Amount = bigint;

/** All amounts and all sums of amounts stay below this (leaves and nodes carry u128). */
export const AMOUNT_LIMIT: Amount = 1n << 128n;

const DECIMAL = /^(\d+)(?:\.(\d+))?$/;
/** 39 digits before the point hold every u128; no scale is above 38. Longer text is refused unread. */
const MAX_TEXT_LENGTH = 80;

/**
 * Whole units, as a decimal string or a JSON number, to base units.
 * A number is read as its shortest decimal text and refused with an exponent or
 * more than 15 significant digits, because beyond those a double need not be
 * what its writer wrote.
 *
 * @param scale decimals of the asset (TST 18, CZK 2)
 * @throws DomainError `invalid_amount`; negative, signed, empty, too precise, too big, not decimal
 */
export function parseAmount(input: string | number, scale: number, member = "amount"): Amount {
  const amount = parseAmountOfAnySize(input, scale, member);
  if (amount >= AMOUNT_LIMIT) throw invalid(member, "is larger than any amount this ledger can hold");
  return amount;
}

/**
 * The same for whoever has an answer of its own to an amount at or above `AMOUNT_LIMIT`.
 * @throws DomainError `invalid_amount`; negative, signed, empty, too precise, not decimal, of more than 80 characters
 */
export function parseAmountOfAnySize(input: string | number, scale: number, member = "amount"): Amount {
  const text = typeof input === "number" ? numberText(input, member) : input;
  const match = text.length <= MAX_TEXT_LENGTH ? DECIMAL.exec(text) : null;
  if (!match) throw invalid(member, `must be a decimal number of whole units such as "10" or "0.5"`);
  const fraction = match[2] ?? "";
  if (fraction.length > scale) throw invalid(member, `has more than ${scale} decimals`);
  return BigInt(`${match[1]}${fraction.padEnd(scale, "0")}`);
}

/** Base units to the shortest decimal text of whole units: `10n ** 18n`, 18 → "1". Negative values keep their sign. */
export function formatAmount(amount: Amount, scale: number): string {
  const sign = amount < 0n ? "-" : "";
  const digits = (amount < 0n ? -amount : amount).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, "");
  return `${sign}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}

function numberText(input: number, member: string): string {
  const text = String(input);
  const significant = text.replace(/^-/, "").replace(".", "").replace(/^0+/, "").replace(/0+$/, "");
  if (!Number.isFinite(input) || text.includes("e"))
    throw invalid(member, "must be a plain decimal; send it as a string");
  if (significant.length > 15)
    throw invalid(member, "has more than 15 significant digits; send it as a string");
  return text;
}

function invalid(member: string, reason: string): DomainError {
  return new DomainError("invalid_amount", `${member} ${reason}`, { details: { member } });
}
