/**
 * What the program answers: plain JSON, written once by the unit and returned
 * the same by a replay. Amounts are decimal text of whole TST, times RFC 3339.
 * Type aliases rather than interfaces, because a unit's answer must be `Json`.
 */
import { type Amount, formatAmount, SECONDS_PER_DAY, toRfc3339, type UnixSeconds, utcDay } from "#kernel";
import {
  type ConsumedUnit,
  type EntityRule,
  type Lock,
  type Reservation,
  type Stake,
  type TierRule,
  TST,
} from "./model.ts";

/** How far a position has come on the chain. */
export type SettlementState = {
  readonly status: "pending" | "committed" | "final";
  readonly epoch: number | null;
  readonly txHash: string | null;
};

/** Just changed: no epoch holds it yet. */
export const PENDING: SettlementState = { status: "pending", epoch: null, txHash: null };

/** What the settlement of each account's position says; an account it does not know is pending. */
export type SettlementOf = (accountIds: readonly string[]) => Promise<ReadonlyMap<string, SettlementState>>;

type SettlementAnswer = { readonly status: SettlementState["status"]; readonly epoch: number | null };

export type LockAnswer = {
  readonly lock_id: string;
  readonly status: Lock["status"];
  readonly user_id: string;
  readonly agreement_id: string;
  readonly counterparty_id: string | null;
  readonly amount: string;
  readonly tst_locked: string;
  readonly level: number;
  readonly locked_until: string;
  readonly termination_requested_by: string[];
  readonly tx_hash: string | null;
  readonly contract_lock_id: string;
  readonly settlement: SettlementAnswer;
  readonly created_at: string;
};

export function lockAnswer(lock: Lock, positionKey: Uint8Array, settled: SettlementState): LockAnswer {
  return {
    lock_id: lock.id,
    status: lock.status,
    user_id: lock.userId,
    agreement_id: lock.agreementId,
    counterparty_id: lock.counterpartyId,
    amount: tst(lock.amount),
    tst_locked: tst(lock.amount),
    level: lock.level,
    locked_until: toRfc3339(lock.lockedUntil),
    termination_requested_by: [
      ...(lock.lockerAsksEnd ? [lock.userId] : []),
      ...(lock.counterpartyAsksEnd && lock.counterpartyId !== null ? [lock.counterpartyId] : []),
    ],
    tx_hash: settled.txHash,
    contract_lock_id: hex(positionKey),
    settlement: { status: settled.status, epoch: settled.epoch },
    created_at: toRfc3339(lock.createdAt),
  };
}

export type StakeAnswer = {
  readonly stake_id: string;
  readonly status: Stake["status"];
  readonly user_id: string;
  readonly strategy_id: string;
  readonly tier: number;
  readonly amount: string;
  readonly tst_staked: string;
  readonly expires_at: string;
  readonly new_cooldown: string;
  readonly new_limits: { readonly analyses_per_day: number; readonly max_capital: string };
  readonly benefits: string[];
  readonly tx_hash: string | null;
  readonly contract_stake_id: string;
  readonly settlement: SettlementAnswer;
  readonly created_at: string;
};

export function stakeAnswer(
  stake: Stake,
  rule: TierRule,
  positionKey: Uint8Array,
  settled: SettlementState,
): StakeAnswer {
  return {
    stake_id: stake.id,
    status: stake.status,
    user_id: stake.userId,
    strategy_id: stake.strategyId,
    tier: stake.tier,
    amount: tst(stake.amount),
    tst_staked: tst(stake.amount),
    expires_at: toRfc3339(stake.expiresAt),
    new_cooldown: rule.cooldown,
    new_limits: { analyses_per_day: rule.analysesPerDay ?? 0, max_capital: rule.maxCapital ?? "0" },
    benefits: [...rule.benefits],
    tx_hash: settled.txHash,
    contract_stake_id: hex(positionKey),
    settlement: { status: settled.status, epoch: settled.epoch },
    created_at: toRfc3339(stake.createdAt),
  };
}

export type ReservationAnswer = {
  readonly reservation_id: string;
  readonly status: Reservation["status"];
  readonly user_id: string;
  readonly entity: string;
  readonly entity_type: number;
  readonly entity_id: string;
  readonly tst_reserved: string;
  /** What this reservation adds. */
  readonly quota_per_day: number;
  readonly reserved_until: string;
  readonly quota_remaining_today: number;
  readonly tx_hash: string | null;
  readonly contract_res_id: string;
  readonly settlement: SettlementAnswer;
  readonly created_at: string;
};

export function reservationAnswer(
  reservation: Reservation,
  rule: EntityRule,
  quotaRemainingToday: number,
  positionKey: Uint8Array,
  settled: SettlementState,
): ReservationAnswer {
  return {
    reservation_id: reservation.id,
    status: reservation.status,
    user_id: reservation.userId,
    entity: rule.name,
    entity_type: reservation.entityType,
    entity_id: reservation.entityId,
    tst_reserved: tst(reservation.amount),
    quota_per_day: reservation.quotaPerDay,
    reserved_until: toRfc3339(reservation.reservedUntil),
    quota_remaining_today: quotaRemainingToday,
    tx_hash: settled.txHash,
    contract_res_id: hex(positionKey),
    settlement: { status: settled.status, epoch: settled.epoch },
    created_at: toRfc3339(reservation.createdAt),
  };
}

export type ConsumedUnitAnswer = {
  readonly reservation_id: string;
  readonly user_id: string;
  readonly entity_type: number;
  readonly entity_id: string;
  readonly quota_reserved: 1;
  readonly quota_remaining_today: number;
  /** The end of its UTC day. */
  readonly reservation_expires_at: string;
  readonly contract_res_id: null;
  readonly created_at: string;
};

export function consumedUnitAnswer(unit: ConsumedUnit, quotaRemainingToday: number): ConsumedUnitAnswer {
  return {
    reservation_id: unit.id,
    user_id: unit.userId,
    entity_type: unit.entityType,
    entity_id: unit.entityId,
    quota_reserved: 1,
    quota_remaining_today: quotaRemainingToday,
    reservation_expires_at: toRfc3339(endOfUtcDay(unit.createdAt)),
    contract_res_id: null,
    created_at: toRfc3339(unit.createdAt),
  };
}

export type GrantAnswer = {
  readonly grant_id: string;
  readonly user_id: string;
  readonly asset: string;
  readonly amount: string;
  readonly reason: string;
  /** What the user has available of the asset now. */
  readonly available: string;
  readonly created_at: string;
};

export function endOfUtcDay(time: UnixSeconds): UnixSeconds {
  return (utcDay(time) + 1) * SECONDS_PER_DAY;
}

/** Whole TST as decimal text. */
export function tst(amount: Amount): string {
  return formatAmount(amount, TST.scale);
}

function hex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString("hex")}`;
}
