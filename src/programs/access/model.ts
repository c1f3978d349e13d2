/**
 * What the access program knows: its rules, what users hold under them, and the
 * totals kept beside. Amounts are base units of TST, times Unix seconds.
 */
import type { Amount, UnixSeconds } from "#kernel";

/** The asset of this program. Its scale is fixed with the asset, so it may be known before any row is read. */
export const TST = { code: "TST", scale: 18 } as const;
/** All there is, in custody from the first day. */
export const TST_SUPPLY: Amount = 1_000_000n * 10n ** 18n;

export const LOCK_DAYS = { min: 1, max: 365, default: 7 } as const;
export const RESERVATION_DAYS = { min: 1, max: 365 } as const;
/** `active_locks` and `active_stakes` of an access answer hold the newest so many. */
export const MAX_LISTED = 1_000;

export interface TierRule {
  readonly tier: number;
  readonly requiredTst: Amount;
  readonly quotaPerDay: number;
  readonly durationDays: number;
  /** For people: "12 hours". */
  readonly cooldown: string;
  /** Null for tier 0. */
  readonly analysesPerDay: number | null;
  readonly maxCapital: string | null;
  readonly benefits: readonly string[];
}

export interface LevelRule {
  readonly level: number;
  readonly requiredTst: Amount;
  readonly benefits: readonly string[];
}

export interface EntityRule {
  readonly entityType: number;
  readonly name: string;
  readonly requiredTst: Amount;
  /** What one reservation adds to a day's quota. */
  readonly quotaPerDay: number;
}

/** All rules as the database has them, each list in ascending order. `tiers` begins with tier 0, no stake. */
export interface Rules {
  readonly tiers: readonly TierRule[];
  readonly levels: readonly LevelRule[];
  readonly entities: readonly EntityRule[];
}

export type LockStatus = "locked" | "released" | "terminated";

export interface Lock {
  readonly id: string;
  readonly agreementId: string;
  readonly userId: string;
  readonly counterpartyId: string | null;
  readonly account: string;
  readonly amount: Amount;
  readonly level: number;
  readonly createdAt: UnixSeconds;
  readonly lockedUntil: UnixSeconds;
  readonly status: LockStatus;
  readonly endedAt: UnixSeconds | null;
  readonly lockerAsksEnd: boolean;
  readonly counterpartyAsksEnd: boolean;
  /** The arbiter who terminated it. */
  readonly endedBy: string | null;
}

export interface Stake {
  readonly id: string;
  readonly userId: string;
  readonly strategyId: string;
  readonly account: string;
  readonly tier: number;
  readonly amount: Amount;
  readonly createdAt: UnixSeconds;
  readonly expiresAt: UnixSeconds;
  readonly status: "staked" | "expired";
  readonly endedAt: UnixSeconds | null;
  /** The operator who ended it before its time, and why. */
  readonly endedBy: string | null;
  readonly endReason: string | null;
}

export interface Reservation {
  readonly id: string;
  readonly userId: string;
  readonly entityType: number;
  readonly entityId: string;
  readonly account: string;
  readonly amount: Amount;
  readonly quotaPerDay: number;
  readonly createdAt: UnixSeconds;
  readonly reservedUntil: UnixSeconds;
  readonly status: "reserved" | "expired";
  readonly endedAt: UnixSeconds | null;
  /** Where it did not run out. */
  readonly endedBy: string | null;
}

/** The active reservations that make up a position, as they were when the batch began. */
export interface ReservationsOfAccount {
  readonly account: string;
  readonly ids: readonly string[];
}

/** All active reservations of a user for one entity; they settle as one position. */
export interface ComputePosition {
  readonly userId: string;
  readonly entityType: number;
  readonly entityId: string;
  readonly active: number;
  readonly quotaPerDay: number;
  readonly reservedUntil: UnixSeconds;
}

/** One unit of quota that was used. */
export interface ConsumedUnit {
  readonly id: string;
  readonly userId: string;
  readonly entityType: number;
  readonly entityId: string;
  readonly createdAt: UnixSeconds;
}

/** A user's totals, so that nothing has to add up a history. */
export interface AccessUser {
  readonly userId: string;
  readonly locked: Amount;
  readonly staked: Amount;
  readonly reserved: Amount;
  readonly activeLocks: number;
  readonly activeStakes: number;
  readonly activeReservations: number;
  /** Tier → active stakes of it. */
  readonly stakesByTier: Counts;
  /** Entity type → what active reservations add to a day's quota. */
  readonly quotaByEntity: Counts;
}

/** Numbers by a small whole number, written as JSON object. Absent is 0. */
export type Counts = Readonly<Record<string, number>>;

/** What an action asks for; the amounts follow from the rules its subject names. */
export interface Requirement {
  readonly action: string;
  readonly subject: "level" | "tier" | "entity";
  /** One level, tier or entity type; null is the least of them. */
  readonly subjectValue: number | null;
  readonly reason: string;
  readonly description: string;
  readonly tierRequired: number;
}
