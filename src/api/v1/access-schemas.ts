/** Bodies and answers of the access program's routes, as the API document shows them. */
import { z } from "zod";
import { LOCK_DAYS, MAX_LISTED, RESERVATION_DAYS, TST } from "#programs/access";
import {
  amountIn,
  amountOut,
  hexOut,
  opaqueId,
  positiveAmountOfScale,
  text,
  timeOut,
  userId,
  walletAddress,
} from "../schemas.ts";

const tstAmount = positiveAmountOfScale(TST.scale);
const tier = z
  .int()
  .min(1)
  .max(100)
  .meta({ examples: [2] });
const wallet = walletAddress
  .optional()
  .meta({ description: "Remembered with the user; it proves nothing by itself." });
const ownUserId = userId.optional().meta({ description: "Where given, the token's user." });
const maxReason = 500;

export const lockBody = z
  .strictObject({
    amount: tstAmount.optional(),
    tst_amount: tstAmount.optional().meta({ description: "The same as `amount`." }),
    duration_days: z.int().min(LOCK_DAYS.min).max(LOCK_DAYS.max).default(LOCK_DAYS.default),
    counterparty_id: userId
      .optional()
      .meta({ description: "The other party: with it, both together can end the lock early." }),
    wallet_address: wallet,
    user_id: ownUserId,
    agreement_id: opaqueId.optional().meta({ description: "Where given, that of the path." }),
  })
  .superRefine(({ amount, tst_amount }, ctx) => {
    if (amount === undefined && tst_amount === undefined)
      ctx.addIssue({ code: "custom", path: ["amount"], message: "is required" });
    if (amount !== undefined && tst_amount !== undefined && amount !== tst_amount)
      ctx.addIssue({ code: "custom", path: ["tst_amount"], message: "does not agree with amount" });
  });

/** Of `release` and `terminate`: nothing has to be said, what is said must agree. */
export const agreementBody = z.strictObject({ user_id: ownUserId, agreement_id: opaqueId.optional() });

export const upgradeBody = z.strictObject({
  tier,
  wallet_address: wallet,
  user_id: ownUserId,
  strategy_id: opaqueId.optional().meta({ description: "Where given, that of the path." }),
});

export const unstakeBody = z.strictObject({
  user_id: userId,
  reason: text(maxReason),
  strategy_id: opaqueId.optional(),
});

export const reserveBody = z
  .strictObject({
    entity: z
      .string()
      .regex(/^[a-z_]{1,32}$/, { error: "must be the name of an entity such as risk, strategy or memory" })
      .optional(),
    entity_type: z.int().min(1).max(100).optional().meta({ description: "1 risk, 2 strategy, 3 memory." }),
    duration_days: z.int().min(RESERVATION_DAYS.min).max(RESERVATION_DAYS.max).optional().meta({
      description: "With it TST is held for more quota; without it one unit of today's quota is used.",
    }),
    wallet_address: wallet,
    user_id: ownUserId,
    entity_id: opaqueId.optional().meta({ description: "Where given, that of the path." }),
  })
  .superRefine(({ entity, entity_type }, ctx) => {
    if (entity === undefined && entity_type === undefined)
      ctx.addIssue({ code: "custom", path: ["entity_type"], message: "or entity is required" });
  });

export const grantBody = z.strictObject({
  user_id: userId,
  asset: z
    .string()
    .regex(/^[A-Z][A-Z0-9]{0,15}$/, { error: "must be 1 to 16 capital letters and digits, a letter first" }),
  amount: amountIn,
  reason: text(maxReason),
});

const settlement = z
  .strictObject({
    status: z.enum(["pending", "committed", "final"]),
    epoch: z.int().nullable(),
  })
  .meta({
    id: "AccessSettlement",
    description:
      "How far the position, as it is now, has come on the chain; `epoch` is the one that holds it.",
  });
const txHash = hexOut
  .nullable()
  .meta({ description: "Of the commit that holds the position as it is now; null until it is mined." });
const positionKey = hexOut.meta({ description: "The position's key in its section's tree." });

export const lockAnswer = z
  .strictObject({
    lock_id: z.string(),
    status: z.enum(["locked", "released", "terminated"]),
    user_id: userId,
    agreement_id: opaqueId,
    counterparty_id: userId.nullable(),
    amount: amountOut,
    tst_locked: amountOut,
    level: z.int(),
    locked_until: timeOut,
    termination_requested_by: z
      .array(userId)
      .meta({ description: "The parties that asked to end the lock early; it ends once both did." }),
    tx_hash: txHash,
    contract_lock_id: positionKey,
    settlement,
    created_at: timeOut,
  })
  .meta({ id: "AgreementLock" });

export const stakeAnswer = z
  .strictObject({
    stake_id: z.string(),
    status: z.enum(["staked", "expired"]),
    user_id: userId,
    strategy_id: opaqueId,
    tier: z.int(),
    amount: amountOut.meta({ description: "The whole stake." }),
    tst_staked: amountOut,
    expires_at: timeOut,
    new_cooldown: z.string().meta({ examples: ["12 hours"] }),
    new_limits: z.strictObject({ analyses_per_day: z.int(), max_capital: z.string() }),
    benefits: z.array(z.string()),
    tx_hash: txHash,
    contract_stake_id: positionKey,
    settlement,
    created_at: timeOut,
  })
  .meta({ id: "TierStake" });

export const reservationAnswer = z
  .strictObject({
    reservation_id: z.string(),
    status: z.enum(["reserved", "expired"]),
    user_id: userId,
    entity: z.string(),
    entity_type: z.int(),
    entity_id: opaqueId,
    tst_reserved: amountOut,
    quota_per_day: z.int().meta({ description: "What this reservation adds." }),
    reserved_until: timeOut,
    quota_remaining_today: z.int(),
    tx_hash: txHash,
    contract_res_id: positionKey,
    settlement,
    created_at: timeOut,
  })
  .meta({ id: "ComputeReservation" });

export const consumedUnitAnswer = z
  .strictObject({
    reservation_id: z.string(),
    user_id: userId,
    entity_type: z.int(),
    entity_id: opaqueId,
    quota_reserved: z.literal(1),
    quota_remaining_today: z.int(),
    reservation_expires_at: timeOut,
    contract_res_id: z.null(),
    created_at: timeOut,
  })
  .meta({ id: "ConsumedComputeUnit" });

export const grantAnswer = z.strictObject({
  grant_id: z.string(),
  user_id: userId,
  asset: z.string(),
  amount: amountOut,
  reason: z.string(),
  available: amountOut.meta({ description: "What the user has available of the asset now." }),
  created_at: timeOut,
});

export const requirementsAnswer = z.strictObject({
  action: z.string(),
  required_tst: amountOut,
  reason: z.string(),
  user_has: amountOut.nullable().meta({ description: "Available TST; null without a token." }),
  user_status: z.enum(["qualified", "insufficient", "anonymous"]),
  tier_required: z.int(),
  requirements: z.strictObject({
    action: z.string(),
    description: z.string(),
    tiers_available: z.array(
      z.strictObject({
        tier: z.int(),
        required_tst: amountOut,
        duration_days: z.int(),
        benefits: z.array(z.string()),
      }),
    ),
    min_balance_required: amountOut,
  }),
});

const newest = `The newest ${MAX_LISTED.toLocaleString("en")}.`;

export const accessAnswer = z.strictObject({
  user_id: userId,
  total_tst_balance: amountOut,
  tst_balance: amountOut.meta({ description: "The same as `total_tst_balance`." }),
  available_tst: amountOut,
  locked_tst: amountOut,
  staked_tst: amountOut,
  reserved_tst: amountOut,
  current_tier: z.int(),
  tier_expires_at: timeOut.nullable(),
  active_locks: z
    .array(
      z.strictObject({
        lock_id: z.string(),
        type: z.literal("p2p_agreement"),
        amount: amountOut,
        locked_until: timeOut,
        agreement_id: opaqueId,
      }),
    )
    .meta({ description: newest }),
  active_locks_total: z.int(),
  active_stakes: z
    .array(
      z.strictObject({
        stake_id: z.string(),
        tier: z.int(),
        amount: amountOut,
        expires_at: timeOut,
        strategy_id: opaqueId,
      }),
    )
    .meta({ description: newest }),
  active_stakes_total: z.int(),
  entity_quotas: z.array(
    z.strictObject({
      entity_type: z.int(),
      quota_today: z.int(),
      quota_used_today: z.int(),
      quota_remaining: z.int(),
      last_reset: timeOut,
    }),
  ),
  entity_access: z.record(z.string(), z.strictObject({ quota_per_day: z.int(), used_today: z.int() })),
});
