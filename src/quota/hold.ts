/**
 * A hold: units taken out of a day of a quota before it is known how many will be
 * needed. It ends once: committed with what it cost, released, or expired. From
 * `expiresAt` on it holds nothing, whether or not that was written down yet.
 */
import type { UnixSeconds } from "#kernel";

export type HoldStatus = "open" | "committed" | "released" | "expired";

export interface QuotaHold {
  readonly id: string;
  readonly userId: string;
  /** A row of `quota_kind`. */
  readonly entityType: number;
  /** The UTC day it was made on, and counts for. */
  readonly day: number;
  readonly units: number;
  /** What it is for, in the words of whoever made it. */
  readonly reference: string | null;
  /** The principal that made it. */
  readonly createdBy: string;
  readonly createdAt: UnixSeconds;
  readonly expiresAt: UnixSeconds;
  readonly status: HoldStatus;
  /** What it cost in the end; null where it was not committed. */
  readonly committed: number | null;
  readonly endedAt: UnixSeconds | null;
}

export interface HoldRecord {
  readonly id: string;
  readonly user_id: string;
  readonly entity_type: number;
  readonly day: number;
  readonly units: number;
  readonly reference: string | null;
  readonly created_by: string;
  readonly created_at: number;
  readonly expires_at: number;
  readonly status: HoldStatus;
  readonly committed: number | null;
  readonly ended_at: number | null;
}

export function toHold(record: HoldRecord): QuotaHold {
  return {
    id: record.id,
    userId: record.user_id,
    entityType: record.entity_type,
    day: record.day,
    units: record.units,
    reference: record.reference,
    createdBy: record.created_by,
    createdAt: record.created_at,
    expiresAt: record.expires_at,
    status: record.status,
    committed: record.committed,
    endedAt: record.ended_at,
  };
}

export function isDue(hold: QuotaHold, now: UnixSeconds): boolean {
  return hold.status === "open" && hold.expiresAt <= now;
}

/** As it is at a time: one that is due is expired, since the second in which it fell due. */
export function holdAt(hold: QuotaHold, now: UnixSeconds): QuotaHold {
  if (hold.status === "expired") return { ...hold, endedAt: hold.expiresAt };
  return isDue(hold, now) ? { ...hold, status: "expired", endedAt: hold.expiresAt } : hold;
}
