/** Both halves of a transfer between ledgers as the writer sees them: each in its own ledger's table. */
import { readFileSync } from "node:fs";
import type { Amount, UnixSeconds } from "#kernel";
import { column, columns, type RowTable } from "#ledger";

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
  load: { sql: sqlText("load-departures"), parameters: columns(column.uuid((key) => key.id)) },
  save: {
    sql: sqlText("save-departures"),
    parameters: columns(
      column.uuid((row) => row.id),
      column.int((row) => row.seq),
      column.uuid((row) => row.fromAccount),
      column.uuid((row) => row.toLedgerId),
      column.text((row) => row.toLedger),
      column.uuid((row) => row.toAccount),
      column.text((row) => row.asset),
      column.amount((row) => row.amount),
      column.text((row) => row.reference),
      column.text((row) => row.state),
      column.uuid((row) => row.arrivalId),
      column.text((row) => row.reason),
      column.int((row) => row.sentAt),
      column.int((row) => row.resolvedAt),
    ),
  },
  keyOf: ({ id }) => ({ id }),
  decode: toDeparture,
};

export const arrivalTable: RowTable<Arrival, { from_ledger_id: string; transfer_id: string }> = {
  name: "inter_ledger_arrival",
  load: {
    sql: sqlText("load-arrivals"),
    parameters: columns(
      column.uuid((key) => key.from_ledger_id),
      column.uuid((key) => key.transfer_id),
    ),
  },
  save: {
    sql: sqlText("save-arrivals"),
    parameters: columns(
      column.uuid((row) => row.fromLedgerId),
      column.uuid((row) => row.transferId),
      column.uuid((row) => row.lineId),
      column.text((row) => row.refusal),
      column.int((row) => row.decidedAt),
    ),
  },
  keyOf: ({ fromLedgerId, transferId }) => ({ from_ledger_id: fromLedgerId, transfer_id: transferId }),
  decode: (r) => ({
    fromLedgerId: r.from_ledger_id as string,
    transferId: r.transfer_id as string,
    lineId: r.line_id as string | null,
    refusal: r.refusal as string | null,
    decidedAt: r.decided_at as number,
  }),
};
