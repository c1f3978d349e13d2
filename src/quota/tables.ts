/** The quota tables as the writer sees them. */
import { readFileSync } from "node:fs";
import { column, columns, type RowTable } from "#ledger";
import { type HoldRecord, type QuotaHold, toHold } from "./hold.ts";
import type { QuotaKind } from "./model.ts";

export interface AllowanceRow {
  readonly userId: string;
  readonly entityType: number;
  readonly quotaPerDay: number;
  /** 0: the user was given none, the kind's default is in force. */
  readonly version: number;
  /** Per cent, ascending; the kind's, and not written with the allowance. */
  readonly thresholds: readonly number[];
}

export interface UsageRow {
  readonly userId: string;
  readonly entityType: number;
  readonly day: number;
  readonly used: number;
  /** The sum of the open holds. */
  readonly held: number;
  readonly version: number;
  /** When the first of the open holds expires. */
  readonly nextExpiry: number | null;
  /** The highest threshold that was told of; 0: none. */
  readonly told: number;
}

/** The open holds of a quota's day, the first to expire first; never written as such. */
export interface OpenHolds {
  readonly userId: string;
  readonly entityType: number;
  readonly day: number;
  readonly holds: readonly QuotaHold[];
}

type AllowanceKey = { readonly user_id: string; readonly entity_type: number };
type UsageKey = AllowanceKey & { readonly day: number };

export function sqlText(file: string): string {
  return readFileSync(new URL(`./sql/${file}.sql`, import.meta.url), "utf8");
}

const dayKeyOf = (row: { userId: string; entityType: number; day: number }): UsageKey => ({
  user_id: row.userId,
  entity_type: row.entityType,
  day: row.day,
});

/** The allowance in force; `null` where there is no such entity type. */
export const allowanceTable: RowTable<AllowanceRow, AllowanceKey> = {
  name: "allowance",
  load: {
    sql: sqlText("load-allowance"),
    parameters: columns(
      column.text((key) => key.user_id),
      column.int((key) => key.entity_type),
    ),
  },
  save: {
    sql: sqlText("save-allowance"),
    parameters: columns(
      column.text((row) => row.userId),
      column.int((row) => row.entityType),
      column.int((row) => row.quotaPerDay),
      column.int((row) => row.version),
    ),
  },
  keyOf: (row) => ({ user_id: row.userId, entity_type: row.entityType }),
  decode: (record) => ({
    userId: record.user_id as string,
    entityType: record.entity_type as number,
    quotaPerDay: record.quota_per_day as number,
    version: record.version as number,
    thresholds: ascending(record.thresholds as readonly number[]),
  }),
};

export const usageTable: RowTable<UsageRow, UsageKey> = {
  name: "usage",
  load: {
    sql: sqlText("load-usage"),
    parameters: columns(
      column.text((key) => key.user_id),
      column.int((key) => key.entity_type),
      column.int((key) => key.day),
    ),
  },
  save: {
    sql: sqlText("save-usage"),
    parameters: columns(
      column.text((row) => row.userId),
      column.int((row) => row.entityType),
      column.int((row) => row.day),
      column.int((row) => row.used),
      column.int((row) => row.held),
      column.int((row) => row.version),
      column.int((row) => row.nextExpiry),
      column.int((row) => row.told),
    ),
  },
  keyOf: dayKeyOf,
  decode: (record) => ({
    userId: record.user_id as string,
    entityType: record.entity_type as number,
    day: record.day as number,
    used: record.used as number,
    held: record.held as number,
    version: record.version as number,
    nextExpiry: record.next_expiry as number | null,
    told: record.told as number,
  }),
};

/** Written before `usage` (they are written by name), whose `held` the database compares with them. */
export const holdTable: RowTable<QuotaHold, { readonly id: string }> = {
  name: "quota_hold",
  load: { sql: sqlText("load-holds"), parameters: columns(column.text((key) => key.id)) },
  save: {
    sql: sqlText("save-holds"),
    parameters: columns(
      column.text((row) => row.id),
      column.text((row) => row.userId),
      column.int((row) => row.entityType),
      column.int((row) => row.day),
      column.int((row) => row.units),
      column.text((row) => row.reference),
      column.text((row) => row.createdBy),
      column.int((row) => row.createdAt),
      column.int((row) => row.expiresAt),
      column.text((row) => row.status),
      column.int((row) => row.committed),
      column.int((row) => row.endedAt),
    ),
  },
  keyOf: (row) => ({ id: row.id }),
  decode: (record) => toHold(record as unknown as HoldRecord),
};

/** Whoever changes a hold puts it here too, so that the batch sees one truth. */
export const openHoldsTable: RowTable<OpenHolds, UsageKey> = {
  name: "quota_open_holds",
  load: {
    sql: sqlText("load-open-holds"),
    parameters: columns(
      column.text((key) => key.user_id),
      column.int((key) => key.entity_type),
      column.int((key) => key.day),
    ),
  },
  save: null,
  keyOf: dayKeyOf,
  decode: (record) => ({
    userId: record.user_id as string,
    entityType: record.entity_type as number,
    day: record.day as number,
    holds: (record.holds as HoldRecord[]).map(toHold),
  }),
};

export const kindTable: RowTable<QuotaKind, { readonly id: number }> = {
  name: "quota_kind",
  load: { sql: sqlText("load-kinds"), parameters: columns(column.int((key) => key.id)) },
  save: {
    sql: sqlText("save-kinds"),
    parameters: columns(
      column.int((row) => row.id),
      column.jsonb((row) => row.thresholds),
    ),
  },
  keyOf: (row) => ({ id: row.id }),
  decode: (record) => toKind(record as unknown as KindRecord),
};

export interface KindRecord {
  readonly id: number;
  readonly name: string;
  readonly default_per_day: number;
  readonly thresholds: readonly number[];
}

export function toKind(record: KindRecord): QuotaKind {
  const { id, name, default_per_day: defaultPerDay, thresholds } = record;
  return { id, name, defaultPerDay, thresholds: ascending(thresholds) };
}

function ascending(thresholds: readonly number[]): readonly number[] {
  return thresholds.toSorted((a, b) => a - b);
}
