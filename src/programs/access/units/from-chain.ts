/**
 * What comes from the chain, in the units that the chain watcher makes of it. An entry asks for a lock, a stake or a
 * reservation in the words of whoever signed it, which the ledger can refuse: then it stays on the available balance. A
 * position whose owner leaves on-chain ends here, whatever its time, and its amount goes where the sweep takes it.
 */
import { type Amount, DomainError, type Ids, SECONDS_PER_DAY } from "#kernel";
import type { Account, View } from "#ledger";
import type { Entry, Placed } from "#settlement";
import { LOCK_DAYS, RESERVATION_DAYS, TST } from "../model.ts";
import { entityFor, rulesOf, tierFor } from "../rules.ts";
import {
  newestLockTable,
  newestStakeTable,
  reservationsOfAccountTable,
  reservationTable,
} from "../tables.ts";
import type { UnitContext } from "./context.ts";
import { closeLock } from "./end-lock.ts";
import { closeReservation } from "./end-reservation.ts";
import { closeStake } from "./end-stake.ts";
import { lockUnit } from "./lock.ts";
import { reserveComputeUnit } from "./reserve-compute.ts";
import { upgradeTierUnit } from "./upgrade-tier.ts";

/** Who ended what a sweep took; no user is called so. */
export const LEFT_ON_CHAIN = "@exit";

const SECTION = { locks: 1, stakes: 2, compute: 3 } as const;
/** As the API takes ids: 1 to 128 characters, letters, digits and a few signs, in normal form C. */
const ID = /^[\p{L}\p{N}_-][\p{L}\p{N}\p{M}._:@+|~=,-]*$/u;
const LONGEST_ID = 128;

/** @throws DomainError, where it is run, for what the ledger would refuse by the API too */
export function placeEntry(context: UnitContext, entry: Entry): (view: View, user: string) => Placed | null {
  const { amount, kind, ref } = entry;
  if (entry.asset !== TST.code || ref === null || !isId(ref)) return () => null;
  const days = entry.durationSeconds / BigInt(SECONDS_PER_DAY);
  const wallet = { walletAddress: undefined };
  // Drawn now, decided in the entry's unit.
  const ids = drawnIds(context.ids);
  return (view, userId) => {
    const draws = { ids: ids(), accountId: context.accountId };
    switch (entry.section) {
      case SECTION.locks: {
        const request = {
          userId,
          agreementId: ref,
          amount,
          durationDays: daysWithin(days, LOCK_DAYS),
          ...wallet,
        };
        const lock = lockUnit(draws, { ...request, counterpartyId: undefined }, undefined).decide(view);
        return { as: "lock", holdingId: lock.lock_id };
      }
      case SECTION.stakes: {
        const before = view.row(newestStakeTable, { user_id: userId, strategy_id: ref });
        const staked = before?.status === "staked" && before.expiresAt > view.now ? before.amount : 0n;
        requireAtLeast(amount, tierFor(rulesOf(view), kind).requiredTst - staked);
        const stake = upgradeTierUnit(
          draws,
          { userId, strategyId: ref, tier: kind, ...wallet },
          undefined,
        ).decide(view);
        return { as: "stake", holdingId: stake.stake_id };
      }
      case SECTION.compute: {
        requireAtLeast(amount, entityFor(rulesOf(view), { entityType: kind }).requiredTst);
        const request = {
          userId,
          entityType: kind,
          entityId: ref,
          durationDays: daysWithin(days, RESERVATION_DAYS),
        };
        const reserved = reserveComputeUnit(draws, { ...request, ...wallet }, undefined).decide(view);
        return { as: "reservation", holdingId: reserved.reservation_id };
      }
      default:
        return null;
    }
  };
}

/** More than any one unit draws. */
const DRAWN = { uuids: 8, bytes: 256 } as const;

/** The same ids each time it is called: a unit may be decided more than once. */
function drawnIds(ids: Ids): () => Ids {
  const uuids = Array.from({ length: DRAWN.uuids }, () => ids.uuid());
  const bytes = ids.bytes(DRAWN.bytes);
  return () => {
    let uuidsUsed = 0;
    let bytesUsed = 0;
    return {
      uuid() {
        const id = uuids[uuidsUsed++];
        if (id === undefined) throw new Error("too few ids were drawn for an entry");
        return id;
      },
      bytes(length) {
        bytesUsed += length;
        if (bytesUsed > bytes.length) throw new Error("too few bytes were drawn for an entry");
        return bytes.slice(bytesUsed - length, bytesUsed);
      },
    };
  };
}

function isId(text: string): boolean {
  return ID.test(text) && [...text].length <= LONGEST_ID && text.normalize("NFC") === text;
}

/** An impossible entry, whatever is wrong with it: nobody reads why. */
function impossible(why: string): DomainError {
  return new DomainError("invalid_request", `The entry cannot be placed: ${why}`);
}

function daysWithin(days: bigint, { min, max }: { readonly min: number; readonly max: number }): number {
  if (days < BigInt(min) || days > BigInt(max)) throw impossible("its duration");
  return Number.parseInt(`${days}`, 10);
}

function requireAtLeast(amount: Amount, required: Amount): void {
  if (amount < required) throw impossible("its amount");
}

/** Ends the lock, stake or reservations that an account's amount stands for. The sweep takes the amount itself. */
export function endForExit(view: View, account: Account): void {
  const { owner, reference } = account;
  if (owner === null || reference === null) return;
  if (account.role === "locked") {
    const lock = view.row(newestLockTable, { agreement_id: reference });
    if (lock?.status !== "locked" || lock.account !== account.id) return;
    const isDue = lock.lockedUntil <= view.now;
    closeLock(view, lock, isDue ? { status: "released" } : { status: "terminated", endedBy: LEFT_ON_CHAIN });
  } else if (account.role === "staked") {
    const stake = view.row(newestStakeTable, { user_id: owner, strategy_id: reference });
    if (stake?.status !== "staked") return;
    const early = { operator: LEFT_ON_CHAIN, reason: "The owner left with it on-chain" };
    closeStake(view, stake, stake.expiresAt <= view.now ? undefined : early);
  } else if (account.role === "reserved") {
    const active = view.row(reservationsOfAccountTable, { account: account.id });
    for (const id of active?.ids ?? []) {
      const reservation = view.row(reservationTable, { id });
      if (reservation?.status === "reserved") closeReservation(view, reservation, LEFT_ON_CHAIN);
    }
  }
}
