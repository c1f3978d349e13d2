/**
 * Reservations of a user for one entity settle as one position: their amounts
 * and quotas add up, and it is valid until the last of them ends.
 */
import type { View } from "#ledger";
import { emitReservation } from "../events.ts";
import type { Reservation } from "../model.ts";
import { computeTable, reservationTable } from "../tables.ts";
import { countReservation } from "../user-totals.ts";
import { returnTst } from "./context.ts";

/** Puts a new reservation into its position. Answers the position's key. */
export function beginReservation(view: View, reservation: Reservation): Uint8Array {
  const { userId, entityType, entityId } = reservation;
  const known = view.row(computeTable, { user_id: userId, entity_type: entityType, entity_id: entityId });
  const others = known && known.active > 0 ? known : null;
  const reservedUntil = Math.max(others?.reservedUntil ?? 0, reservation.reservedUntil);
  const quotaPerDay = (others?.quotaPerDay ?? 0) + reservation.quotaPerDay;
  view.putRow(reservationTable, reservation);
  view.putRow(computeTable, {
    userId,
    entityType,
    entityId,
    active: (others?.active ?? 0) + 1,
    quotaPerDay,
    reservedUntil,
  });
  countReservation(view, reservation, 1);
  emitReservation(view, "compute.reserved", reservation);
  return setComputePosition(view, reservation, quotaPerDay, reservedUntil);
}

export function endReservation(view: View, reservation: Reservation, transferId: string): Reservation {
  returnTst(view, {
    transferId,
    userId: reservation.userId,
    from: reservation.account,
    amount: reservation.amount,
    code: "access.unreserve",
    reference: reservation.id,
  });
  return closeReservation(view, reservation);
}

/** The reservation ends, and what it added to the quota; where its amount goes is the caller's business. */
export function closeReservation(
  view: View,
  reservation: Reservation,
  endedBy: string | null = null,
): Reservation {
  const { userId, entityType, entityId } = reservation;
  const known = view.row(computeTable, { user_id: userId, entity_type: entityType, entity_id: entityId });
  if (!known || known.active < 1) throw new Error(`reservation ${reservation.id} has no position`);
  const ended: Reservation = { ...reservation, status: "expired", endedAt: view.now, endedBy };
  const remaining = {
    ...known,
    active: known.active - 1,
    quotaPerDay: known.quotaPerDay - reservation.quotaPerDay,
  };
  view.putRow(reservationTable, ended);
  view.putRow(computeTable, remaining);
  countReservation(view, reservation, -1);
  emitReservation(view, "compute.expired", ended);
  // Its end stays, also where the last to end was ended first (two runs of the job at once, one that was lost): then all that
  // remain are due, too. Of a position that closes only the amount becomes 0.
  if (remaining.active > 0 && endedBy === null)
    setComputePosition(view, reservation, remaining.quotaPerDay, remaining.reservedUntil);
  return ended;
}

function setComputePosition(
  view: View,
  { userId, entityType, entityId, account }: Reservation,
  quotaPerDay: number,
  reservedUntil: number,
): Uint8Array {
  return view.setPosition({
    account,
    section: "compute",
    user: userId,
    keyParts: [userId, `${entityType}`, entityId],
    validUntil: reservedUntil,
    kind: entityType,
    quantity: quotaPerDay,
  });
}
