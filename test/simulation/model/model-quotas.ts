/** Daily quotas as simply as they can be said: what a user's tier and reservations allow, and what was used on which day. */
import {
  DAY,
  type Decided,
  ENTITY_QUOTA,
  ModelRefusal,
  type ModelReservation,
  type ModelStake,
  rfc3339,
  TIERS,
} from "./access-words.ts";
import type { Undo } from "./undo.ts";

export class ModelQuotas {
  readonly #undo: Undo;
  readonly #stakes: ReadonlyMap<string, ModelStake>;
  readonly #reservations: ReadonlyMap<string, ModelReservation>;
  /** By "user/type/day". */
  readonly usage = new Map<string, number>();
  /** By "user/type", of those whose allowance was ever another than the least. */
  readonly allowances = new Map<string, number>();

  constructor(
    undo: Undo,
    stakes: ReadonlyMap<string, ModelStake>,
    reservations: ReadonlyMap<string, ModelReservation>,
  ) {
    this.#undo = undo;
    this.#stakes = stakes;
    this.#reservations = reservations;
  }

  left(userId: string, entityType: number, now: number): number {
    return Math.max(0, this.limit(userId, entityType) - this.used(userId, entityType, now));
  }

  consume(request: { userId: string; entityType: number; entityId: string }, { now }: Decided) {
    const { userId, entityType, entityId } = request;
    if (ENTITY_QUOTA[entityType] === undefined) throw new ModelRefusal("invalid_request");
    const [limit, used] = [this.limit(userId, entityType), this.used(userId, entityType, now)];
    if (used >= limit) throw new ModelRefusal("quota_exceeded");
    const day = Math.floor(now / DAY);
    this.#undo.set(this.usage, `${userId}/${entityType}/${day}`, used + 1);
    return {
      ...{ user_id: userId, entity_type: entityType, entity_id: entityId, quota_reserved: 1 },
      ...{ quota_remaining_today: limit - used - 1, created_at: rfc3339(now) },
      reservation_expires_at: rfc3339((day + 1) * DAY),
    };
  }

  used(userId: string, entityType: number, now: number): number {
    return this.usage.get(`${userId}/${entityType}/${Math.floor(now / DAY)}`) ?? 0;
  }

  limit(userId: string, entityType: number): number {
    const tiers = [...this.#stakes.values()].filter(
      (one) => one.userId === userId && one.status === "staked",
    );
    const reserved = [...this.#reservations.values()].filter(
      (one) => one.userId === userId && one.entityType === entityType && one.status === "reserved",
    );
    const quota = TIERS[Math.max(0, ...tiers.map(({ tier }) => tier))]?.quota ?? 0;
    return quota + reserved.length * (ENTITY_QUOTA[entityType] ?? 0);
  }

  /** An allowance is written where it changes. */
  allow(userId: string): void {
    for (const entityType of [1, 2, 3]) {
      const key = `${userId}/${entityType}`;
      const limit = this.limit(userId, entityType);
      if (limit !== (this.allowances.get(key) ?? 1)) this.#undo.set(this.allowances, key, limit);
    }
  }
}
