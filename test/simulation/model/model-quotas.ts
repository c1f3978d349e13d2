/**
 * Daily quotas as simply as they can be said: what a user's tier and reservations
 * allow, what was used on which day, and what is held of it for work whose cost
 * is not known yet. A hold that is due holds nothing; the next change of its day
 * says so.
 */
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

export interface ModelQuotaHold {
  readonly id: string;
  readonly reference: string;
  /** "user/type/day". */
  readonly of: string;
  readonly userId: string;
  readonly entityType: number;
  readonly units: number;
  readonly until: number;
  readonly status: "open" | "committed" | "released" | "expired";
  readonly committed: number | null;
}

interface Quota {
  readonly userId: string;
  readonly entityType: number;
}

const THRESHOLDS: readonly number[] = [50, 80, 100];

export class ModelQuotas {
  readonly #undo: Undo;
  readonly #stakes: ReadonlyMap<string, ModelStake>;
  readonly #reservations: ReadonlyMap<string, ModelReservation>;
  /** By "user/type/day". */
  readonly usage = new Map<string, number>();
  /** By "user/type", of those whose allowance was ever another than the least. */
  readonly allowances = new Map<string, number>();
  /** By reference. */
  readonly holds = new Map<string, ModelQuotaHold>();
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

  limit({ userId, entityType }: Quota): number {
    const tiers = [...this.#stakes.values()].filter(
      (one) => one.userId === userId && one.status === "staked",
    );
    const reserved = [...this.#reservations.values()].filter(
      (one) => one.userId === userId && one.entityType === entityType && one.status === "reserved",
    );
    const quota = TIERS[Math.max(0, ...tiers.map(({ tier }) => tier))]?.quota ?? 0;
    return quota + reserved.length * (ENTITY_QUOTA[entityType] ?? 0);
  }

  /** Units that a day has no more: used, or held by what is not due. */
  #taken(of: string, now: number): number {
    const held = [...this.holds.values()].filter((one) => one.of === of && isOpen(one, now));
    return (this.usage.get(of) ?? 0) + held.reduce((sum, { units }) => sum + units, 0);
  }

  left(quota: Quota, now: number): number {
    return Math.max(0, this.limit(quota) - this.#taken(dayOf(quota, now), now));
  }

  consume(request: Quota & { readonly entityId: string }, decided: Decided) {
    const { userId, entityType, entityId } = request;
    const { now } = decided;
    if (ENTITY_QUOTA[entityType] === undefined) throw new ModelRefusal("invalid_request");
    const of = dayOf(request, now);
    if (this.#taken(of, now) >= this.limit(request)) throw new ModelRefusal("quota_exceeded");
    this.#put(request, of, (this.usage.get(of) ?? 0) + 1, decided);
    return {
      ...{ user_id: userId, entity_type: entityType, entity_id: entityId, quota_reserved: 1 },
      ...{ quota_remaining_today: this.left(request, now), created_at: rfc3339(now) },
      reservation_expires_at: rfc3339((Math.floor(now / DAY) + 1) * DAY),
    };
  }

  hold(
    request: Quota & { readonly units: number; readonly ttlSeconds: number; readonly reference: string },
    decided: Decided,
  ) {
    const { userId, entityType, units, reference } = request;
    const of = dayOf(request, decided.now);
    if (this.#taken(of, decided.now) + units > this.limit(request)) throw new ModelRefusal("quota_exceeded");
    const hold: ModelQuotaHold = {
      ...{ id: decided.id, reference, of, userId, entityType, units },
      ...{ until: decided.now + request.ttlSeconds, status: "open", committed: null },
    };
    this.#end(of, decided);
    this.#undo.set(this.holds, reference, hold);
    this.#put(request, of, this.usage.get(of) ?? 0, decided);
    return holdSays(hold);
  }

  commit(request: { readonly reference: string; readonly units: number | undefined }, decided: Decided) {
    const hold = this.#holdOf(request.reference, decided.now);
    const units = request.units ?? hold.committed ?? hold.units;
    if (hold.status === "committed" && hold.committed === units) return holdSays(hold);
    if (hold.status !== "open") throw new ModelRefusal("not_active");
    this.#needRoom(hold, units - hold.units, decided.now);
    const committed: ModelQuotaHold = { ...hold, status: "committed", committed: units };
    this.#undo.set(this.holds, hold.reference, committed);
    this.#put(hold, hold.of, (this.usage.get(hold.of) ?? 0) + units, decided);
    return holdSays(committed);
  }

  free(request: { readonly reference: string }, decided: Decided) {
    const hold = this.#holdOf(request.reference, decided.now);
    if (hold.status === "committed") throw new ModelRefusal("not_active");
    if (hold.status !== "open") return holdSays(hold);
    const released: ModelQuotaHold = { ...hold, status: "released" };
    this.#undo.set(this.holds, hold.reference, released);
    this.#put(hold, hold.of, this.usage.get(hold.of) ?? 0, decided);
    return holdSays(released);
  }

  extend(
    request: { readonly reference: string; readonly ttlSeconds: number; readonly units: number | undefined },
    decided: Decided,
  ) {
    const hold = this.#holdOf(request.reference, decided.now);
    if (hold.status !== "open") throw new ModelRefusal("not_active");
    const units = request.units ?? hold.units;
    this.#needRoom(hold, units - hold.units, decided.now);
    const until = Math.max(hold.until, decided.now + request.ttlSeconds);
    if (units === hold.units && until === hold.until) return holdSays(hold);
    const extended = { ...hold, units, until };
    this.#undo.set(this.holds, hold.reference, extended);
    this.#put(hold, hold.of, this.usage.get(hold.of) ?? 0, decided);
    return holdSays(extended);
  }

  /** The job: what is due of one day. */
  expire(of: string, decided: Decided): number {
    const due = [...this.holds.values()].find((one) => one.of === of && isDue(one, decided.now));
    if (due) this.#put(due, of, this.usage.get(of) ?? 0, decided);
    return 0;
  }

  /** As it is at a time. */
  #holdOf(reference: string, now: number): ModelQuotaHold {
    const hold = this.holds.get(reference);
    if (!hold) throw new ModelRefusal("not_found");
    return isDue(hold, now) ? { ...hold, status: "expired" } : hold;
  }

  /** More than is held has to be free on its day, and a day that is over has nothing free. */
  #needRoom(hold: ModelQuotaHold, more: number, now: number): void {
    if (more <= 0) return;
    if (hold.of === dayOf(hold, now) && this.#taken(hold.of, now) + more <= this.limit(hold)) return;
    throw new ModelRefusal("quota_exceeded");
  }

  #put(quota: Quota, of: string, used: number, decided: Decided): void {
    this.#end(of, decided);
    this.#undo.set(this.usage, of, used);
    this.#tell(quota, of, decided);
  }

  #end(of: string, { now, events }: Pick<Decided, "now" | "events">): void {
    for (const hold of this.holds.values()) {
      if (hold.of !== of || !isDue(hold, now)) continue;
      this.#undo.set(this.holds, hold.reference, { ...hold, status: "expired" });
      events.push(["quota.hold_expired", hold.userId]);
    }
  }

  /** An allowance is written where it changes. */
  allow(userId: string, now: number, events: ModelEvent[]): void {
    for (const entityType of [1, 2, 3]) {
      const key = `${userId}/${entityType}`;
      const limit = this.limit({ userId, entityType });
      if (limit === (this.allowances.get(key) ?? 1)) continue;
      this.#undo.set(this.allowances, key, limit);
      const of = `${key}/${Math.floor(now / DAY)}`;
      this.#tell({ userId, entityType }, of, { now, events });
    }
  }

  /** Once a day of each part that is reached, on that day: of one that is over nobody knows the limit. */
  #tell(quota: Quota, of: string, { now, events }: Pick<Decided, "now" | "events">): void {
    if (of !== dayOf(quota, now)) return;
    const [taken, limit] = [this.#taken(of, now), this.limit(quota)];
    const told = this.#told.get(of) ?? 0;
    const reached = THRESHOLDS.filter((part) => part > told && taken > 0 && taken * 100 >= part * limit);
    for (const _ of reached) events.push(["quota.threshold_reached", quota.userId]);
    if (reached.length === 0) return;
    this.#undo.set(this.#told, of, reached.at(-1) ?? told);
    if (!this.usage.has(of)) this.#undo.set(this.usage, of, 0);
  }
}

function dayOf({ userId, entityType }: Quota, now: number): string {
  return `${userId}/${entityType}/${Math.floor(now / DAY)}`;
}

function isDue(hold: ModelQuotaHold, now: number): boolean {
  return hold.status === "open" && hold.until <= now;
}

function isOpen(hold: ModelQuotaHold, now: number): boolean {
  return hold.status === "open" && hold.until > now;
}

function holdSays({ id, userId, entityType, reference, units, until, status, committed }: ModelQuotaHold) {
  return { id, userId, entityType, reference, units, expiresAt: until, status, committed };
}
