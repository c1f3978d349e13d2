/**
 * The access program as the API and the jobs call it. Every change is one unit of
 * work; every raise of a quota is published before it is answered. Whose request
 * it is was decided by the caller from the token; what a party of an agreement
 * may do is decided here.
 */
import type { DataSource } from "typeorm";
import type { Log } from "#infra";
import { DomainError, type Ids } from "#kernel";
import type { Idempotency, Ledger, Submitted } from "#ledger";
import type { Consumed, Quota } from "#quota";
import type { ChainEffects, PositionName, Section } from "#settlement";
import { availableAccount, TREASURY_USER, treasuryAccount } from "./accounts.ts";
import {
  type ConsumedUnitAnswer,
  consumedUnitAnswer,
  type GrantAnswer,
  type LockAnswer,
  lockAnswer,
  PENDING,
  type ReservationAnswer,
  reservationAnswer,
  type SettlementOf,
  type StakeAnswer,
  stakeAnswer,
  tst,
} from "./answers.ts";
import { type Expired, expireDue } from "./expire-due.ts";
import { type Lock, type Rules, TST } from "./model.ts";
import { type AccessReads, createAccessReads } from "./reads.ts";
import { entityFor, tierFor } from "./rules.ts";
import { type ConsumeRequest, consumeComputeUnit } from "./units/consume-compute.ts";
import type { UnitContext } from "./units/context.ts";
import { type EmergencyUnstakeRequest, emergencyUnstakeUnit } from "./units/emergency-unstake.ts";
import { endForExit, placeEntry } from "./units/from-chain.ts";
import { genesisUnit } from "./units/genesis.ts";
import { type GrantRequest, grantUnit } from "./units/grant.ts";
import { type LockRequest, lockUnit } from "./units/lock.ts";
import { type ReleaseRequest, releaseUnit } from "./units/release.ts";
import { type ReserveRequest, reserveComputeUnit } from "./units/reserve-compute.ts";
import { type TerminateRequest, terminateUnit } from "./units/terminate.ts";
import { type UpgradeRequest, upgradeTierUnit } from "./units/upgrade-tier.ts";
import { type AccessAnswer, accessAnswer, type RequirementsAnswer, requirementsAnswer } from "./views.ts";

export interface AccessOptions {
  readonly ledger: Pick<Ledger, "submit" | "accountId">;
  readonly quota: Pick<Quota, "submit" | "submitWatched" | "consume" | "usageOf">;
  readonly dataSource: DataSource;
  readonly settlementOf: SettlementOf;
  readonly ids: Ids;
  readonly log: Log;
}

/** An entity's type as asked for: by number, by name, or by both where they agree. */
export interface EntityAsked {
  readonly entityType: number | undefined;
  readonly entity: string | undefined;
}

type Key = Idempotency | undefined;

export class AccessProgram {
  readonly #options: AccessOptions;
  readonly #context: UnitContext;
  readonly #reads: AccessReads;
  /** As they were at the start: which entities there are. What they ask for is read where it is decided. */
  readonly #rules: Rules;

  constructor(options: AccessOptions, reads: AccessReads, rules: Rules) {
    const { ledger, ids } = options;
    this.#options = options;
    this.#context = { accountId: (spec) => ledger.accountId(spec), ids };
    this.#reads = reads;
    this.#rules = rules;
  }

  /** Brings all TST from custody into the treasury, once. Answers whether this call did. */
  async ensureGenesis(): Promise<boolean> {
    return (await this.#options.ledger.submit(genesisUnit(this.#context))).value;
  }

  /** @throws DomainError as `lockUnit` says */
  lock(request: LockRequest, key: Key): Promise<Submitted<LockAnswer>> {
    return this.#options.ledger.submit(lockUnit(this.#context, request, key));
  }

  release(request: ReleaseRequest, key: Key): Promise<Submitted<LockAnswer>> {
    return this.#options.ledger.submit(releaseUnit(this.#context, request, key));
  }

  terminate(request: TerminateRequest, key: Key): Promise<Submitted<LockAnswer>> {
    return this.#options.ledger.submit(terminateUnit(this.#context, request, key));
  }

  upgradeTier(request: UpgradeRequest, key: Key): Promise<Submitted<StakeAnswer>> {
    return this.#options.quota.submit(request.userId, upgradeTierUnit(this.#context, request, key));
  }

  emergencyUnstake(request: EmergencyUnstakeRequest, key: Key): Promise<Submitted<StakeAnswer>> {
    return this.#options.quota.submit(request.userId, emergencyUnstakeUnit(this.#context, request, key));
  }

  reserveCompute(
    request: Omit<ReserveRequest, "entityType"> & EntityAsked,
    key: Key,
  ): Promise<Submitted<ReservationAnswer>> {
    const { entityType } = entityFor(this.#rules, request);
    const unit = reserveComputeUnit(this.#context, { ...request, entityType }, key);
    return this.#options.quota.submit(request.userId, unit);
  }

  /** @param onGateBypassed called where the quota's counters were not asked */
  consumeCompute(
    request: Omit<ConsumeRequest, "entityType"> & EntityAsked,
    key: Key,
    onGateBypassed?: () => void,
  ): Promise<Consumed<ConsumedUnitAnswer>> {
    const { entityType } = entityFor(this.#rules, request);
    const unit = consumeComputeUnit(this.#context, { ...request, entityType }, key);
    return this.#options.quota.consume({
      userId: request.userId,
      entityType,
      units: 1,
      unit,
      onGateBypassed,
    });
  }

  grant(request: GrantRequest, key: Key): Promise<Submitted<GrantAnswer>> {
    return this.#options.ledger.submit(grantUnit(this.#context, request, key));
  }

  /** What the chain watcher asks of this program, for units of its own. */
  fromChain(): Pick<ChainEffects, "submit" | "placing" | "ending"> {
    return {
      submit: (unit) => this.#options.quota.submitWatched(unit, []),
      placing: (entry) => placeEntry(this.#context, entry),
      ending: () => endForExit,
    };
  }

  /** Ends all that is due by now, oldest first. */
  expireDue(): Promise<Expired> {
    const { ledger, quota, log } = this.#options;
    return expireDue({ ledger, quota, log, reads: this.#reads, context: this.#context });
  }

  /**
   * The lock of an agreement as it is now: the active one, else the newest.
   * @param caller null sees every agreement; a user only those it is a party of
   * @throws DomainError `not_found`, `forbidden`
   */
  async lockOf(agreementId: string, caller: string | null): Promise<LockAnswer> {
    const lock = await this.#reads.lock(agreementId, caller);
    if (lock) return lockAnswer(lock, lock.positionKey, await this.#settlementOf(lock));
    if (caller !== null && (await this.#reads.lock(agreementId, null)))
      throw new DomainError("forbidden", "The agreement is between other users");
    throw new DomainError("not_found", `There is no lock for agreement ${agreementId}`);
  }

  /** A user's stake on a strategy as it is now. @throws DomainError `not_found` */
  async stakeOf(userId: string, strategyId: string): Promise<StakeAnswer> {
    const [stake, rules] = await Promise.all([this.#reads.stake(userId, strategyId), this.#reads.rules()]);
    if (!stake) throw new DomainError("not_found", `There is no stake on strategy ${strategyId}`);
    const rule = tierFor(rules, stake.tier);
    return stakeAnswer(stake, rule, stake.positionKey, await this.#settlementOf(stake));
  }

  /**
   * A reservation, or a consumed unit, as it is now.
   * @param caller null sees everyone's
   * @throws DomainError `not_found`, `forbidden`
   */
  async reservationOf(id: string, caller: string | null): Promise<ReservationAnswer | ConsumedUnitAnswer> {
    const reservation = await this.#reads.reservation(id);
    const unit = reservation ? null : await this.#reads.consumedUnit(id);
    const found = reservation ?? unit;
    if (!found) throw new DomainError("not_found", `There is no reservation ${id}`);
    if (caller !== null && caller !== found.userId)
      throw new DomainError("forbidden", "The reservation belongs to another user");
    const quotas = await this.#options.quota.usageOf(found.userId);
    const remaining = quotas.find((quota) => quota.entityType === found.entityType)?.remaining ?? 0;
    if (unit) return consumedUnitAnswer(unit, remaining);
    if (!reservation) throw new Error("a reservation is one or the other");
    const rule = entityFor(this.#rules, { entityType: reservation.entityType });
    const settled = await this.#settlementOf(reservation);
    return reservationAnswer(reservation, rule, remaining, reservation.positionKey, settled);
  }

  /** All that a user holds; zeros for one that was never seen. Three queries. */
  async accessOf(userId: string): Promise<AccessAnswer> {
    const available = this.#context.accountId(availableAccount(userId));
    const [held, quotas] = await Promise.all([
      this.#reads.holdings(userId, available),
      this.#options.quota.usageOf(userId),
    ]);
    return accessAnswer(userId, held, quotas);
  }

  /** @param userId null for a caller without a token. @throws DomainError `not_found` for an unknown action */
  async requirementsOf(action: string, userId: string | null): Promise<RequirementsAnswer> {
    const available = userId === null ? null : this.#context.accountId(availableAccount(userId));
    const [found, rules] = await Promise.all([
      this.#reads.requirement(action, available),
      this.#reads.rules(),
    ]);
    if (!found) throw new DomainError("not_found", `There is no action ${action}`);
    return requirementsAnswer(found.requirement, rules, found.available);
  }

  /** The position behind the id of a lock, stake or reservation; of a balance, behind the id of its user. */
  async positionOf(section: Section, id: string): Promise<PositionName | null> {
    if (section !== "balances") return this.#reads.position(section, id);
    const spec = id === TREASURY_USER ? treasuryAccount(TST.code) : availableAccount(id);
    return { accountId: this.#context.accountId(spec), userId: id, keyParts: [id] };
  }

  /** All TST as decimal text, and whether genesis has brought it into the treasury. */
  async supply(): Promise<{ total: string; inTreasury: boolean }> {
    const { supply, issued } = await this.#reads.supply();
    return { total: tst(supply), inTreasury: issued >= supply };
  }

  async #settlementOf({ account }: Pick<Lock, "account">) {
    return (await this.#options.settlementOf([account])).get(account) ?? PENDING;
  }
}

/** Reads the rules, so that a ledger without them fails at the start. */
export async function createAccess(options: AccessOptions): Promise<AccessProgram> {
  const reads = createAccessReads(options.dataSource);
  return new AccessProgram(options, reads, await reads.rules());
}
