/**
 * Schemas that routes share. Each says its rule in words, because the words end
 * up in the problem document and in the OpenAPI document.
 */
import { getAddress } from "ethers";
import { z } from "zod";
import { type Amount, DomainError, parseAmount, parseAmountOfAnySize, type UnixSeconds } from "#kernel";
import { userIdSchema } from "./principal.ts";

/** Issues with this code turn the whole answer into `invalid_amount` instead of `invalid_request`. */
const AMOUNT_ISSUE = { code: "invalid_amount" } as const;
/** No asset has more decimals; the asset's own scale is checked by whoever knows the asset. */
const MAX_SCALE = 38;

const AMOUNT_META = {
  type: ["string", "number"],
  description:
    "Whole units: a decimal string, or a JSON number of at most 15 significant digits without an exponent.",
  examples: ["10", 0.5],
} as const;

export const userId = userIdSchema.meta({
  id: "UserId",
  description:
    "The token's `sub`: 1 to 128 of A-Z a-z 0-9 . _ : @ + | - beginning with a letter or digit and not with `wallet:`.",
  examples: ["user_a"],
});

const OPAQUE_ID = /^[\p{L}\p{N}_-][\p{L}\p{M}\p{N}._:@+|~=,-]*$/u;

/**
 * Ids that the product chooses (agreements, strategies, entities): 1 to 128
 * characters, letters and digits of any script and . _ : @ + | ~ = , - in Unicode
 * normal form C, so that two ids that look the same are the same.
 */
export const opaqueId = z
  .string()
  .check((ctx) => {
    const length = [...ctx.value].length;
    if (length < 1 || length > 128) issue(ctx, "must have 1 to 128 characters");
    else if (!OPAQUE_ID.test(ctx.value))
      issue(
        ctx,
        "must be letters, digits and . _ : @ + | ~ = , - only, beginning with a letter, digit, _ or -",
      );
    else if (ctx.value !== ctx.value.normalize("NFC")) issue(ctx, "must be in Unicode normal form C");
  })
  .meta({
    id: "OpaqueId",
    minLength: 1,
    maxLength: 128,
    description:
      "1 to 128 letters and digits of any script and . _ : @ + | ~ = , - in Unicode normal form C, beginning with a letter, digit, _ or -.",
    examples: ["agreement-1"],
  });

/** A UUID of any version, answered in lower case. */
export const uuid = z
  .string()
  .regex(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/, { error: "must be a UUID" })
  .transform((text) => text.toLowerCase())
  .meta({ id: "Uuid", format: "uuid", description: "A UUID." });

/**
 * An amount of whole units as it came, for whoever knows the asset's scale
 * (`parseAmount(value, scale)`). Zero passes. The kernel's parser decides, so
 * that API and import read the same text alike.
 */
export const amountIn = amountText(parseAmount).meta({ id: "AmountIn", ...AMOUNT_META });

/** The same where what is too large for the ledger has an answer of its own. */
export const amountOfAnySizeIn = amountText(parseAmountOfAnySize).meta(AMOUNT_META);

type Parse = (input: string | number, scale: number, member: string) => Amount;

function amountText(parse: Parse) {
  return z.custom<string | number>().superRefine((value, ctx) => {
    if (value === undefined) ctx.addIssue({ code: "custom", message: "is required" });
    else readAmount(value, Math.min(decimalsOf(value), MAX_SCALE), ctx, parse);
  });
}

/** An amount above zero of an asset whose scale is known, in base units. */
export function positiveAmountOfScale(scale: number): z.ZodType<Amount, string | number> {
  return amountIn.transform((value, ctx): Amount => {
    const amount = readAmount(value, scale, ctx);
    if (amount === 0n) ctx.addIssue({ code: "custom", message: "must be above zero", params: AMOUNT_ISSUE });
    return amount ?? 0n;
  });
}

/** An amount in an answer: shortest decimal text of whole units. */
export const amountOut = z
  .string()
  .regex(/^-?\d+(\.\d+)?$/)
  .meta({ id: "Amount", description: "Whole units, as a decimal string.", examples: ["10", "0.5"] });

/** RFC 3339 in UTC to Unix seconds; a fraction of a second is cut off, since ledger time has none. */
export const timeIn = z.iso
  .datetime({ error: "must be an RFC 3339 time in UTC such as 2026-01-30T12:00:00Z" })
  .transform((text, ctx): UnixSeconds => {
    const seconds = Math.floor(Date.parse(text) / 1000);
    if (seconds < 0) ctx.addIssue({ code: "custom", message: "must not be before 1970" });
    return seconds;
  })
  .meta({ description: "RFC 3339 in UTC.", examples: ["2026-01-30T12:00:00Z"] });

/** `toRfc3339` of the kernel writes these. */
export const timeOut = z.iso
  .datetime()
  .meta({ id: "Time", description: "RFC 3339 in UTC.", examples: ["2026-01-30T12:00:00Z"] });

/** A wallet; mixed case must be a right EIP-55 checksum, the answer always is. The zero address is nobody's. */
export const walletAddress = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, { error: "must be 0x and 40 hexadecimal digits" })
  .transform((text, ctx): string => {
    try {
      const address = getAddress(text);
      if (!/^0x0{40}$/.test(address)) return address;
      ctx.addIssue({ code: "custom", message: "must not be the zero address" });
    } catch {
      ctx.addIssue({ code: "custom", message: "has a wrong checksum" });
    }
    return z.NEVER;
  })
  .meta({
    id: "WalletAddress",
    pattern: "^0x[0-9a-fA-F]{40}$",
    description: "An EVM address; in mixed case its EIP-55 checksum must be right.",
  });

/** Bytes as lower-case 0x-hex. */
export const hexOut = z
  .string()
  .regex(/^0x([0-9a-f]{2})*$/)
  .meta({ id: "Hex", description: "Bytes as lower-case 0x-hex.", examples: ["0x00ff"] });

/** Free text for a person to read: no control characters other than tab and line breaks. */
export function text(maxLength: number): z.ZodString {
  return (
    z
      .string()
      .min(1, { error: "must not be empty" })
      .max(maxLength, { error: `must have at most ${maxLength} characters` })
      .regex(/^[^\p{Cc}]*$/u, { error: "must not contain control characters" })
      // The flag of a JavaScript expression has no place in a JSON Schema's pattern.
      .meta({ pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]*$" })
  );
}

/** A whole number in a query string or path. */
export function queryInteger(min: number, max: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^(0|[1-9]\d{0,15})$/, { error: `must be a whole number from ${min} to ${max}` })
    .transform((digits, ctx): number => {
      const value = Number.parseInt(digits, 10);
      if (value < min || value > max || !Number.isSafeInteger(value))
        ctx.addIssue({ code: "custom", message: `must be a whole number from ${min} to ${max}` });
      return value;
    })
    .meta({ type: "integer", pattern: undefined, minimum: min, maximum: max });
}

/** `?full=true`. */
export const queryBoolean = z
  .enum(["true", "false"], { error: "must be true or false" })
  .transform((value) => value === "true")
  .meta({ type: "boolean", enum: undefined });

/** Spread into a list's query schema: `z.strictObject({ ...pagination })`. */
export const pagination = {
  limit: queryInteger(1, 1000).default(50).meta({ default: 50 }),
  cursor: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,512}$/, { error: "must be a next_cursor of this list" })
    .optional()
    .meta({
      description: "The `next_cursor` of the page before, asked for with the same conditions and order.",
    }),
};

export function listOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    data: z.array(item),
    next_cursor: z.string().nullable().meta({ description: "Null on the last page." }),
  });
}

/** Parts of a position in a list (a seq, an id) as the opaque text that `pagination.cursor` accepts. */
export function encodeCursor(...parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts), "utf8").toString("base64url");
}

/**
 * The parts that `encodeCursor` got.
 * @param patterns one for each part; what a client made up does not pass
 * @throws DomainError `invalid_request`
 */
export function decodeCursor(cursor: string, ...patterns: readonly RegExp[]): string[] {
  const parts = parseJson(Buffer.from(cursor, "base64url").toString("utf8"));
  const fits =
    Array.isArray(parts) &&
    parts.length === patterns.length &&
    patterns.every((pattern, at) => typeof parts[at] === "string" && pattern.test(parts[at]));
  if (fits) return parts;
  throw new DomainError("invalid_request", "cursor must be a next_cursor of this list", {
    details: { member: "cursor" },
  });
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** As many as the text has: with a larger scale a small amount could already be above the ledger's limit. */
function decimalsOf(value: unknown): number {
  return /\.(\d+)$/.exec(String(value))?.[1]?.length ?? 0;
}

function readAmount(
  value: unknown,
  scale: number,
  ctx: z.RefinementCtx,
  parse: Parse = parseAmount,
): Amount | undefined {
  if (typeof value !== "string" && typeof value !== "number") {
    ctx.addIssue({ code: "custom", message: "must be a decimal string or a number", params: AMOUNT_ISSUE });
    return undefined;
  }
  try {
    return parse(value, scale, "");
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    ctx.addIssue({ code: "custom", message: error.message.trim(), params: AMOUNT_ISSUE });
    return undefined;
  }
}

function issue(ctx: z.core.ParsePayload<string>, message: string): void {
  ctx.issues.push({ code: "custom", message, input: ctx.value });
}
