/**
 * Ends a lock before its time: once both parties have asked, in either order, or
 * by an arbiter. Without a counterparty only an arbiter can. The funds return to
 * the locker in every case.
 */

import { DomainError } from "#kernel";
import type { Idempotency, Unit, View } from "#ledger";
import { type LockAnswer, lockAnswer, PENDING } from "../answers.ts";
import { emitLock } from "../events.ts";
import type { Lock } from "../model.ts";
import { putLock } from "../tables.ts";
import { positionKeyOf, type UnitContext } from "./context.ts";
import { endLock, endReads, newestLockOrThrow } from "./end-lock.ts";

export interface TerminateRequest {
  readonly agreementId: string;
  readonly caller: string;
  readonly isArbiter: boolean;
}

/** @throws DomainError `not_found`, `forbidden`, `not_active` */
export function terminateUnit(
  context: UnitContext,
  request: TerminateRequest,
  idempotency: Idempotency | undefined,
): Unit<LockAnswer> {
  const transferId = context.ids.uuid();
  return {
    name: "access.terminate",
    idempotency,
    reads: endReads(context, request.caller, request.agreementId),
    decide(view) {
      const lock = newestLockOrThrow(view, request.agreementId);
      assertMayAsk(lock, request);
      const after = lock.status === "locked" ? terminate(view, lock, request, transferId) : lock;
      if (after.status === "released" && lock.status === "released")
        throw new DomainError("not_active", "The lock was released; its TST has returned to the locker");
      return lockAnswer(after, positionKeyOf(view, lock.account), PENDING);
    },
  };
}

function assertMayAsk(lock: Lock, { caller, isArbiter }: TerminateRequest): void {
  if (isArbiter) return;
  if (caller !== lock.userId && caller !== lock.counterpartyId)
    throw new DomainError("forbidden", "Only a party of the agreement or an arbiter can end its lock early");
  if (lock.counterpartyId === null)
    throw new DomainError("forbidden", "A lock without a counterparty is ended early only by an arbiter");
}

function terminate(view: View, lock: Lock, request: TerminateRequest, transferId: string): Lock {
  // Due already: it ends as what it is, and nobody has to agree.
  if (lock.lockedUntil <= view.now) return endLock(view, lock, { status: "released", transferId });
  const asked: Lock = {
    ...lock,
    lockerAsksEnd: lock.lockerAsksEnd || request.caller === lock.userId,
    counterpartyAsksEnd: lock.counterpartyAsksEnd || request.caller === lock.counterpartyId,
  };
  if (asked.lockerAsksEnd && asked.counterpartyAsksEnd)
    return endLock(view, asked, { status: "terminated", transferId });
  if (request.isArbiter)
    return endLock(view, asked, { status: "terminated", transferId, endedBy: request.caller });
  // Asking again changes nothing.
  if (asked.lockerAsksEnd === lock.lockerAsksEnd && asked.counterpartyAsksEnd === lock.counterpartyAsksEnd)
    return lock;
  putLock(view, asked);
  emitLock(view, "lock.termination_requested", asked, request.caller);
  return asked;
}
