/** Bodies and answers of the quota routes, as the API document shows them. */
import { z } from "zod";
import { HOLD_SECONDS } from "#quota";
import { opaqueId, queryInteger, timeOut, userId } from "../schemas.ts";

const MAX_UNITS = 1_000_000_000;
const MAX_THRESHOLDS = 10;

const units = z.int().min(1).max(MAX_UNITS);
const seconds = z.int().min(HOLD_SECONDS.min).max(HOLD_SECONDS.max);
export const ofUser = userId
  .optional()
  .meta({ description: "Default: the token's user. Another one is for operators." });

const entityName = z
  .string()
  .regex(/^[a-z_]{1,32}$/, { error: "must be the name of an entity such as risk, strategy or memory" })
  .optional();
const entityNumber = z
  .int()
  .min(1)
  .max(100)
  .optional()
  .meta({ description: "1 risk, 2 strategy, 3 memory." });

export const entityTypeIn = queryInteger(1, 100).meta({ description: "1 risk, 2 strategy, 3 memory." });

export const holdBody = z
  .strictObject({
    user_id: ofUser,
    entity: entityName,
    entity_type: entityNumber,
    units,
    ttl_seconds: seconds
      .default(HOLD_SECONDS.default)
      .meta({ description: "Until it expires, where nothing else ends it." }),
    reference: opaqueId.optional().meta({ description: "What it is for, in your words." }),
  })
  .superRefine(({ entity, entity_type }, ctx) => {
    if (entity === undefined && entity_type === undefined)
      ctx.addIssue({ code: "custom", path: ["entity_type"], message: "or entity is required" });
  });

export const commitBody = z.strictObject({
  units: z
    .int()
    .min(0)
    .max(MAX_UNITS)
    .optional()
    .meta({ description: "What it cost. Default: all that is held." }),
});

export const releaseBody = z.strictObject({});

export const extendBody = z.strictObject({
  ttl_seconds: seconds.meta({ description: "From now; a hold never lives shorter by it." }),
  units: units.optional().meta({ description: "To hold from now on. Default: as many as before." }),
});

export const holdAnswer = z
  .strictObject({
    hold_id: z.string(),
    status: z.enum(["open", "committed", "released", "expired"]),
    user_id: userId,
    entity_type: z.int(),
    entity: z.string(),
    units: z.int().meta({ description: "Held, or held until it ended." }),
    committed: z.int().nullable().meta({ description: "What it cost; null where it was not committed." }),
    reference: z.string().nullable(),
    day: z.iso.date().meta({ description: "The UTC day whose quota it counts for." }),
    created_at: timeOut,
    expires_at: timeOut,
    ended_at: timeOut.nullable(),
  })
  .meta({ id: "QuotaHold" });

export const quotasAnswer = z.strictObject({
  user_id: userId,
  day: z.iso.date(),
  resets_at: timeOut,
  quotas: z.array(
    z.strictObject({
      entity_type: z.int(),
      entity: z.string(),
      limit: z.int(),
      used: z.int(),
      held: z.int().meta({ description: "By open holds; counts as if it were used." }),
      remaining: z.int(),
    }),
  ),
});

export const hourAnswer = z.strictObject({
  hour: timeOut.meta({ description: "When the hour began." }),
  used: z.int(),
});

export const thresholdsBody = z
  .strictObject({
    entity: entityName,
    entity_type: entityNumber,
    thresholds: z
      .array(z.int().min(1).max(100))
      .max(MAX_THRESHOLDS)
      .meta({
        description: "Per cent of a day's quota; none: nothing is told of.",
        examples: [[50, 80, 100]],
      }),
  })
  .superRefine(({ entity, entity_type }, ctx) => {
    if (entity === undefined && entity_type === undefined)
      ctx.addIssue({ code: "custom", path: ["entity_type"], message: "or entity is required" });
  });

export const thresholdsAnswer = z.strictObject({
  entity_type: z.int(),
  entity: z.string(),
  thresholds: z.array(z.int()),
});
