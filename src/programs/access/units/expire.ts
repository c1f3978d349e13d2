/**
 * Ends one holding that is due. One unit each, so that one that cannot end holds
 * up no other; whether it is still active and due is asked again where it is
 * decided, so that it ends once, however often the job runs.
 */

import type { UnixSeconds } from "#kernel";
import type { RowRead, Unit } from "#ledger";
import { availableAccount } from "../accounts.ts";
import { TST } from "../model.ts";
import { computeTable, lockTable, reservationTable, rulesTable, stakeTable, userTable } from "../tables.ts";
import type { UnitContext } from "./context.ts";
import { endLock } from "./end-lock.ts";
import { endReservation } from "./end-reservation.ts";
import { endStake } from "./end-stake.ts";

export type HoldingKind = "lock" | "stake" | "reservation";

/** As the query for what is due finds it. */
export interface DueHolding {
  readonly kind: HoldingKind;
  readonly id: string;
  readonly userId: string;
  readonly account: string;
  readonly dueAt: UnixSeconds;
  /** Of a reservation. */
  readonly entity: { readonly entityType: number; readonly entityId: string } | null;
}

/** Answers true where this unit ended it. */
export function expireUnit(context: UnitContext, due: DueHolding): Unit<boolean> {
  const transferId = context.ids.uuid();
  const { id, userId } = due;
  const table = { lock: lockTable, stake: stakeTable, reservation: reservationTable }[due.kind];
  return {
    name: `access.expire_${due.kind}`,
    bulk: true,
    reads: {
      accounts: [due.account, context.accountId(availableAccount(userId))],
      positions: [due.account],
      assets: [TST.code],
      rows: [
        { table, key: { id } },
        { table: userTable, key: { user_id: userId } },
        { table: rulesTable, key: {} },
        ...(due.entity ? [computeRead(userId, due.entity)] : []),
      ],
    },
    decide(view) {
      // Its owner leaves with it on-chain: the sweep ends it.
      if (view.account(due.account)?.exitDemanded) return false;
      if (due.kind === "lock") {
        const lock = view.row(lockTable, { id });
        if (lock?.status !== "locked" || lock.lockedUntil > view.now) return false;
        endLock(view, lock, { status: "released", transferId });
      } else if (due.kind === "stake") {
        const stake = view.row(stakeTable, { id });
        if (stake?.status !== "staked" || stake.expiresAt > view.now) return false;
        endStake(view, stake, { transferId });
      } else {
        const reservation = view.row(reservationTable, { id });
        if (reservation?.status !== "reserved" || reservation.reservedUntil > view.now) return false;
        endReservation(view, reservation, transferId);
      }
      return true;
    },
  };
}

function computeRead(userId: string, entity: NonNullable<DueHolding["entity"]>): RowRead {
  const key = { user_id: userId, entity_type: entity.entityType, entity_id: entity.entityId };
  return { table: computeTable, key };
}
