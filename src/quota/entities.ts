/** The quota tables for ordinary reads through TypeORM; they are never saved through it. */
import { EntitySchema } from "typeorm";
import type { QuotaKind } from "./model.ts";
import type { AllowanceRow, UsageRow } from "./tables.ts";

const QuotaKindEntity = new EntitySchema<QuotaKind>({
  name: "quota_kind",
  columns: {
    id: { type: "smallint", primary: true },
    name: { type: "text" },
    defaultPerDay: { type: "bigint", name: "default_per_day" },
    thresholds: { type: "smallint", array: true },
  },
});

const AllowanceEntity = new EntitySchema<AllowanceRow>({
  name: "allowance",
  columns: {
    userId: { type: "text", primary: true, name: "user_id" },
    entityType: { type: "smallint", primary: true, name: "entity_type" },
    quotaPerDay: { type: "bigint", name: "quota_per_day" },
    version: { type: "bigint" },
  },
});

const UsageEntity = new EntitySchema<UsageRow>({
  name: "usage",
  columns: {
    userId: { type: "text", primary: true, name: "user_id" },
    entityType: { type: "smallint", primary: true, name: "entity_type" },
    day: { type: "integer", primary: true },
    used: { type: "bigint" },
    held: { type: "bigint" },
    version: { type: "bigint" },
    nextExpiry: { type: "bigint", name: "next_expiry", nullable: true },
    told: { type: "smallint" },
  },
});

export const quotaEntities = [QuotaKindEntity, AllowanceEntity, UsageEntity];
