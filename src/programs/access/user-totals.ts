/**
 * A user's totals and what follows from them: the tier, and the daily allowance
 * of each entity type, which is handed to the quota in the same unit, so that it
 * counts from the moment the unit commits.
 */
import type { View } from "#ledger";
import { setAllowance } from "#quota";
import { addTo, countOf } from "./counts.ts";
import type { AccessUser, Lock, Reservation, Rules, Stake } from "./model.ts";
import { rulesOf, tierOf } from "./rules.ts";
import { userTable } from "./tables.ts";

/** Beginning (+1) or end (-1) of a holding. */
type Step = 1 | -1;

export function countLock(view: View, lock: Lock, step: Step): void {
  const user = userOf(view, lock.userId);
  view.putRow(userTable, {
    ...user,
    locked: user.locked + (step === 1 ? lock.amount : -lock.amount),
    activeLocks: user.activeLocks + step,
  });
}

export function countStake(view: View, stake: Stake, step: Step): void {
  const user = userOf(view, stake.userId);
  putWithAllowances(view, user, {
    ...user,
    staked: user.staked + (step === 1 ? stake.amount : -stake.amount),
    activeStakes: user.activeStakes + step,
    stakesByTier: addTo(user.stakesByTier, stake.tier, step),
  });
}

/** A stake that went up: the same stake, another tier. */
export function countUpgrade(view: View, before: Stake, after: Stake): void {
  const user = userOf(view, after.userId);
  putWithAllowances(view, user, {
    ...user,
    staked: user.staked + after.amount - before.amount,
    stakesByTier: addTo(addTo(user.stakesByTier, before.tier, -1), after.tier, 1),
  });
}

export function countReservation(view: View, reservation: Reservation, step: Step): void {
  const user = userOf(view, reservation.userId);
  putWithAllowances(view, user, {
    ...user,
    reserved: user.reserved + (step === 1 ? reservation.amount : -reservation.amount),
    activeReservations: user.activeReservations + step,
    quotaByEntity: addTo(user.quotaByEntity, reservation.entityType, step * reservation.quotaPerDay),
  });
}

/** Units a day: the tier's quota and what active reservations add. */
export function allowanceOf(rules: Rules, user: AccessUser, entityType: number): number {
  return tierOf(rules, user.stakesByTier).quotaPerDay + countOf(user.quotaByEntity, entityType);
}

export function noHoldings(userId: string): AccessUser {
  return {
    userId,
    locked: 0n,
    staked: 0n,
    reserved: 0n,
    activeLocks: 0,
    activeStakes: 0,
    activeReservations: 0,
    stakesByTier: {},
    quotaByEntity: {},
  };
}

export function userOf(view: View, userId: string): AccessUser {
  return view.row(userTable, { user_id: userId }) ?? noHoldings(userId);
}

function putWithAllowances(view: View, before: AccessUser, after: AccessUser): void {
  const rules = rulesOf(view);
  view.putRow(userTable, after);
  for (const { entityType } of rules.entities) {
    const quotaPerDay = allowanceOf(rules, after, entityType);
    if (quotaPerDay !== allowanceOf(rules, before, entityType))
      setAllowance(view, { userId: after.userId, entityType, quotaPerDay });
  }
}
