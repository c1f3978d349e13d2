/**
 * The program's tables as the writer sees them: how rows are found, read and
 * written. Derived rows (the rules, an agreement's newest lock) live as long as the
 * batch does and are never written; whoever puts a lock or a stake puts it under
 * both its keys, by `putLock` and `putStake`, so that the batch sees one truth.
 */
import type { RowTable, View } from "#ledger";
import {
  toAccessUser,
  toComputePosition,
  toConsumedUnit,
  toLock,
  toReservation,
  toRules,
  toStake,
} from "./decode.ts";
import type { AccessUser, ComputePosition, ConsumedUnit, Lock, Reservation, Rules, Stake } from "./model.ts";
import { sqlText } from "./sql-text.ts";

const NOT_WRITTEN = sqlText("derived-row");

export const rulesTable: RowTable<Rules, Record<never, never>> = {
  name: "access_rules",
  loadSql: sqlText("load-rules"),
  saveSql: NOT_WRITTEN,
  keyOf: () => ({}),
  decode: toRules,
  encode: () => null,
};

/** The lock an agreement's requests mean: its active one, else its newest. */
export const newestLockTable: RowTable<Lock, { agreement_id: string }> = {
  name: "access_newest_lock",
  loadSql: sqlText("load-newest-lock"),
  saveSql: NOT_WRITTEN,
  keyOf: (row) => ({ agreement_id: row.agreementId }),
  decode: toLock,
  encode: () => null,
};

export const lockTable: RowTable<Lock, { id: string }> = {
  name: "access_lock",
  loadSql: sqlText("load-locks"),
  saveSql: sqlText("save-locks"),
  keyOf: (row) => ({ id: row.id }),
  decode: toLock,
  encode: (row) => ({
    id: row.id,
    agreement_id: row.agreementId,
    user_id: row.userId,
    counterparty_id: row.counterpartyId,
    account: row.account,
    amount: `${row.amount}`,
    level: row.level,
    created_at: row.createdAt,
    locked_until: row.lockedUntil,
    status: row.status,
    ended_at: row.endedAt,
    locker_asks_end: row.lockerAsksEnd,
    counterparty_asks_end: row.counterpartyAsksEnd,
    ended_by: row.endedBy,
  }),
};

/** The stake a user's requests for a strategy mean: the active one, else the newest. */
export const newestStakeTable: RowTable<Stake, { user_id: string; strategy_id: string }> = {
  name: "access_newest_stake",
  loadSql: sqlText("load-newest-stake"),
  saveSql: NOT_WRITTEN,
  keyOf: (row) => ({ user_id: row.userId, strategy_id: row.strategyId }),
  decode: toStake,
  encode: () => null,
};

export const stakeTable: RowTable<Stake, { id: string }> = {
  name: "access_stake",
  loadSql: sqlText("load-stakes"),
  saveSql: sqlText("save-stakes"),
  keyOf: (row) => ({ id: row.id }),
  decode: toStake,
  encode: (row) => ({
    id: row.id,
    user_id: row.userId,
    strategy_id: row.strategyId,
    account: row.account,
    tier: row.tier,
    amount: `${row.amount}`,
    created_at: row.createdAt,
    expires_at: row.expiresAt,
    status: row.status,
    ended_at: row.endedAt,
    ended_by: row.endedBy,
    end_reason: row.endReason,
  }),
};

export const reservationTable: RowTable<Reservation, { id: string }> = {
  name: "access_reservation",
  loadSql: sqlText("load-reservations"),
  saveSql: sqlText("save-reservations"),
  keyOf: (row) => ({ id: row.id }),
  decode: toReservation,
  encode: (row) => ({
    id: row.id,
    user_id: row.userId,
    entity_type: row.entityType,
    entity_id: row.entityId,
    account: row.account,
    amount: `${row.amount}`,
    quota_per_day: row.quotaPerDay,
    created_at: row.createdAt,
    reserved_until: row.reservedUntil,
    status: row.status,
    ended_at: row.endedAt,
  }),
};

type ComputeKey = { user_id: string; entity_type: number; entity_id: string };

export const computeTable: RowTable<ComputePosition, ComputeKey> = {
  name: "access_compute",
  loadSql: sqlText("load-compute"),
  saveSql: sqlText("save-compute"),
  keyOf: (row) => ({ user_id: row.userId, entity_type: row.entityType, entity_id: row.entityId }),
  decode: toComputePosition,
  encode: (row) => ({
    ...computeTable.keyOf(row),
    active: row.active,
    quota_per_day: row.quotaPerDay,
    reserved_until: row.reservedUntil,
  }),
};

export const consumedUnitTable: RowTable<ConsumedUnit, { id: string }> = {
  name: "access_consumed_unit",
  loadSql: sqlText("load-consumed-units"),
  saveSql: sqlText("save-consumed-units"),
  keyOf: (row) => ({ id: row.id }),
  decode: toConsumedUnit,
  encode: (row) => ({
    id: row.id,
    user_id: row.userId,
    entity_type: row.entityType,
    entity_id: row.entityId,
    created_at: row.createdAt,
  }),
};

export const userTable: RowTable<AccessUser, { user_id: string }> = {
  name: "access_user",
  loadSql: sqlText("load-users"),
  saveSql: sqlText("save-users"),
  keyOf: (row) => ({ user_id: row.userId }),
  decode: toAccessUser,
  encode: (row) => ({
    user_id: row.userId,
    locked: `${row.locked}`,
    staked: `${row.staked}`,
    reserved: `${row.reserved}`,
    active_locks: row.activeLocks,
    active_stakes: row.activeStakes,
    active_reservations: row.activeReservations,
    stakes_by_tier: row.stakesByTier,
    quota_by_entity: row.quotaByEntity,
  }),
};

/** Only an agreement's active lock changes, and that one is its newest. */
export function putLock(view: View, lock: Lock): void {
  view.putRow(lockTable, lock);
  view.putRow(newestLockTable, lock);
}

/** Only an active stake changes, and that one is the newest of its user and strategy. */
export function putStake(view: View, stake: Stake): void {
  view.putRow(stakeTable, stake);
  view.putRow(newestStakeTable, stake);
}
