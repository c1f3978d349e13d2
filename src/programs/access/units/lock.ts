/** Locks TST for an agreement: one active lock an agreement. */

import { type Amount, DomainError, SECONDS_PER_DAY, toRfc3339 } from "#kernel";
import type { Idempotency, Unit } from "#ledger";
import { newAccessId } from "../access-id.ts";
import { availableAccount, lockedAccount } from "../accounts.ts";
import { type LockAnswer, lockAnswer, PENDING } from "../answers.ts";
import { emitLock } from "../events.ts";
import { type Lock, TST } from "../model.ts";
import { levelFor, rulesOf } from "../rules.ts";
import { newestLockTable, putLock, rulesTable, userTable } from "../tables.ts";
import { countLock } from "../user-totals.ts";
import { draw, holdTst, openUser, type UnitContext } from "./context.ts";
import { endLock, newestLock } from "./end-lock.ts";

export interface LockRequest {
  readonly userId: string;
  readonly agreementId: string;
  readonly amount: Amount;
  readonly durationDays: number;
  readonly counterpartyId: string | undefined;
  readonly walletAddress: Uint8Array | undefined;
}

/** @throws DomainError `invalid_amount`, `invalid_request`, `already_locked`, `insufficient_balance` */
export function lockUnit(
  context: UnitContext,
  request: LockRequest,
  idempotency: Idempotency | undefined,
): Unit<LockAnswer> {
  const { userId, agreementId } = request;
  const { transferId, salt } = draw(context.ids);
  const endingTransferId = context.ids.uuid();
  const lockId = newAccessId(context.ids, "lock");
  const account = lockedAccount(userId, agreementId);
  const accounts = [context.accountId(availableAccount(userId)), context.accountId(account)];
  return {
    name: "access.lock",
    idempotency,
    weight: 2,
    reads: {
      accounts,
      positions: accounts,
      assets: [TST.code],
      owners: [userId],
      rows: [
        { table: rulesTable, key: {} },
        { table: newestLockTable, key: { agreement_id: agreementId } },
        { table: userTable, key: { user_id: userId } },
      ],
    },
    decide(view) {
      const { level } = levelFor(rulesOf(view), request.amount);
      if (request.counterpartyId === userId)
        throw new DomainError("invalid_request", "counterparty_id must be another user", {
          details: { member: "counterparty_id" },
        });
      const present = newestLock(view, agreementId);
      if (present?.status === "locked") {
        if (present.lockedUntil > view.now)
          throw new DomainError("already_locked", `Agreement ${agreementId} is already locked`, {
            details: { locked_until: toRfc3339(present.lockedUntil) },
          });
        // Due, and the job has not come by yet.
        endLock(view, present, { status: "released", transferId: endingTransferId });
      }
      openUser(view, userId, salt, request.walletAddress);
      const { amount } = request;
      const locked = holdTst(view, {
        transferId,
        userId,
        to: account,
        amount,
        code: "access.lock",
        reference: lockId,
      });
      const lock: Lock = {
        id: lockId,
        agreementId,
        userId,
        counterpartyId: request.counterpartyId ?? null,
        account: locked,
        amount,
        level,
        createdAt: view.now,
        lockedUntil: view.now + request.durationDays * SECONDS_PER_DAY,
        status: "locked",
        endedAt: null,
        lockerAsksEnd: false,
        counterpartyAsksEnd: false,
        endedBy: null,
      };
      putLock(view, lock);
      countLock(view, lock, 1);
      emitLock(view, "lock.created", lock);
      const key = view.setPosition({
        account: locked,
        section: "locks",
        user: userId,
        keyParts: [userId, agreementId],
        validUntil: lock.lockedUntil,
        kind: level,
        quantity: 0,
      });
      return lockAnswer(lock, key, PENDING);
    },
  };
}
