/** Shapes of the event and webhook routes. */
import { z } from "zod";
import { EVENT_TYPES, MAX_TYPE_PATTERNS, TYPE_PATTERN, wantsAny } from "#events";
import { timeOut } from "../schemas.ts";

const MAX_TYPE_LENGTH = 64;
const MAX_URL_LENGTH = 2048;

const typePattern = z
  .string()
  .max(MAX_TYPE_LENGTH, { error: `must have at most ${MAX_TYPE_LENGTH} characters` })
  .regex(TYPE_PATTERN, { error: "must be a type such as lock.created, or a prefix such as lock.*" })
  .refine((pattern) => !TYPE_PATTERN.test(pattern) || wantsAny(pattern, EVENT_TYPES), {
    error: `must be a type that there is: ${EVENT_TYPES.join(", ")}; or a prefix of some, with a star behind it`,
  })
  .meta({ description: "A type of event, or the beginning of some and a star." });

/** `?types=lock.created,stake.*` */
export const typesQuery = z
  .string()
  .transform((text, ctx): string[] => {
    const patterns = text.split(",");
    const wrong = patterns.map((one) => typePattern.safeParse(one).error?.issues[0]).find(Boolean);
    if (patterns.length > MAX_TYPE_PATTERNS)
      ctx.addIssue({ code: "custom", message: `must be at most ${MAX_TYPE_PATTERNS} types` });
    else if (wrong)
      ctx.addIssue({ code: "custom", message: `${wrong.message}; with commas between several` });
    return patterns;
  })
  .optional()
  .meta({
    description: "Only these types, with commas between them; a star at the end stands for the rest.",
  });

export const eventOut = z
  .strictObject({
    id: z.string().meta({ description: "The same wherever and however often the event is told." }),
    seq: z.int().meta({ description: "Its place among the ledger's events, from 1 without a gap." }),
    type: z.string(),
    time: timeOut,
    subject: z.string().nullable().meta({ description: "Whose it is; null: the ledger's own." }),
    data: z
      .record(z.string(), z.unknown())
      .meta({ description: "By type: see the events page of the docs." }),
  })
  .meta({ id: "Event" });

export const webhookId = z
  .string()
  .regex(/^wh_[0-9a-f]{24}$/, { error: "must be the id of a webhook" })
  .meta({ id: "WebhookId" });

export const webhookBody = z.strictObject({
  url: z
    .string()
    .min(1)
    .max(MAX_URL_LENGTH)
    .meta({ description: "Where to POST events; https in production." }),
  types: z.array(typePattern).min(1).max(MAX_TYPE_PATTERNS).optional().meta({ description: "Default: all." }),
});

const webhook = {
  webhook_id: webhookId,
  url: z.string(),
  types: z.array(z.string()).nullable(),
  created_at: timeOut,
};

export const newWebhookOut = z.strictObject({
  ...webhook,
  secret: z
    .string()
    .nullable()
    .meta({ description: "What deliveries are signed with. Shown here once; null in a repeated answer." }),
});

export const webhookOut = z.strictObject({
  ...webhook,
  delivered_seq: z.int().nullable().meta({ description: "The newest event that the receiver took." }),
  delivered_at: timeOut.nullable(),
  done_seq: z.int().meta({ description: "Every event up to here was taken, not wanted, or given up." }),
  newest_seq: z.int(),
  failures: z.int().meta({ description: "Attempts in a row without success." }),
  last_error: z.string().nullable(),
  next_attempt_at: timeOut.nullable(),
  dead_letters: z.int(),
});

export const deadLetterOut = z.strictObject({
  event: eventOut,
  attempts: z.int(),
  error: z.string(),
  given_up_at: timeOut,
});
