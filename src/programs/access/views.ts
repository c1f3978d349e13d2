/** Answers about the present: what an action requires, what a user holds. */
import { type Amount, SECONDS_PER_DAY, toRfc3339 } from "#kernel";
import type { KindUse } from "#quota";
import { tst } from "./answers.ts";
import { LOCK_DAYS, RESERVATION_DAYS, type Requirement, type Rules } from "./model.ts";
import type { Holdings } from "./reads.ts";
import { leastOf, stakedTiers } from "./rules.ts";

export interface TierOffered {
  readonly tier: number;
  readonly required_tst: string;
  readonly duration_days: number;
  readonly benefits: string[];
}

export interface RequirementsAnswer {
  readonly action: string;
  readonly required_tst: string;
  readonly reason: string;
  readonly user_has: string | null;
  readonly user_status: "qualified" | "insufficient" | "anonymous";
  readonly tier_required: number;
  readonly requirements: {
    readonly action: string;
    readonly description: string;
    readonly tiers_available: TierOffered[];
    readonly min_balance_required: string;
  };
}

/** @param available what the asking user has available; null for nobody */
export function requirementsAnswer(
  requirement: Requirement,
  rules: Rules,
  available: Amount | null,
): RequirementsAnswer {
  const required = requiredFor(requirement, rules);
  const status = available === null ? "anonymous" : available >= required ? "qualified" : "insufficient";
  return {
    action: requirement.action,
    required_tst: tst(required),
    reason: requirement.reason,
    user_has: available === null ? null : tst(available),
    user_status: status,
    tier_required: requirement.tierRequired,
    requirements: {
      action: requirement.action,
      description: requirement.description,
      tiers_available: offeredFor(requirement, rules),
      min_balance_required: tst(required),
    },
  };
}

function requiredFor({ action, subject, subjectValue }: Requirement, rules: Rules): Amount {
  const candidates = {
    level: rules.levels.map((rule) => ({ value: rule.level, requiredTst: rule.requiredTst })),
    tier: stakedTiers(rules).map((rule) => ({ value: rule.tier, requiredTst: rule.requiredTst })),
    entity: rules.entities.map((rule) => ({ value: rule.entityType, requiredTst: rule.requiredTst })),
  }[subject].filter(({ value }) => subjectValue === null || value === subjectValue);
  if (candidates.length === 0) throw new Error(`requirement ${action} names no ${subject} that exists`);
  return leastOf(candidates).requiredTst;
}

/** For a lock the levels, for an upgrade the tiers, for an entity what a reservation of each type asks. */
function offeredFor({ subject, subjectValue }: Requirement, rules: Rules): TierOffered[] {
  const wanted = (value: number) => subjectValue === null || value === subjectValue;
  if (subject === "tier") {
    return stakedTiers(rules)
      .filter((rule) => wanted(rule.tier))
      .map(({ tier, requiredTst, durationDays, benefits }) => ({
        tier,
        required_tst: tst(requiredTst),
        duration_days: durationDays,
        benefits: [...benefits],
      }));
  }
  if (subject === "level") {
    return rules.levels
      .filter((rule) => wanted(rule.level))
      .map(({ level, requiredTst, benefits }) => ({
        tier: level,
        required_tst: tst(requiredTst),
        duration_days: LOCK_DAYS.default,
        benefits: [...benefits],
      }));
  }
  return rules.entities
    .filter((rule) => wanted(rule.entityType))
    .map(({ entityType, name, requiredTst, quotaPerDay }) => ({
      tier: entityType,
      required_tst: tst(requiredTst),
      duration_days: RESERVATION_DAYS.max,
      benefits: [`${quotaPerDay} more ${name} reserves/day`],
    }));
}

export interface AccessAnswer {
  readonly user_id: string;
  readonly total_tst_balance: string;
  readonly tst_balance: string;
  readonly available_tst: string;
  readonly locked_tst: string;
  readonly staked_tst: string;
  readonly reserved_tst: string;
  readonly current_tier: number;
  readonly tier_expires_at: string | null;
  readonly active_locks: {
    readonly lock_id: string;
    readonly type: "p2p_agreement";
    readonly amount: string;
    readonly locked_until: string;
    readonly agreement_id: string;
  }[];
  readonly active_locks_total: number;
  readonly active_stakes: {
    readonly stake_id: string;
    readonly tier: number;
    readonly amount: string;
    readonly expires_at: string;
    readonly strategy_id: string;
  }[];
  readonly active_stakes_total: number;
  readonly entity_quotas: {
    readonly entity_type: number;
    readonly quota_today: number;
    readonly quota_used_today: number;
    readonly quota_remaining: number;
    readonly last_reset: string;
  }[];
  readonly entity_access: Readonly<
    Record<string, { readonly quota_per_day: number; readonly used_today: number }>
  >;
}

export function accessAnswer(userId: string, held: Holdings, quotas: readonly KindUse[]): AccessAnswer {
  const total = tst(held.available + held.locked + held.staked + held.reserved);
  return {
    user_id: userId,
    total_tst_balance: total,
    tst_balance: total,
    available_tst: tst(held.available),
    locked_tst: tst(held.locked),
    staked_tst: tst(held.staked),
    reserved_tst: tst(held.reserved),
    current_tier: held.tier,
    tier_expires_at: held.tierExpiresAt === null ? null : toRfc3339(held.tierExpiresAt),
    active_locks: held.locks.map((lock) => ({
      lock_id: lock.id,
      type: "p2p_agreement",
      amount: tst(lock.amount),
      locked_until: toRfc3339(lock.lockedUntil),
      agreement_id: lock.agreementId,
    })),
    active_locks_total: held.activeLocks,
    active_stakes: held.stakes.map((stake) => ({
      stake_id: stake.id,
      tier: stake.tier,
      amount: tst(stake.amount),
      expires_at: toRfc3339(stake.expiresAt),
      strategy_id: stake.strategyId,
    })),
    active_stakes_total: held.activeStakes,
    entity_quotas: quotas.map((quota) => ({
      entity_type: quota.entityType,
      quota_today: quota.limit,
      quota_used_today: quota.used,
      quota_remaining: quota.remaining,
      last_reset: toRfc3339(quota.day * SECONDS_PER_DAY),
    })),
    entity_access: Object.fromEntries(
      quotas.map((quota) => [quota.name, { quota_per_day: quota.limit, used_today: quota.used }]),
    ),
  };
}
