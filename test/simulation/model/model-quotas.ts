/** Daily quotas as simply as they can be said: what a user's tier and reservations allow, and what was used on which day. */
import {
  DAY,
  type Decided,
  ENTITY_QUOTA,
  type ModelEvent,
  ModelRefusal,
  type ModelReservation,
  type ModelStake,
  rfc3339,
  TIERS,
} from "./access-words.ts";
import type { Undo } from "./undo.ts";

const THRESHOLDS: readonly number[] = [50, 80, 100];

export class ModelQuotas {
  readonly #undo: Undo;
  readonly #stakes: ReadonlyMap<string, ModelStake>;
  readonly #reservations: ReadonlyMap<string, ModelReservation>;
  /** By "user/type/day". */
  readonly usage = new Map<string, number>();
  /** By "user/type", of those whose allowance was ever another than the least. */
  readonly allowances = new Map<string, number>();

  /** By "user/type/day": the highest part of the day, in per cent, that was told of. */
  readonly #told = new Map<string, number>();

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

  consume(request: { userId: string; entityType: number; entityId: string }, { now, events }: Decided) {
    const { userId, entityType, entityId } = request;
    if (ENTITY_QUOTA[entityType] === undefined) throw new ModelRefusal("invalid_request");
    const [limit, used] = [this.limit(userId, entityType), this.used(userId, entityType, now)];
    if (used >= limit) throw new ModelRefusal("quota_exceeded");
    const day = Math.floor(now / DAY);
    this.#undo.set(this.usage, `${userId}/${entityType}/${day}`, used + 1);
    this.#tell(userId, entityType, day, events);
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
  allow(userId: string, now: number, events: ModelEvent[]): void {
    for (const entityType of [1, 2, 3]) {
      const key = `${userId}/${entityType}`;
      const limit = this.limit(userId, entityType);
      if (limit === (this.allowances.get(key) ?? 1)) continue;
      this.#undo.set(this.allowances, key, limit);
      this.#tell(userId, entityType, Math.floor(now / DAY), events);
    }
  }

  /** Once a day of each part that is reached. */
  #tell(userId: string, entityType: number, day: number, events: ModelEvent[]): void {
    const key = `${userId}/${entityType}/${day}`;
    const [used, limit] = [this.usage.get(key) ?? 0, this.limit(userId, entityType)];
    const told = this.#told.get(key) ?? 0;
    const reached = THRESHOLDS.filter((part) => part > told && used > 0 && used * 100 >= part * limit);
    for (const _ of reached) events.push(["quota.threshold_reached", userId]);
    this.#undo.set(this.#told, key, reached.at(-1) ?? told);
  }
}
