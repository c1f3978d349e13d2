/**
 * What this program tells of: one event for each thing that happens to a user's
 * lock, stake or reservation, with the user as its subject. Amounts and times as
 * in answers. The list with its shapes is docs/events.md.
 */
import { type Amount, formatAmount, toRfc3339 } from "#kernel";
import type { View } from "#ledger";
import { tst } from "./answers.ts";
import type { Lock, Reservation, Stake } from "./model.ts";

type LockEvent = "lock.created" | "lock.released" | "lock.termination_requested" | "lock.terminated";

/**
 * The locker's, but for a wish to end it early: that is the other party's, who is to answer it.
 * @param by who asked for the end, where that is the news
 */
export function emitLock(view: View, type: LockEvent, lock: Lock, by?: string | null): void {
  const asksTheOther = type === "lock.termination_requested" && by === lock.userId;
  view.emit({
    type,
    subject: asksTheOther && lock.counterpartyId !== null ? lock.counterpartyId : lock.userId,
    data: {
      lock_id: lock.id,
      user_id: lock.userId,
      agreement_id: lock.agreementId,
      counterparty_id: lock.counterpartyId,
      amount: tst(lock.amount),
      level: lock.level,
      locked_until: toRfc3339(lock.lockedUntil),
      ...(by === undefined ? {} : { by }),
    },
  });
}

type StakeEvent = "stake.created" | "stake.upgraded" | "stake.expired" | "stake.returned";

export function emitStake(
  view: View,
  type: StakeEvent,
  stake: Stake,
  more: { readonly previous_tier?: number } = {},
): void {
  view.emit({
    type,
    subject: stake.userId,
    data: {
      stake_id: stake.id,
      user_id: stake.userId,
      strategy_id: stake.strategyId,
      tier: stake.tier,
      amount: tst(stake.amount),
      expires_at: toRfc3339(stake.expiresAt),
      ...more,
    },
  });
}

export function emitReservation(
  view: View,
  type: "compute.reserved" | "compute.expired",
  reservation: Reservation,
): void {
  view.emit({
    type,
    subject: reservation.userId,
    data: {
      reservation_id: reservation.id,
      user_id: reservation.userId,
      entity_type: reservation.entityType,
      entity_id: reservation.entityId,
      amount: tst(reservation.amount),
      quota_per_day: reservation.quotaPerDay,
      reserved_until: toRfc3339(reservation.reservedUntil),
    },
  });
}

export interface Grant {
  readonly id: string;
  readonly userId: string;
  readonly asset: string;
  readonly amount: Amount;
}

/** Without the operator's reason, which was not written for the user. */
export function emitGrant(view: View, grant: Grant, scale: number): void {
  const { id, userId, asset } = grant;
  const amount = formatAmount(grant.amount, scale);
  view.emit({ type: "grant.made", subject: userId, data: { grant_id: id, user_id: userId, asset, amount } });
}
