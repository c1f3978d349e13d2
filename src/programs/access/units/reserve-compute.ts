/** Holds TST for an entity: for as long as it lasts, its type has more quota a day. */

import { SECONDS_PER_DAY } from "#kernel";
import type { Idempotency, Unit } from "#ledger";
import { viewQuota } from "#quota";
import { newAccessId } from "../access-id.ts";
import { availableAccount, reservedAccount } from "../accounts.ts";
import { PENDING, type ReservationAnswer, reservationAnswer } from "../answers.ts";
import { type Reservation, TST } from "../model.ts";
import { entityFor, rulesOf } from "../rules.ts";
import { computeTable, rulesTable, userTable } from "../tables.ts";
import { draw, holdTst, openUser, type UnitContext } from "./context.ts";
import { beginReservation } from "./end-reservation.ts";

export interface ReserveRequest {
  readonly userId: string;
  readonly entityType: number;
  readonly entityId: string;
  readonly durationDays: number;
  readonly walletAddress: Uint8Array | undefined;
}

/** @throws DomainError `invalid_request`, `insufficient_balance` */
export function reserveComputeUnit(
  context: UnitContext,
  request: ReserveRequest,
  idempotency: Idempotency | undefined,
): Unit<ReservationAnswer> {
  const { userId, entityType, entityId } = request;
  const account = reservedAccount(userId, entityType, entityId);
  const accounts = [context.accountId(availableAccount(userId)), context.accountId(account)];
  const { transferId, salt } = draw(context.ids);
  const reservationId = newAccessId(context.ids, "res");
  return {
    name: "access.reserve_compute",
    idempotency,
    weight: 2,
    reads: {
      accounts,
      positions: accounts,
      assets: [TST.code],
      owners: [userId],
      rows: [
        { table: rulesTable, key: {} },
        { table: userTable, key: { user_id: userId } },
        { table: computeTable, key: { user_id: userId, entity_type: entityType, entity_id: entityId } },
      ],
    },
    decide(view) {
      const rule = entityFor(rulesOf(view), { entityType });
      openUser(view, userId, salt, request.walletAddress);
      const reserved = holdTst(view, {
        transferId,
        userId,
        to: account,
        amount: rule.requiredTst,
        code: "access.reserve",
        reference: reservationId,
      });
      const reservation: Reservation = {
        id: reservationId,
        userId,
        entityType,
        entityId,
        account: reserved,
        amount: rule.requiredTst,
        quotaPerDay: rule.quotaPerDay,
        createdAt: view.now,
        reservedUntil: view.now + request.durationDays * SECONDS_PER_DAY,
        status: "reserved",
        endedAt: null,
        endedBy: null,
      };
      const key = beginReservation(view, reservation);
      const { remaining } = viewQuota(view, { userId, entityType });
      return reservationAnswer(reservation, rule, remaining, key, PENDING);
    },
  };
}
