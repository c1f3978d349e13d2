/**
 * The words of the access program's model: what it keeps, the rules written out
 * once more, so that a change of the real ones is noticed, and how answers put them.
 */
export interface ModelLock {
  readonly id: string;
  readonly agreementId: string;
  readonly userId: string;
  readonly counterpartyId: string | null;
  readonly amount: bigint;
  readonly level: number;
  readonly createdAt: number;
  readonly until: number;
  readonly status: "locked" | "released" | "terminated";
  readonly lockerAsks: boolean;
  readonly counterpartyAsks: boolean;
}

export interface ModelStake {
  readonly id: string;
  readonly userId: string;
  readonly strategyId: string;
  readonly tier: number;
  readonly amount: bigint;
  readonly createdAt: number;
  readonly until: number;
  readonly status: "staked" | "expired";
}

export interface ModelReservation {
  readonly id: string;
  readonly userId: string;
  readonly entityType: number;
  readonly entityId: string;
  readonly createdAt: number;
  readonly until: number;
  readonly status: "reserved" | "expired";
}

export interface ModelPosition {
  readonly section: number;
  readonly validUntil: number;
  readonly kind: number;
  readonly quantity: number;
}

/** Something that is told to whom it may concern, as the model expects it. */
export type ModelEvent = readonly [type: string, subject: string | null];

export class ModelRefusal extends Error {
  readonly code: string;
  readonly details: unknown;
  /** @param details what they must be; undefined where that is not looked at */
  constructor(code: string, details?: unknown) {
    super(code);
    this.code = code;
    this.details = details;
  }
}

/** What a unit of work has beside its request: when it was decided, and the id that its holding got. */
export interface Decided {
  readonly now: number;
  readonly id: string;
  readonly events: ModelEvent[];
}

export const DAY = 86_400;
export const ONE = 10n ** 18n;
export const TIERS: readonly { readonly amount: bigint; readonly quota: number }[] = [
  { amount: 0n, quota: 1 },
  { amount: 5n * ONE, quota: 5 },
  { amount: 25n * ONE, quota: 10 },
  { amount: 100n * ONE, quota: 20 },
];
export const TIER_DAYS = 30;
export const LEVELS: readonly bigint[] = [10n * ONE, 50n * ONE, 250n * ONE];
export const ENTITY_NAMES = ["risk", "strategy", "memory"] as const;
export const ENTITY_AMOUNT = 5n * ONE;
export const ENTITY_QUOTA: Readonly<Record<number, number>> = { 1: 10, 2: 5, 3: 5 };
export const SECTION = { balances: 0, locks: 1, stakes: 2, compute: 3 } as const;

export function lockSays(lock: ModelLock) {
  return {
    ...{ status: lock.status, user_id: lock.userId, agreement_id: lock.agreementId, level: lock.level },
    ...{ counterparty_id: lock.counterpartyId, amount: decimal(lock.amount, 18), lock_id: lock.id },
    ...{ locked_until: rfc3339(lock.until), created_at: rfc3339(lock.createdAt) },
    termination_requested_by: [
      ...(lock.lockerAsks ? [lock.userId] : []),
      ...(lock.counterpartyAsks ? [lock.counterpartyId] : []),
    ],
  };
}

export function stakeSays(stake: ModelStake) {
  return {
    ...{ status: stake.status, user_id: stake.userId, strategy_id: stake.strategyId, tier: stake.tier },
    ...{ amount: decimal(stake.amount, 18), stake_id: stake.id },
    ...{ expires_at: rfc3339(stake.until), created_at: rfc3339(stake.createdAt) },
  };
}

export function rfc3339(time: number): string {
  return `${new Date(time * 1_000).toISOString().slice(0, 19)}Z`;
}

export function decimal(amount: bigint, scale: number): string {
  const base = 10n ** BigInt(scale);
  const fraction = String(amount % base)
    .padStart(scale, "0")
    .replace(/0+$/, "");
  return fraction === "" || scale === 0 ? `${amount / base}` : `${amount / base}.${fraction}`;
}

export function units(text: string, scale: number): bigint {
  const [whole = "0", fraction = ""] = text.split(".");
  return BigInt(whole + fraction.padEnd(scale, "0"));
}
