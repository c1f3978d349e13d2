/**
 * The access program as simply as it can be said: locks, stakes, reservations and
 * daily quotas in maps, over the model of the ledger. It shares no code with the
 * real one.
 */
import type { AccountSpec } from "#ledger";
import {
  DAY,
  type Decided,
  decimal,
  ENTITY_AMOUNT,
  ENTITY_NAMES,
  ENTITY_QUOTA,
  LEVELS,
  lockSays,
  type ModelEvent,
  type ModelLock,
  type ModelPosition,
  ModelRefusal,
  type ModelReservation,
  type ModelStake,
  rfc3339,
  SECTION,
  stakeSays,
  TIER_DAYS,
  TIERS,
  units,
} from "./access-words.ts";
import type { ModelLedger } from "./model-ledger.ts";
import { ModelQuotas } from "./model-quotas.ts";

export class ModelAccess {
  readonly ledger: ModelLedger;
  readonly #accountId: (spec: AccountSpec) => string;
  /** By agreement, by user and strategy: the active one, else the newest. */
  readonly locks = new Map<string, ModelLock>();
  readonly stakes = new Map<string, ModelStake>();
  readonly reservations = new Map<string, ModelReservation>();
  readonly positions = new Map<string, ModelPosition>();
  readonly quotas: ModelQuotas;
  readonly scales = new Map<string, number>([["TST", 18]]);

  constructor(ledger: ModelLedger, accountId: (spec: AccountSpec) => string) {
    this.ledger = ledger;
    this.#accountId = accountId;
    this.quotas = new ModelQuotas(ledger.undo, this.stakes, this.reservations);
  }

  get #undo() {
    return this.ledger.undo;
  }

  account(role: AccountSpec["role"], owner: string | null, reference: string | null = null, asset = "TST") {
    return this.#accountId({ asset, role, owner, reference });
  }

  #opened(role: AccountSpec["role"], owner: string | null, reference: string | null = null, asset = "TST") {
    const id = this.account(role, owner, reference, asset);
    if (!this.ledger.accounts.has(id))
      this.ledger.open(id, { asset, role, owner, reference, debitAllowance: 0n, creditAllowance: null });
    return id;
  }

  #available(account: string): bigint {
    const known = this.ledger.accounts.get(account);
    return known ? known.credits - known.debits - known.debitsHeld : 0n;
  }

  #hold(userId: string, role: "locked" | "staked" | "reserved", reference: string, amount: bigint): string {
    const from = this.#opened("available", userId);
    const left = this.#available(from);
    if (left < amount)
      throw new ModelRefusal(
        "insufficient_balance",
        `Required: ${decimal(amount, 18)} TST, Available: ${decimal(left, 18)} TST`,
      );
    const to = this.#opened(role, userId, reference);
    this.ledger.book(from, to, amount, 0n);
    return to;
  }

  #giveBack(userId: string, role: "locked" | "staked" | "reserved", reference: string, amount: bigint): void {
    this.ledger.book(this.account(role, userId, reference), this.#opened("available", userId), amount, 0n);
  }

  grant(request: { userId: string; asset: string; amount: string }, { events }: Decided) {
    const { userId, asset } = request;
    const scale = this.scales.get(asset);
    if (scale === undefined) throw new ModelRefusal("not_found");
    const amount = units(request.amount, scale);
    if (amount === 0n) throw new ModelRefusal("invalid_amount");
    const treasury = this.account("treasury", null, null, asset);
    const held = this.#available(treasury);
    if (held < amount)
      throw new ModelRefusal(
        "insufficient_balance",
        `Required: ${decimal(amount, scale)} ${asset}, Available: ${decimal(held, scale)} ${asset}`,
      );
    const available = this.#opened("available", userId, null, asset);
    this.ledger.book(treasury, available, amount, 0n);
    this.#settle(available, { section: SECTION.balances, validUntil: 0, kind: 0, quantity: 0 });
    events.push(["grant.made", userId]);
    return {
      ...{ user_id: userId, asset, amount: decimal(amount, scale) },
      available: decimal(this.#available(available), scale),
    };
  }

  #settle(account: string, position: ModelPosition): void {
    this.#undo.set(this.positions, account, position);
  }

  lock(
    request: {
      readonly userId: string;
      readonly agreementId: string;
      readonly amount: bigint;
      readonly durationDays: number;
      readonly counterpartyId: string | undefined;
    },
    { now, id, events }: Decided,
  ) {
    const { userId, agreementId, amount } = request;
    const level = LEVELS.filter((least) => least <= amount).length;
    if (level === 0) throw new ModelRefusal("invalid_amount");
    if (request.counterpartyId === userId) throw new ModelRefusal("invalid_request");
    const present = this.locks.get(agreementId);
    if (present?.status === "locked") {
      if (present.until > now)
        throw new ModelRefusal("already_locked", { locked_until: rfc3339(present.until) });
      this.#endLock(present, "released", events);
    }
    const account = this.#hold(userId, "locked", agreementId, amount);
    const lock: ModelLock = {
      ...{ id, agreementId, userId, amount, level, createdAt: now, status: "locked" },
      counterpartyId: request.counterpartyId ?? null,
      until: now + request.durationDays * DAY,
      ...{ lockerAsks: false, counterpartyAsks: false },
    };
    this.#undo.set(this.locks, agreementId, lock);
    this.#settle(account, { section: SECTION.locks, validUntil: lock.until, kind: level, quantity: 0 });
    events.push(["lock.created", userId]);
    return lockSays(lock);
  }

  #endLock(lock: ModelLock, status: "released" | "terminated", events: ModelEvent[]): ModelLock {
    this.#giveBack(lock.userId, "locked", lock.agreementId, lock.amount);
    const ended: ModelLock = { ...lock, status };
    this.#undo.set(this.locks, lock.agreementId, ended);
    events.push([`lock.${status}`, lock.userId]);
    return ended;
  }

  #lockOf(agreementId: string): ModelLock {
    const lock = this.locks.get(agreementId);
    if (!lock) throw new ModelRefusal("not_found");
    return lock;
  }

  release(request: { agreementId: string; caller: string; isOperator: boolean }, { now, events }: Decided) {
    const lock = this.#lockOf(request.agreementId);
    if (!request.isOperator && request.caller !== lock.userId && request.caller !== lock.counterpartyId)
      throw new ModelRefusal("forbidden");
    if (lock.status === "terminated") throw new ModelRefusal("not_active");
    if (lock.status === "locked" && lock.until > now)
      throw new ModelRefusal("not_expired", { locked_until: rfc3339(lock.until) });
    return lockSays(lock.status === "locked" ? this.#endLock(lock, "released", events) : lock);
  }

  terminate(request: { agreementId: string; caller: string; isArbiter: boolean }, { now, events }: Decided) {
    const lock = this.#lockOf(request.agreementId);
    const { caller, isArbiter } = request;
    const isParty = caller === lock.userId || caller === lock.counterpartyId;
    if (!isArbiter && (!isParty || lock.counterpartyId === null)) throw new ModelRefusal("forbidden");
    if (lock.status === "released") throw new ModelRefusal("not_active");
    if (lock.status === "terminated") return lockSays(lock);
    if (lock.until <= now) return lockSays(this.#endLock(lock, "released", events));
    const asked: ModelLock = {
      ...lock,
      lockerAsks: lock.lockerAsks || caller === lock.userId,
      counterpartyAsks: lock.counterpartyAsks || caller === lock.counterpartyId,
    };
    if (isArbiter || (asked.lockerAsks && asked.counterpartyAsks))
      return lockSays(this.#endLock(asked, "terminated", events));
    if (asked.lockerAsks === lock.lockerAsks && asked.counterpartyAsks === lock.counterpartyAsks)
      return lockSays(lock);
    this.#undo.set(this.locks, lock.agreementId, asked);
    events.push(["lock.termination_requested", caller === lock.userId ? lock.counterpartyId : lock.userId]);
    return lockSays(asked);
  }

  upgrade(
    request: { readonly userId: string; readonly strategyId: string; readonly tier: number },
    { now, id, events }: Decided,
  ) {
    const { userId, strategyId, tier } = request;
    const rule = tier > 0 ? TIERS[tier] : undefined;
    if (!rule) throw new ModelRefusal("invalid_request");
    const key = `${userId}/${strategyId}`;
    let active = this.stakes.get(key);
    if (active?.status === "staked" && active.until <= now) {
      this.#endStake(active, "stake.expired", { now, events });
      active = undefined;
    }
    if (active?.status !== "staked") active = undefined;
    if (active && active.tier >= tier) throw new ModelRefusal("tier_not_higher", { tier: active.tier });
    const account = this.#hold(userId, "staked", strategyId, rule.amount - (active?.amount ?? 0n));
    const until = now + TIER_DAYS * DAY;
    const stake: ModelStake = active
      ? { ...active, tier, amount: rule.amount, until }
      : { id, userId, strategyId, tier, amount: rule.amount, createdAt: now, until, status: "staked" };
    this.#undo.set(this.stakes, key, stake);
    this.quotas.allow(userId, now, events);
    this.#settle(account, { section: SECTION.stakes, validUntil: until, kind: tier, quantity: 0 });
    events.push([active ? "stake.upgraded" : "stake.created", userId]);
    return stakeSays(stake);
  }

  unstake(request: { userId: string; strategyId: string }, decided: Decided) {
    const stake = this.stakes.get(`${request.userId}/${request.strategyId}`);
    if (!stake) throw new ModelRefusal("not_found");
    if (stake.status !== "staked") throw new ModelRefusal("not_active");
    return stakeSays(this.#endStake(stake, "stake.returned", decided));
  }

  #endStake(stake: ModelStake, type: string, { now, events }: Pick<Decided, "now" | "events">): ModelStake {
    this.#giveBack(stake.userId, "staked", stake.strategyId, stake.amount);
    const ended: ModelStake = { ...stake, status: "expired" };
    this.#undo.set(this.stakes, `${stake.userId}/${stake.strategyId}`, ended);
    this.quotas.allow(stake.userId, now, events);
    events.push([type, stake.userId]);
    return ended;
  }

  reserve(
    request: { userId: string; entityType: number; entityId: string; durationDays: number },
    { now, id, events }: Decided,
  ) {
    const { userId, entityType, entityId } = request;
    if (ENTITY_QUOTA[entityType] === undefined) throw new ModelRefusal("invalid_request");
    const account = this.#hold(userId, "reserved", `${entityType}/${entityId}`, ENTITY_AMOUNT);
    const until = now + request.durationDays * DAY;
    const made: ModelReservation = {
      ...{ id, userId, entityType, entityId, createdAt: now, until, status: "reserved" },
    };
    this.#undo.set(this.reservations, id, made);
    this.quotas.allow(userId, now, events);
    this.#settleCompute(account, made);
    events.push(["compute.reserved", userId]);
    return {
      ...{ status: "reserved", user_id: userId, entity_type: entityType, entity_id: entityId },
      ...{ entity: ENTITY_NAMES[entityType - 1], tst_reserved: "5", quota_per_day: ENTITY_QUOTA[entityType] },
      ...{ reserved_until: rfc3339(until), created_at: rfc3339(now) },
      quota_remaining_today: this.quotas.left(request, now),
    };
  }

  /** All active ones of an entity are one position, valid until the last of them ends; what ends leaves that as it is. */
  #settleCompute(account: string, of: ModelReservation): void {
    const active = [...this.reservations.values()].filter(
      ({ status, userId, entityType, entityId }) =>
        status === "reserved" &&
        userId === of.userId &&
        entityType === of.entityType &&
        entityId === of.entityId,
    );
    if (active.length === 0) return;
    const isFirst = active.length === 1 && active[0]?.id === of.id;
    this.#settle(account, {
      section: SECTION.compute,
      validUntil: Math.max(isFirst ? 0 : (this.positions.get(account)?.validUntil ?? 0), of.until),
      kind: of.entityType,
      quantity: active.length * (ENTITY_QUOTA[of.entityType] ?? 0),
    });
  }

  /** One holding that the job found due; whether it was still there, and due. */
  expireHolding(id: string, { now, events }: Decided): boolean {
    const isDue = (one: { readonly id: string; readonly until: number; readonly status: string }) =>
      one.id === id && one.until <= now && one.status !== "expired";
    const lock = [...this.locks.values()].find((one) => isDue(one) && one.status === "locked");
    const stake = [...this.stakes.values()].find(isDue);
    const reservation = this.reservations.get(id);
    if (lock) this.#endLock(lock, "released", events);
    else if (stake) this.#endStake(stake, "stake.expired", { now, events });
    else if (reservation && isDue(reservation)) this.#endReservation(reservation, { now, events });
    else return false;
    return true;
  }

  #endReservation(reservation: ModelReservation, { now, events }: Pick<Decided, "now" | "events">): void {
    const { id, userId, entityType, entityId } = reservation;
    this.#giveBack(userId, "reserved", `${entityType}/${entityId}`, ENTITY_AMOUNT);
    this.#undo.set(this.reservations, id, { ...reservation, status: "expired" });
    this.quotas.allow(userId, now, events);
    this.#settleCompute(this.account("reserved", userId, `${entityType}/${entityId}`), reservation);
    events.push(["compute.expired", userId]);
  }
}
