/** Both halves of a transfer between ledgers as the writer sees them: each in its own ledger's table. */
import { readFileSync } from "node:fs";
import type { Amount, UnixSeconds } from "#kernel";
import type { RowTable } from "#ledger";

export const STATES = ["pending", "posted", "voided"] as const;
export type DepartureState = (typeof STATES)[number];

/** What was sent. */
export interface Departure {
  /** Also of its hold. */
  readonly id: string;
  /** Of its hold. */
  readonly seq: number;
  readonly fromAccount: string;
  readonly toLedgerId: string;
  readonly toLedger: string;
  readonly toAccount: string;
  readonly asset: string;
  readonly amount: Amount;
  readonly reference: string | null;
  readonly state: DepartureState;
  /** The line that credited it in the other ledger; null where there is none (yet). */
  readonly arrivalId: string | null;
  /** Why the other ledger refused it; null where it did not. */
  readonly reason: string | null;
  readonly sentAt: UnixSeconds;
  readonly resolvedAt: UnixSeconds | null;
}

/** How a ledger decided on what came. */
export interface Arrival {
  readonly fromLedgerId: string;
  readonly transferId: string;
  /** Null where it was refused. */
  readonly lineId: string | null;
  /** Null where it was credited. */
  readonly refusal: string | null;
  readonly decidedAt: UnixSeconds;
}

type Row = Readonly<Record<string, unknown>>;

export function sqlText(name: string): string {
  return readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), "utf8");
}

export function toDeparture(r: Row): Departure {
  return {
    id: r.id as string,
    seq: r.seq as number,
    fromAccount: r.from_account as string,
    toLedgerId: r.to_ledger_id as string,
    toLedger: r.to_ledger as string,
    toAccount: r.to_account as string,
    asset: r.asset as string,
    amount: r.amount as bigint,
    reference: r.reference as string | null,
    state: r.state as DepartureState,
    arrivalId: r.arrival_id as string | null,
    reason: r.reason as string | null,
    sentAt: r.sent_at as number,
    resolvedAt: r.resolved_at as number | null,
  };
}

export const departureTable: RowTable<Departure, { id: string }> = {
  name: "inter_ledger_transfer",
  loadSql: sqlText("load-departures"),
  saveSql: sqlText("save-departures"),
  keyOf: ({ id }) => ({ id }),
  decode: toDeparture,
  encode: (row) => ({
    id: row.id,
    seq: row.seq,
    from_account: row.fromAccount,
    to_ledger_id: row.toLedgerId,
    to_ledger: row.toLedger,
    to_account: row.toAccount,
    asset: row.asset,
    amount: row.amount.toString(),
    reference: row.reference,
    state: row.state,
    arrival_id: row.arrivalId,
    reason: row.reason,
    sent_at: row.sentAt,
    resolved_at: row.resolvedAt,
  }),
};

export const arrivalTable: RowTable<Arrival, { from_ledger_id: string; transfer_id: string }> = {
  name: "inter_ledger_arrival",
  loadSql: sqlText("load-arrivals"),
  saveSql: sqlText("save-arrivals"),
  keyOf: ({ fromLedgerId, transferId }) => ({ from_ledger_id: fromLedgerId, transfer_id: transferId }),
  decode: (r) => ({
    fromLedgerId: r.from_ledger_id as string,
    transferId: r.transfer_id as string,
    lineId: r.line_id as string | null,
    refusal: r.refusal as string | null,
    decidedAt: r.decided_at as number,
  }),
  encode: (row) => ({
    from_ledger_id: row.fromLedgerId,
    transfer_id: row.transferId,
    line_id: row.lineId,
    refusal: row.refusal,
    decided_at: row.decidedAt,
  }),
};
