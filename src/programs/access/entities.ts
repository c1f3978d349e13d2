/**
 * The program's tables for ordinary reads through TypeORM. They are never saved
 * through it: rows are written by units of work only. Numbers arrive as the
 * connection parses them: int8 as number, numeric as bigint.
 */
import { EntitySchema, type EntitySchemaColumnOptions } from "typeorm";
import type {
  AccessUser,
  ComputePosition,
  ConsumedUnit,
  EntityRule,
  LevelRule,
  Lock,
  Requirement,
  Reservation,
  Stake,
  TierRule,
} from "./model.ts";

const time: EntitySchemaColumnOptions = { type: "bigint" };
const count: EntitySchemaColumnOptions = { type: "bigint" };
const amount: EntitySchemaColumnOptions = { type: "numeric", precision: 39, scale: 0 };
const nullable = { nullable: true } as const;

const TierEntity = new EntitySchema<TierRule>({
  name: "access_tier",
  columns: {
    tier: { type: "integer", primary: true },
    requiredTst: { ...amount, name: "required_tst" },
    quotaPerDay: { type: "integer", name: "quota_per_day" },
    durationDays: { type: "integer", name: "duration_days" },
    cooldown: { type: "text" },
    analysesPerDay: { type: "integer", ...nullable, name: "analyses_per_day" },
    maxCapital: { type: "text", ...nullable, name: "max_capital" },
    benefits: { type: "text", array: true },
  },
});

const LevelEntity = new EntitySchema<LevelRule>({
  name: "access_level",
  columns: {
    level: { type: "integer", primary: true },
    requiredTst: { ...amount, name: "required_tst" },
    benefits: { type: "text", array: true },
  },
});

const EntityEntity = new EntitySchema<EntityRule>({
  name: "access_entity",
  columns: {
    entityType: { type: "integer", primary: true, name: "entity_type" },
    name: { type: "text" },
    requiredTst: { ...amount, name: "required_tst" },
    quotaPerDay: { type: "integer", name: "quota_per_day" },
  },
});

const RequirementEntity = new EntitySchema<Requirement>({
  name: "access_requirement",
  columns: {
    action: { type: "text", primary: true },
    subject: { type: "text" },
    subjectValue: { type: "integer", ...nullable, name: "subject_value" },
    reason: { type: "text" },
    description: { type: "text" },
    tierRequired: { type: "integer", name: "tier_required" },
  },
});

const UserEntity = new EntitySchema<AccessUser>({
  name: "access_user",
  columns: {
    userId: { type: "text", primary: true, name: "user_id" },
    locked: amount,
    staked: amount,
    reserved: amount,
    activeLocks: { ...count, name: "active_locks" },
    activeStakes: { ...count, name: "active_stakes" },
    activeReservations: { ...count, name: "active_reservations" },
    stakesByTier: { type: "jsonb", name: "stakes_by_tier" },
    quotaByEntity: { type: "jsonb", name: "quota_by_entity" },
  },
});

const LockEntity = new EntitySchema<Lock>({
  name: "access_lock",
  columns: {
    id: { type: "text", primary: true },
    agreementId: { type: "text", name: "agreement_id" },
    userId: { type: "text", name: "user_id" },
    counterpartyId: { type: "text", ...nullable, name: "counterparty_id" },
    account: { type: "uuid" },
    amount,
    level: { type: "integer" },
    createdAt: { ...time, name: "created_at" },
    lockedUntil: { ...time, name: "locked_until" },
    status: { type: "text" },
    endedAt: { ...time, ...nullable, name: "ended_at" },
    lockerAsksEnd: { type: "boolean", name: "locker_asks_end" },
    counterpartyAsksEnd: { type: "boolean", name: "counterparty_asks_end" },
    endedBy: { type: "text", ...nullable, name: "ended_by" },
  },
});

const StakeEntity = new EntitySchema<Stake>({
  name: "access_stake",
  columns: {
    id: { type: "text", primary: true },
    userId: { type: "text", name: "user_id" },
    strategyId: { type: "text", name: "strategy_id" },
    account: { type: "uuid" },
    tier: { type: "integer" },
    amount,
    createdAt: { ...time, name: "created_at" },
    expiresAt: { ...time, name: "expires_at" },
    status: { type: "text" },
    endedAt: { ...time, ...nullable, name: "ended_at" },
    endedBy: { type: "text", ...nullable, name: "ended_by" },
    endReason: { type: "text", ...nullable, name: "end_reason" },
  },
});

const ReservationEntity = new EntitySchema<Reservation>({
  name: "access_reservation",
  columns: {
    id: { type: "text", primary: true },
    userId: { type: "text", name: "user_id" },
    entityType: { type: "integer", name: "entity_type" },
    entityId: { type: "text", name: "entity_id" },
    account: { type: "uuid" },
    amount,
    quotaPerDay: { type: "integer", name: "quota_per_day" },
    createdAt: { ...time, name: "created_at" },
    reservedUntil: { ...time, name: "reserved_until" },
    status: { type: "text" },
    endedAt: { ...time, ...nullable, name: "ended_at" },
    endedBy: { type: "text", ...nullable, name: "ended_by" },
  },
});

const ComputeEntity = new EntitySchema<ComputePosition>({
  name: "access_compute",
  columns: {
    userId: { type: "text", primary: true, name: "user_id" },
    entityType: { type: "integer", primary: true, name: "entity_type" },
    entityId: { type: "text", primary: true, name: "entity_id" },
    active: count,
    quotaPerDay: { ...count, name: "quota_per_day" },
    reservedUntil: { ...time, name: "reserved_until" },
  },
});

export const ConsumedUnitEntity = new EntitySchema<ConsumedUnit>({
  name: "access_consumed_unit",
  columns: {
    id: { type: "text", primary: true },
    userId: { type: "text", name: "user_id" },
    entityType: { type: "integer", name: "entity_type" },
    entityId: { type: "text", name: "entity_id" },
    createdAt: { ...time, name: "created_at" },
  },
});

export const accessEntities = [
  TierEntity,
  LevelEntity,
  EntityEntity,
  RequirementEntity,
  UserEntity,
  LockEntity,
  StakeEntity,
  ReservationEntity,
  ComputeEntity,
  ConsumedUnitEntity,
];
