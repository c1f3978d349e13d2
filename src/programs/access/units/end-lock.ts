/** How a lock ends, whoever ends it: the funds return to the locker, always. */

import { DomainError } from "#kernel";
import type { Reads, View } from "#ledger";
import { availableAccount, lockedAccount } from "../accounts.ts";
import { emitLock } from "../events.ts";
import { type Lock, TST } from "../model.ts";
import { newestLockTable, putLock, userTable } from "../tables.ts";
import { countLock } from "../user-totals.ts";
import { returnTst, type UnitContext } from "./context.ts";

/** The active lock of an agreement, else its newest one, else null. */
export function newestLock(view: View, agreementId: string): Lock | null {
  return view.row(newestLockTable, { agreement_id: agreementId });
}

/** What ending an agreement's lock will read where the caller is its locker, as most are. */
export function endReads(context: UnitContext, caller: string, agreementId: string): Reads {
  const accounts = [
    context.accountId(availableAccount(caller)),
    context.accountId(lockedAccount(caller, agreementId)),
  ];
  return {
    accounts,
    positions: accounts,
    assets: [TST.code],
    rows: [
      { table: newestLockTable, key: { agreement_id: agreementId } },
      { table: userTable, key: { user_id: caller } },
    ],
  };
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
  return closeLock(view, lock, end);
}

/** The lock ends; where its amount goes is the caller's business. */
export function closeLock(
  view: View,
  lock: Lock,
  end: { readonly status: "released" | "terminated"; readonly endedBy?: string },
): Lock {
  const ended: Lock = { ...lock, status: end.status, endedAt: view.now, endedBy: end.endedBy ?? null };
  putLock(view, ended);
  countLock(view, lock, -1);
  if (end.status === "released") emitLock(view, "lock.released", ended);
  // By the arbiter, or by nobody alone.
  else emitLock(view, "lock.terminated", ended, ended.endedBy);
  return ended;
}
