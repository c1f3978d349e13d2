/** The quota tables as the writer sees them. */
import { readFileSync } from "node:fs";
import type { RowTable } from "#ledger";
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
  loadSql: sqlText("load-allowance"),
  saveSql: sqlText("save-allowance"),
  keyOf: (row) => ({ user_id: row.userId, entity_type: row.entityType }),
  decode: (record) => ({
    userId: record.user_id as string,
    entityType: record.entity_type as number,
    quotaPerDay: record.quota_per_day as number,
    version: record.version as number,
    thresholds: ascending(record.thresholds as readonly number[]),
  }),
  encode: (row) => ({
    user_id: row.userId,
    entity_type: row.entityType,
    quota_per_day: row.quotaPerDay,
    version: row.version,
  }),
};

export const usageTable: RowTable<UsageRow, UsageKey> = {
  name: "usage",
  loadSql: sqlText("load-usage"),
  saveSql: sqlText("save-usage"),
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
  encode: (row) => ({
    user_id: row.userId,
    entity_type: row.entityType,
    day: row.day,
    used: row.used,
    held: row.held,
    version: row.version,
    next_expiry: row.nextExpiry,
    told: row.told,
  }),
};

/** Written before `usage` (they are written by name), whose `held` the database compares with them. */
export const holdTable: RowTable<QuotaHold, { readonly id: string }> = {
  name: "quota_hold",
  loadSql: sqlText("load-holds"),
  saveSql: sqlText("save-holds"),
  keyOf: (row) => ({ id: row.id }),
  decode: (record) => toHold(record as unknown as HoldRecord),
  encode: (row) => ({
    id: row.id,
    user_id: row.userId,
    entity_type: row.entityType,
    day: row.day,
    units: row.units,
    reference: row.reference,
    created_by: row.createdBy,
    created_at: row.createdAt,
    expires_at: row.expiresAt,
    status: row.status,
    committed: row.committed,
    ended_at: row.endedAt,
  }),
};

/** Whoever changes a hold puts it here too, so that the batch sees one truth. */
export const openHoldsTable: RowTable<OpenHolds, UsageKey> = {
  name: "quota_open_holds",
  loadSql: sqlText("load-open-holds"),
  saveSql: sqlText("derived-row"),
  keyOf: dayKeyOf,
  decode: (record) => ({
    userId: record.user_id as string,
    entityType: record.entity_type as number,
    day: record.day as number,
    holds: (record.holds as HoldRecord[]).map(toHold),
  }),
  encode: () => null,
};

export const kindTable: RowTable<QuotaKind, { readonly id: number }> = {
  name: "quota_kind",
  loadSql: sqlText("load-kinds"),
  saveSql: sqlText("save-kinds"),
  keyOf: (row) => ({ id: row.id }),
  decode: (record) => toKind(record as unknown as KindRecord),
  encode: (row) => ({ id: row.id, thresholds: [...row.thresholds] }),
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
