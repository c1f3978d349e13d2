/** How a lock ends, whoever ends it: the funds return to the locker, always. */

import { DomainError } from "#kernel";
import type { View } from "#ledger";
import type { Lock } from "../model.ts";
import { lockTable, newestLockTable } from "../tables.ts";
import { countLock } from "../user-totals.ts";
import { returnTst } from "./context.ts";

/** The active lock of an agreement, else its newest one, else null. */
export function newestLock(view: View, agreementId: string): Lock | null {
  const newest = view.row(newestLockTable, { agreement_id: agreementId });
  return newest && view.row(lockTable, { id: newest.lockId });
}

/** @throws DomainError `not_found` */
export function newestLockOrThrow(view: View, agreementId: string): Lock {
  const lock = newestLock(view, agreementId);
  if (lock) return lock;
  throw new DomainError("not_found", `There is no lock for agreement ${agreementId}`);
}

export function endLock(
  view: View,
  lock: Lock,
  end: {
    readonly status: "released" | "terminated";
    readonly transferId: string;
    /** The arbiter. */
    readonly endedBy?: string;
  },
): Lock {
  returnTst(view, {
    transferId: end.transferId,
    userId: lock.userId,
    from: lock.account,
    amount: lock.amount,
    code: end.status === "released" ? "access.release" : "access.terminate",
    reference: lock.id,
  });
  const ended: Lock = { ...lock, status: end.status, endedAt: view.now, endedBy: end.endedBy ?? null };
  view.putRow(lockTable, ended);
  countLock(view, lock, -1);
  return ended;
}
