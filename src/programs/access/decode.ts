/**
 * Records as the connection gives them (int8 as number, numeric as bigint, jsonb
 * parsed) as the program's rows. Amounts inside jsonb come as text.
 */
import type { Amount } from "#kernel";
import type {
  AccessUser,
  ComputePosition,
  ConsumedUnit,
  Counts,
  EntityRule,
  LevelRule,
  Lock,
  Requirement,
  Reservation,
  Rules,
  Stake,
  TierRule,
} from "./model.ts";

export type DbRecord = Readonly<Record<string, unknown>>;

export function toRules(record: DbRecord): Rules {
  return {
    tiers: (record.tiers as DbRecord[]).map(toTierRule),
    levels: (record.levels as DbRecord[]).map(toLevelRule),
    entities: (record.entities as DbRecord[]).map(toEntityRule),
  };
}

export function toRequirement(record: DbRecord): Requirement {
  return {
    action: text(record.action),
    subject: record.subject as Requirement["subject"],
    subjectValue: record.subject_value as number | null,
    reason: text(record.reason),
    description: text(record.description),
    tierRequired: int(record.tier_required),
  };
}

export function toComputePosition(record: DbRecord): ComputePosition {
  return {
    userId: text(record.user_id),
    entityType: int(record.entity_type),
    entityId: text(record.entity_id),
    active: int(record.active),
    quotaPerDay: int(record.quota_per_day),
    reservedUntil: int(record.reserved_until),
  };
}

export function toLock(record: DbRecord): Lock {
  return {
    id: text(record.id),
    agreementId: text(record.agreement_id),
    userId: text(record.user_id),
    counterpartyId: record.counterparty_id as string | null,
    account: text(record.account),
    amount: amount(record.amount),
    level: int(record.level),
    createdAt: int(record.created_at),
    lockedUntil: int(record.locked_until),
    status: record.status as Lock["status"],
    endedAt: record.ended_at as number | null,
    lockerAsksEnd: record.locker_asks_end as boolean,
    counterpartyAsksEnd: record.counterparty_asks_end as boolean,
    endedBy: record.ended_by as string | null,
  };
}

export function toStake(record: DbRecord): Stake {
  return {
    id: text(record.id),
    userId: text(record.user_id),
    strategyId: text(record.strategy_id),
    account: text(record.account),
    tier: int(record.tier),
    amount: amount(record.amount),
    createdAt: int(record.created_at),
    expiresAt: int(record.expires_at),
    status: record.status as Stake["status"],
    endedAt: record.ended_at as number | null,
    endedBy: record.ended_by as string | null,
    endReason: record.end_reason as string | null,
  };
}

export function toReservation(record: DbRecord): Reservation {
  return {
    id: text(record.id),
    userId: text(record.user_id),
    entityType: int(record.entity_type),
    entityId: text(record.entity_id),
    account: text(record.account),
    amount: amount(record.amount),
    quotaPerDay: int(record.quota_per_day),
    createdAt: int(record.created_at),
    reservedUntil: int(record.reserved_until),
    status: record.status as Reservation["status"],
    endedAt: record.ended_at as number | null,
    endedBy: record.ended_by as string | null,
  };
}

export function toConsumedUnit(record: DbRecord): ConsumedUnit {
  return {
    id: text(record.id),
    userId: text(record.user_id),
    entityType: int(record.entity_type),
    entityId: text(record.entity_id),
    createdAt: int(record.created_at),
  };
}

export function toAccessUser(record: DbRecord): AccessUser {
  return {
    userId: text(record.user_id),
    locked: amount(record.locked),
    staked: amount(record.staked),
    reserved: amount(record.reserved),
    activeLocks: int(record.active_locks),
    activeStakes: int(record.active_stakes),
    activeReservations: int(record.active_reservations),
    stakesByTier: record.stakes_by_tier as Counts,
    quotaByEntity: record.quota_by_entity as Counts,
  };
}

function toTierRule(record: DbRecord): TierRule {
  return {
    tier: int(record.tier),
    requiredTst: BigInt(text(record.required_tst)),
    quotaPerDay: int(record.quota_per_day),
    durationDays: int(record.duration_days),
    cooldown: text(record.cooldown),
    analysesPerDay: record.analyses_per_day as number | null,
    maxCapital: record.max_capital as string | null,
    benefits: record.benefits as string[],
  };
}

function toLevelRule(record: DbRecord): LevelRule {
  return {
    level: int(record.level),
    requiredTst: BigInt(text(record.required_tst)),
    benefits: record.benefits as string[],
  };
}

function toEntityRule(record: DbRecord): EntityRule {
  return {
    entityType: int(record.entity_type),
    name: text(record.name),
    requiredTst: BigInt(text(record.required_tst)),
    quotaPerDay: int(record.quota_per_day),
  };
}

// The connection has parsed the columns; these state what each of them is.
function text(value: unknown): string {
  return value as string;
}
function int(value: unknown): number {
  return value as number;
}
function amount(value: unknown): Amount {
  return value as bigint;
}
