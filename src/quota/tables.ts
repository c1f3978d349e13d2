/** The quota tables as the writer sees them. */
import { readFileSync } from "node:fs";
import type { RowTable } from "#ledger";

export interface AllowanceRow {
  readonly userId: string;
  readonly entityType: number;
  readonly quotaPerDay: number;
  /** 0: the user was given none, the kind's default is in force. */
  readonly version: number;
}

export interface UsageRow {
  readonly userId: string;
  readonly entityType: number;
  readonly day: number;
  readonly used: number;
  readonly held: number;
  readonly version: number;
}

type AllowanceKey = { readonly user_id: string; readonly entity_type: number };
type UsageKey = AllowanceKey & { readonly day: number };

export function sqlText(file: string): string {
  return readFileSync(new URL(`./sql/${file}.sql`, import.meta.url), "utf8");
}

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
  keyOf: (row) => ({ user_id: row.userId, entity_type: row.entityType, day: row.day }),
  decode: (record) => ({
    userId: record.user_id as string,
    entityType: record.entity_type as number,
    day: record.day as number,
    used: record.used as number,
    held: record.held as number,
    version: record.version as number,
  }),
  encode: (row) => ({
    user_id: row.userId,
    entity_type: row.entityType,
    day: row.day,
    used: row.used,
    held: row.held,
    version: row.version,
  }),
};
