/**
 * The program's tables as the writer sees them: how rows are found, read and
 * written. Derived rows (the rules, an agreement's newest lock) live as long as the
 * batch does and are never written; whoever puts a lock or a stake puts it under
 * both its keys, by `putLock` and `putStake`, so that the batch sees one truth.
 */
import { column, columns, type RowTable, type View } from "#ledger";
import {
  toAccessUser,
  toComputePosition,
  toConsumedUnit,
  toLock,
  toReservation,
  toRules,
  toStake,
} from "./decode.ts";
import type {
  AccessUser,
  ComputePosition,
  ConsumedUnit,
  Lock,
  Reservation,
  ReservationsOfAccount,
  Rules,
  Stake,
} from "./model.ts";
import { sqlText } from "./sql-text.ts";

export const rulesTable: RowTable<Rules, Record<never, never>> = {
  name: "access_rules",
  load: { sql: sqlText("load-rules"), parameters: columns() },
  save: null,
  keyOf: () => ({}),
  decode: toRules,
};

/** The lock an agreement's requests mean: its active one, else its newest. */
export const newestLockTable: RowTable<Lock, { agreement_id: string }> = {
  name: "access_newest_lock",
  load: { sql: sqlText("load-newest-lock"), parameters: columns(column.text((key) => key.agreement_id)) },
  save: null,
  keyOf: (row) => ({ agreement_id: row.agreementId }),
  decode: toLock,
};

export const lockTable: RowTable<Lock, { id: string }> = {
  name: "access_lock",
  load: { sql: sqlText("load-locks"), parameters: columns(column.text((key) => key.id)) },
  save: {
    sql: sqlText("save-locks"),
    parameters: columns(
      column.text((row) => row.id),
      column.text((row) => row.agreementId),
      column.text((row) => row.userId),
      column.text((row) => row.counterpartyId),
      column.uuid((row) => row.account),
      column.amount((row) => row.amount),
      column.int((row) => row.level),
      column.int((row) => row.createdAt),
      column.int((row) => row.lockedUntil),
      column.text((row) => row.status),
      column.int((row) => row.endedAt),
      column.boolean((row) => row.lockerAsksEnd),
      column.boolean((row) => row.counterpartyAsksEnd),
      column.text((row) => row.endedBy),
    ),
  },
  keyOf: (row) => ({ id: row.id }),
  decode: toLock,
};

/** The stake a user's requests for a strategy mean: the active one, else the newest. */
export const newestStakeTable: RowTable<Stake, { user_id: string; strategy_id: string }> = {
  name: "access_newest_stake",
  load: {
    sql: sqlText("load-newest-stake"),
    parameters: columns(
      column.text((key) => key.user_id),
      column.text((key) => key.strategy_id),
    ),
  },
  save: null,
  keyOf: (row) => ({ user_id: row.userId, strategy_id: row.strategyId }),
  decode: toStake,
};

export const stakeTable: RowTable<Stake, { id: string }> = {
  name: "access_stake",
  load: { sql: sqlText("load-stakes"), parameters: columns(column.text((key) => key.id)) },
  save: {
    sql: sqlText("save-stakes"),
    parameters: columns(
      column.text((row) => row.id),
      column.text((row) => row.userId),
      column.text((row) => row.strategyId),
      column.uuid((row) => row.account),
      column.int((row) => row.tier),
      column.amount((row) => row.amount),
      column.int((row) => row.createdAt),
      column.int((row) => row.expiresAt),
      column.text((row) => row.status),
      column.int((row) => row.endedAt),
      column.text((row) => row.endedBy),
      column.text((row) => row.endReason),
    ),
  },
  keyOf: (row) => ({ id: row.id }),
  decode: toStake,
};

export const reservationTable: RowTable<Reservation, { id: string }> = {
  name: "access_reservation",
  load: { sql: sqlText("load-reservations"), parameters: columns(column.text((key) => key.id)) },
  save: {
    sql: sqlText("save-reservations"),
    parameters: columns(
      column.text((row) => row.id),
      column.text((row) => row.userId),
      column.int((row) => row.entityType),
      column.text((row) => row.entityId),
      column.uuid((row) => row.account),
      column.amount((row) => row.amount),
      column.int((row) => row.quotaPerDay),
      column.int((row) => row.createdAt),
      column.int((row) => row.reservedUntil),
      column.text((row) => row.status),
      column.int((row) => row.endedAt),
      column.text((row) => row.endedBy),
    ),
  },
  keyOf: (row) => ({ id: row.id }),
  decode: toReservation,
};

export const reservationsOfAccountTable: RowTable<ReservationsOfAccount, { account: string }> = {
  name: "access_reservations_of_account",
  load: {
    sql: sqlText("load-reservations-of-account"),
    parameters: columns(column.uuid((key) => key.account)),
  },
  save: null,
  keyOf: (row) => ({ account: row.account }),
  decode: (record) => ({ account: record.account as string, ids: record.ids as string[] }),
};

type ComputeKey = { user_id: string; entity_type: number; entity_id: string };

export const computeTable: RowTable<ComputePosition, ComputeKey> = {
  name: "access_compute",
  load: {
    sql: sqlText("load-compute"),
    parameters: columns(
      column.text((key) => key.user_id),
      column.int((key) => key.entity_type),
      column.text((key) => key.entity_id),
    ),
  },
  save: {
    sql: sqlText("save-compute"),
    parameters: columns(
      column.text((row) => row.userId),
      column.int((row) => row.entityType),
      column.text((row) => row.entityId),
      column.int((row) => row.active),
      column.int((row) => row.quotaPerDay),
      column.int((row) => row.reservedUntil),
    ),
  },
  keyOf: (row) => ({ user_id: row.userId, entity_type: row.entityType, entity_id: row.entityId }),
  decode: toComputePosition,
};

export const consumedUnitTable: RowTable<ConsumedUnit, { id: string }> = {
  name: "access_consumed_unit",
  load: { sql: sqlText("load-consumed-units"), parameters: columns(column.text((key) => key.id)) },
  save: {
    sql: sqlText("save-consumed-units"),
    parameters: columns(
      column.text((row) => row.id),
      column.text((row) => row.userId),
      column.int((row) => row.entityType),
      column.text((row) => row.entityId),
      column.int((row) => row.createdAt),
    ),
  },
  keyOf: (row) => ({ id: row.id }),
  decode: toConsumedUnit,
};

export const userTable: RowTable<AccessUser, { user_id: string }> = {
  name: "access_user",
  load: { sql: sqlText("load-users"), parameters: columns(column.text((key) => key.user_id)) },
  save: {
    sql: sqlText("save-users"),
    parameters: columns(
      column.text((row) => row.userId),
      column.amount((row) => row.locked),
      column.amount((row) => row.staked),
      column.amount((row) => row.reserved),
      column.int((row) => row.activeLocks),
      column.int((row) => row.activeStakes),
      column.int((row) => row.activeReservations),
      column.jsonb((row) => row.stakesByTier),
      column.jsonb((row) => row.quotaByEntity),
    ),
  },
  keyOf: (row) => ({ user_id: row.userId }),
  decode: toAccessUser,
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
