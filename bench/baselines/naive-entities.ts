/** Tables of the naive baseline, with the keys and indexes that its queries want. */
import { EntitySchema } from "typeorm";

const id = { type: "uuid", primary: true } as const;
const text = { type: "text" } as const;
const amount = { type: "numeric", precision: 39, scale: 18 } as const;
const integer = { type: "integer" } as const;
const time = { type: "timestamptz" } as const;
const named = <T extends object>(column: T, name: string) => ({ ...column, name });

interface Account {
  id: string;
  userId: string;
  name: string;
  balance: string;
}
export const account = new EntitySchema<Account>({
  name: "naive_account",
  columns: { id, userId: named(text, "user_id"), name: text, balance: amount },
  indices: [{ name: "naive_account_of_user", columns: ["userId", "name"], unique: true }],
  checks: [{ name: "naive_account_covered", expression: "balance >= 0" }],
});

interface Transfer {
  id: string;
  debitAccount: string;
  creditAccount: string;
  amount: string;
  createdAt: Date;
}
export const transfer = new EntitySchema<Transfer>({
  name: "naive_transfer",
  columns: {
    id,
    debitAccount: { type: "uuid", name: "debit_account" },
    creditAccount: { type: "uuid", name: "credit_account" },
    amount,
    createdAt: named(time, "created_at"),
  },
  indices: [
    { name: "naive_transfer_debit", columns: ["debitAccount"] },
    { name: "naive_transfer_credit", columns: ["creditAccount"] },
  ],
});

interface Lock {
  id: string;
  userId: string;
  agreementId: string;
  amount: string;
  level: number;
  status: string;
  lockedUntil: Date;
  createdAt: Date;
}
export const lock = new EntitySchema<Lock>({
  name: "naive_lock",
  columns: {
    id,
    userId: named(text, "user_id"),
    agreementId: named(text, "agreement_id"),
    amount,
    level: integer,
    status: text,
    lockedUntil: named(time, "locked_until"),
    createdAt: named(time, "created_at"),
  },
  indices: [
    { name: "naive_lock_active", columns: ["agreementId"], unique: true, where: "status = 'locked'" },
    { name: "naive_lock_of_user", columns: ["userId", "createdAt"] },
    { name: "naive_lock_due", columns: ["lockedUntil"] },
  ],
});

interface Stake {
  id: string;
  userId: string;
  strategyId: string;
  tier: number;
  amount: string;
  status: string;
  expiresAt: Date;
  createdAt: Date;
}
export const stake = new EntitySchema<Stake>({
  name: "naive_stake",
  columns: {
    id,
    userId: named(text, "user_id"),
    strategyId: named(text, "strategy_id"),
    tier: integer,
    amount,
    status: text,
    expiresAt: named(time, "expires_at"),
    createdAt: named(time, "created_at"),
  },
  indices: [
    {
      name: "naive_stake_active",
      columns: ["userId", "strategyId"],
      unique: true,
      where: "status = 'staked'",
    },
    { name: "naive_stake_due", columns: ["expiresAt"] },
  ],
});

interface UserTotal {
  userId: string;
  locked: string;
  staked: string;
  tier: number;
  quotaPerDay: number;
}
export const userTotal = new EntitySchema<UserTotal>({
  name: "naive_user_total",
  columns: {
    userId: { type: "text", name: "user_id", primary: true },
    locked: amount,
    staked: amount,
    tier: integer,
    quotaPerDay: named(integer, "quota_per_day"),
  },
});

interface TierRule {
  tier: number;
  requiredTst: number;
  quotaPerDay: number;
  cooldown: string;
}
export const tierRule = new EntitySchema<TierRule>({
  name: "naive_tier",
  columns: {
    tier: { type: "integer", primary: true },
    requiredTst: named(integer, "required_tst"),
    quotaPerDay: named(integer, "quota_per_day"),
    cooldown: text,
  },
});

interface Idempotency {
  principal: string;
  key: string;
  path: string;
  response: object;
}
export const idempotency = new EntitySchema<Idempotency>({
  name: "naive_idempotency",
  columns: {
    principal: { type: "text", primary: true },
    key: { type: "text", primary: true },
    path: text,
    response: { type: "jsonb" },
  },
});

export const entities = [account, transfer, lock, stake, userTotal, tierRule, idempotency];
