/**
 * The program's reads: ordinary queries, a fixed number for each answer whatever
 * the length of a user's history. They see what is committed and nothing else.
 */
import type { DataSource } from "typeorm";
import type { Amount, UnixSeconds } from "#kernel";
import type { PositionName, Section } from "#settlement";
import { type DbRecord, toLock, toRequirement, toReservation, toRules, toStake } from "./decode.ts";
import { ConsumedUnitEntity } from "./entities.ts";
import {
  type ConsumedUnit,
  type Lock,
  MAX_LISTED,
  type Requirement,
  type Reservation,
  type Rules,
  type Stake,
  TST,
} from "./model.ts";
import { sqlText } from "./sql-text.ts";
import type { DueHolding } from "./units/expire.ts";

const SQL = {
  access: sqlText("read-access"),
  due: sqlText("read-due"),
  health: sqlText("read-health"),
  lock: sqlText("read-lock"),
  position: sqlText("read-position"),
  requirement: sqlText("read-requirement"),
  reservation: sqlText("read-reservation"),
  rules: sqlText("load-rules"),
  stake: sqlText("read-stake"),
} as const;

/** A holding with the key of its position. */
export type WithKey<Holding> = Holding & { readonly positionKey: Uint8Array };

export interface Holdings {
  readonly available: Amount;
  readonly locked: Amount;
  readonly staked: Amount;
  readonly reserved: Amount;
  readonly activeLocks: number;
  readonly activeStakes: number;
  readonly tier: number;
  readonly tierExpiresAt: UnixSeconds | null;
  /** The newest, `MAX_LISTED` at most. */
  readonly locks: readonly Pick<Lock, "id" | "agreementId" | "amount" | "lockedUntil">[];
  readonly stakes: readonly Pick<Stake, "id" | "strategyId" | "tier" | "amount" | "expiresAt">[];
}

/** Where a search for what is due goes on. */
export type DueCursor = Pick<DueHolding, "dueAt" | "kind" | "id">;

export interface AccessReads {
  rules(): Promise<Rules>;
  /** An agreement's active lock, else its newest; among those of a party where one is named. */
  lock(agreementId: string, party: string | null): Promise<WithKey<Lock> | null>;
  stake(userId: string, strategyId: string): Promise<WithKey<Stake> | null>;
  reservation(id: string): Promise<WithKey<Reservation> | null>;
  consumedUnit(id: string): Promise<ConsumedUnit | null>;
  position(section: Section, id: string): Promise<PositionName | null>;
  holdings(userId: string, availableAccountId: string): Promise<Holdings>;
  /** With what is available on an account, 0 where there is none; null where nobody asks. */
  requirement(
    action: string,
    availableAccountId: string | null,
  ): Promise<{ requirement: Requirement; available: Amount | null } | null>;
  due(after: DueCursor | null, limit: number): Promise<readonly DueHolding[]>;
  supply(): Promise<{ supply: Amount; issued: Amount }>;
}

export function createAccessReads(dataSource: DataSource): AccessReads {
  const all = (sql: string, parameters: unknown[]): Promise<DbRecord[]> => dataSource.query(sql, parameters);
  const one = async (sql: string, parameters: unknown[]): Promise<DbRecord | null> =>
    (await all(sql, parameters))[0] ?? null;
  const withKey = <Holding extends object>(record: DbRecord | null, decode: (record: DbRecord) => Holding) =>
    record && { ...decode(record), positionKey: record.position_key as Uint8Array };
  return {
    rules: async () => toRules(must(await one(SQL.rules, []))),
    lock: async (agreementId, party) => withKey(await one(SQL.lock, [agreementId, party]), toLock),
    stake: async (userId, strategyId) => withKey(await one(SQL.stake, [userId, strategyId]), toStake),
    reservation: async (id) => withKey(await one(SQL.reservation, [id]), toReservation),
    consumedUnit: (id) => dataSource.getRepository(ConsumedUnitEntity).findOneBy({ id }),
    position: async (section, id) => {
      const record = await one(SQL.position, [section, id]);
      return (
        record && {
          accountId: record.account as string,
          userId: record.user_id as string,
          keyParts: record.key_parts as string[],
        }
      );
    },
    holdings: async (userId, available) =>
      toHoldings(must(await one(SQL.access, [userId, available, MAX_LISTED]))),
    requirement: async (action, available) => {
      const record = await one(SQL.requirement, [action, available]);
      if (!record) return null;
      const balance = available === null ? null : ((record.available as Amount | null) ?? 0n);
      return { requirement: toRequirement(record), available: balance };
    },
    due: async (after, limit) => {
      const records = await all(SQL.due, [after?.dueAt ?? 0, after?.kind ?? "", after?.id ?? "", limit]);
      return records.map(toDueHolding);
    },
    supply: async () => {
      const record = must(await one(SQL.health, [TST.code]));
      return { supply: record.supply as Amount, issued: record.issued as Amount };
    },
  };
}

function toHoldings(record: DbRecord): Holdings {
  return {
    available: record.available as Amount,
    locked: record.locked as Amount,
    staked: record.staked as Amount,
    reserved: record.reserved as Amount,
    activeLocks: record.active_locks as number,
    activeStakes: record.active_stakes as number,
    tier: record.tier as number,
    tierExpiresAt: record.tier_expires_at as UnixSeconds | null,
    locks: (record.locks as DbRecord[]).map((lock) => ({
      id: lock.lock_id as string,
      agreementId: lock.agreement_id as string,
      amount: BigInt(lock.amount as string),
      lockedUntil: lock.locked_until as UnixSeconds,
    })),
    stakes: (record.stakes as DbRecord[]).map((stake) => ({
      id: stake.stake_id as string,
      strategyId: stake.strategy_id as string,
      tier: stake.tier as number,
      amount: BigInt(stake.amount as string),
      expiresAt: stake.expires_at as UnixSeconds,
    })),
  };
}

function toDueHolding(record: DbRecord): DueHolding {
  return {
    kind: record.kind as DueHolding["kind"],
    id: record.id as string,
    userId: record.user_id as string,
    account: record.account as string,
    dueAt: record.due_at as UnixSeconds,
    entity:
      record.entity_id === null
        ? null
        : { entityType: record.entity_type as number, entityId: record.entity_id as string },
  };
}

function must(record: DbRecord | null): DbRecord {
  if (!record) throw new Error("a query that always answers a row answered none");
  return record;
}
