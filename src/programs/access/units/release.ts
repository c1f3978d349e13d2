/**
 * Releases a lock that is due. Whoever comes second, the request or the job,
 * finds it released: that is what both wanted, so it is no error.
 */

import { DomainError, toRfc3339 } from "#kernel";
import type { Idempotency, Unit } from "#ledger";
import { type LockAnswer, lockAnswer, PENDING } from "../answers.ts";
import { positionKeyOf, type UnitContext } from "./context.ts";
import { endLock, endReads, newestLockOrThrow } from "./end-lock.ts";

export interface ReleaseRequest {
  readonly agreementId: string;
  readonly caller: string;
  /** An operator releases any lock that is due. */
  readonly isOperator: boolean;
}

/** @throws DomainError `not_found`, `forbidden`, `not_expired`, `not_active` */
export function releaseUnit(
  context: UnitContext,
  request: ReleaseRequest,
  idempotency: Idempotency | undefined,
): Unit<LockAnswer> {
  const transferId = context.ids.uuid();
  return {
    name: "access.release",
    idempotency,
    reads: endReads(context, request.caller, request.agreementId),
    decide(view) {
      const lock = newestLockOrThrow(view, request.agreementId);
      const isParty = request.caller === lock.userId || request.caller === lock.counterpartyId;
      if (!isParty && !request.isOperator)
        throw new DomainError("forbidden", "Only a party of the agreement can release its lock");
      if (lock.status === "terminated")
        throw new DomainError("not_active", "The lock was terminated; its TST has returned to the locker");
      if (lock.status === "locked" && lock.lockedUntil > view.now) {
        throw new DomainError("not_expired", `The lock runs until ${toRfc3339(lock.lockedUntil)}`, {
          details: { locked_until: toRfc3339(lock.lockedUntil) },
        });
      }
      const released =
        lock.status === "locked" ? endLock(view, lock, { status: "released", transferId }) : lock;
      return lockAnswer(released, positionKeyOf(view, lock.account), PENDING);
    },
  };
}
