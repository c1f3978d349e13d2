/** Bodies and answers of the ledger's routes, as the API document shows them. */
import { z } from "zod";
import { ACCOUNT_CODES, TRANSFER_CODES, type TransferText } from "#ledger";
import {
  amountIn,
  amountOfAnySizeIn,
  amountOut,
  queryBoolean,
  text,
  timeIn,
  timeOut,
  userId,
  uuid,
} from "../schemas.ts";

const MAX_SCALE = 38;
export const MAX_REFERENCE = 128;
const MAX_METADATA_CHARACTERS = 10_000;
/** As in TigerBeetle, whose timeouts are 32 bits wide. */
const MAX_TIMEOUT_SECONDS = 4_294_967_295;

/** In one request. */
export const MAX_ELEMENTS = 8_000;

/** More than that is refused by the route, as too large rather than as malformed. */
const elements = <T extends z.ZodType>(element: T) =>
  z.array(element).min(1).meta({ maxItems: MAX_ELEMENTS });

export const LIMITS = ["none", "debits_must_not_exceed_credits", "credits_must_not_exceed_debits"] as const;

export const dryRunQuery = z.strictObject({
  dry_run: queryBoolean.optional().meta({
    description:
      "true: answers what would happen now and does nothing. No line, no burnt id, and an Idempotency-Key is neither looked up nor used.",
  }),
});

export const assetCode = z
  .string()
  .regex(/^[A-Z][A-Z0-9]{0,15}$/, { error: "must be 1 to 16 capital letters and digits, a letter first" })
  .meta({ id: "AssetCode", examples: ["TST"] });

/** JSON that comes back as it was sent: an infinite number (1e400) would not. */
const metadata = z
  .custom<Readonly<Record<string, unknown>>>()
  .superRefine((value, ctx) => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      ctx.addIssue({ code: "custom", message: "must be an object" });
    else if (!isFinite_(value)) ctx.addIssue({ code: "custom", message: "holds a number that is too large" });
    else if (JSON.stringify(value).length > MAX_METADATA_CHARACTERS)
      ctx.addIssue({ code: "custom", message: `must have at most ${MAX_METADATA_CHARACTERS} characters` });
  })
  .meta({ type: "object", description: "Any JSON object; comes back as it was sent." });

function isFinite_(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.values(value).every(isFinite_);
}

export const assetBody = z.strictObject({
  code: assetCode,
  scale: z
    .int()
    .min(0)
    .max(MAX_SCALE)
    .meta({ description: "Decimals of a whole unit.", examples: [2] }),
  transferable: z.boolean().meta({ description: "Moves between two owners." }),
  mintable: z.boolean().meta({ description: "Can be issued." }),
  supply_cap: amountIn.optional().meta({
    description:
      "Whole units that can ever be issued. Every other account of the asset must then cover its debits.",
  }),
});

const assetMembers = {
  code: assetCode,
  scale: z.int(),
  transferable: z.boolean(),
  mintable: z.boolean(),
  supply_cap: amountOut.nullable(),
};
export const assetAnswer = z.strictObject(assetMembers);
export const openedAssetAnswer = z.strictObject({
  ...assetMembers,
  accounts: z
    .record(z.string(), z.string())
    .meta({ description: "Id of each system account, by role: treasury, custody, burned …" }),
});

const accountRequest = z.strictObject({
  id: uuid,
  asset: assetCode,
  owner: userId
    .optional()
    .meta({ description: "The user it belongs to; without one it is a general account." }),
  limit: z.enum(LIMITS).default("none"),
  metadata: metadata.optional(),
});
export const accountsBody = z.strictObject({ accounts: elements(accountRequest) });

export const codeText = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]{1,64}$/, { error: "must be 1 to 64 letters, digits and _ . : - only" });

const code = z
  .union([codeText, z.int().min(0)])
  .transform(String)
  .meta({
    type: ["string", "integer"],
    description: 'What kind of movement it is; a number is kept as its text. Default "transfer".',
    examples: ["invoice", 7],
  });

const PHASES = ["single", "pending", "post", "void"] as const;
export const TRANSFER_PHASES = [...PHASES, "expire"] as const;
export const TRANSFER_STATES = ["pending", "posted", "voided", "expired"] as const;

const transferRequest = z
  .strictObject({
    id: uuid,
    debit_account: uuid.optional(),
    credit_account: uuid.optional(),
    amount: amountOfAnySizeIn.optional(),
    code: code.optional(),
    linked: z
      .boolean()
      .optional()
      .meta({ description: "Stands or falls with the next element; at most 500 together." }),
    phase: z.enum(PHASES).optional().meta({ description: "Default `single`." }),
    pending_id: uuid.optional().meta({ description: "With `post` and `void`: the pending transfer." }),
    timeout_seconds: z.int().min(1).max(MAX_TIMEOUT_SECONDS).optional(),
    balancing: z.enum(["debit", "credit"]).optional().meta({
      description: "Moves as much as that side's limit allows, at most `amount`.",
    }),
    effective_at: timeIn.optional(),
    reference: text(MAX_REFERENCE).optional(),
    metadata: metadata.optional(),
  })
  .superRefine((transfer, ctx) => {
    // A post or void takes what it does not say from its pending transfer.
    if (transfer.phase === "post" || transfer.phase === "void") return;
    for (const member of ["debit_account", "credit_account"] as const) {
      if (transfer[member] === undefined)
        ctx.addIssue({ code: "custom", path: [member], message: "is required" });
    }
    if (transfer.amount === undefined && transfer.balancing === undefined)
      ctx.addIssue({ code: "custom", path: ["amount"], message: "is required" });
  });
export const transfersBody = z.strictObject({ transfers: elements(transferRequest) });

export function toTransferText(request: z.output<typeof transferRequest>): TransferText {
  const { debit_account, credit_account, pending_id, timeout_seconds, effective_at, ...same } = request;
  return present({
    ...same,
    debitAccount: debit_account,
    creditAccount: credit_account,
    pendingId: pending_id,
    timeoutSeconds: timeout_seconds,
    effectiveAt: effective_at,
  }) as TransferText;
}

/** Without the members that are undefined: an omitted member stays omitted. */
function present(members: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function results<const Codes extends readonly string[]>(codes: Codes) {
  return z.strictObject({
    results: z.array(
      z.strictObject({
        index: z.int(),
        id: z.string(),
        code: z.enum(codes),
        seq: z
          .int()
          .optional()
          .meta({ description: "Place in the journal, of the new or the existing line." }),
      }),
    ),
  });
}
export const transferResults = results(TRANSFER_CODES);
export const accountResults = results(ACCOUNT_CODES);

export const accountAnswer = z.strictObject({
  id: z.string(),
  asset: assetCode,
  role: z.string(),
  owner: z.string().nullable(),
  reference: z.string().nullable(),
  limit: z.enum(LIMITS),
  allowance: amountOut
    .nullable()
    .meta({ description: "How far the limited side may exceed the other; null without a limit." }),
  closed: z.boolean().meta({ description: "For good: only voids and expiries of holds still name it." }),
  closed_at: timeOut.nullable(),
  debits_posted: amountOut,
  credits_posted: amountOut,
  debits_pending: amountOut,
  credits_pending: amountOut,
  balance: amountOut.meta({ description: "Posted credits less posted debits." }),
  metadata: z.unknown(),
  created_at: timeOut,
  at: timeOut.nullable().meta({ description: "The past time whose balances these are; null for now." }),
});

export const closedAccountAnswer = z.strictObject({
  id: z.string(),
  closed: z.literal(true),
  closed_now: z.boolean().meta({ description: "False where it was closed before." }),
});

const transferMembers = {
  seq: z.int(),
  id: z.string(),
  debit_account: z.string(),
  credit_account: z.string(),
  asset: assetCode,
  amount: amountOut,
  code: z.string(),
  phase: z.enum(TRANSFER_PHASES),
  pending_id: z.string().nullable(),
  expires_at: timeOut.nullable(),
  effective_at: timeOut,
  time: timeOut.meta({ description: "Of recording." }),
  reference: z.string().nullable(),
  metadata: z.unknown(),
};
export const transferAnswer = z.strictObject({
  ...transferMembers,
  state: z
    .enum(TRANSFER_STATES)
    .meta({ description: "Of a pending transfer what became of it, of any other what it did." }),
  resolved_by: z.string().nullable().meta({ description: "Id of the line that ended a pending transfer." }),
});
export const accountLineAnswer = z.strictObject({
  ...transferMembers,
  effect: z
    .strictObject({ posted: amountOut, pending: amountOut })
    .meta({ description: "What the line adds to this account's credits less debits, posted and pending." }),
});

export const trialBalanceAnswer = z.strictObject({
  asset: assetCode,
  debits: amountOut,
  credits: amountOut,
  difference: amountOut,
});
