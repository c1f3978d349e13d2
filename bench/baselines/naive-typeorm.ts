/**
 * The same two requests as most services would write them: Express, TypeORM, one
 * database transaction a request, rows locked where they are changed. It checks
 * the token, keeps the answer under its idempotency key, moves the amount between
 * two accounts with a transfer beside, and writes the lock or the stake and the
 * user's totals. Lighter than the real thing: no gapless journal, no rule in the
 * database, no settled positions. Inserts and updates are single statements, not
 * `save()`, which would read before each.
 *
 * A process of its own: `node naive-typeorm.ts`, settings in the environment;
 * says its port to its parent.
 */
import { randomUUID } from "node:crypto";
import type { AddressInfo } from "node:net";
import express, { type Request } from "express";
import { jwtVerify } from "jose";
import { DataSource, type EntityManager } from "typeorm";
import {
  account,
  entities,
  idempotency,
  lock,
  stake,
  tierRule,
  transfer,
  userTotal,
} from "./naive-entities.ts";

const POOL_SIZE = 20;
const LOCK_DAYS = 7;
const STAKE_DAYS = 30;
const DAY_MS = 86_400_000;

const { NAIVE_DATABASE_URL, NAIVE_JWT_SECRET, NAIVE_USERS } = process.env;
// imported once: jose would import bytes again for every token
const key = await crypto.subtle.importKey(
  "raw",
  new TextEncoder().encode(NAIVE_JWT_SECRET),
  { name: "HMAC", hash: "SHA-256" },
  false,
  ["verify"],
);
const database = await new DataSource({
  type: "postgres",
  url: NAIVE_DATABASE_URL ?? "",
  entities,
  synchronize: true,
  poolSize: POOL_SIZE,
}).initialize();
await fill(Number(NAIVE_USERS));

class Refused extends Error {
  readonly status: number;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
  }
}

const app = express();
app.disable("x-powered-by");
app.use(express.json());
app.post("/api/v1/p2p/:agreement_id/lock-tst", async (req, res) => {
  const body: { amount: number } = req.body;
  const user = await userOf(req);
  res.json(await once(req, user, (manager) => lockTst(manager, user, req.params.agreement_id, body.amount)));
});
app.post("/api/v1/strategies/:strategy_id/upgrade-tier", async (req, res) => {
  const body: { tier: number } = req.body;
  const user = await userOf(req);
  res.json(await once(req, user, (manager) => upgradeTier(manager, user, req.params.strategy_id, body.tier)));
});
app.use(((error: Error, _req, res, _next) => {
  res.status(error instanceof Refused ? error.status : 500).json({ error: error.message });
}) satisfies express.ErrorRequestHandler);
const server = app.listen(0, "127.0.0.1", () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.once("disconnect", () => process.exit(0));

async function userOf(req: Request): Promise<string> {
  const token = req.get("authorization")?.slice("Bearer ".length) ?? "";
  const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"], requiredClaims: ["sub", "exp"] });
  return payload.sub ?? "";
}

/** One transaction; the same idempotency key answers what it answered before. */
function once(
  req: Request,
  user: string,
  work: (manager: EntityManager) => Promise<object>,
): Promise<object> {
  const asked = req.get("idempotency-key") ?? randomUUID();
  return database.transaction(async (manager) => {
    const earlier = await manager.findOneBy(idempotency, { principal: user, key: asked });
    if (earlier) return earlier.response;
    const response = await work(manager);
    await manager.insert(idempotency, { principal: user, key: asked, path: req.path, response });
    return response;
  });
}

async function lockTst(manager: EntityManager, user: string, agreement: string, amount: number) {
  if (!(amount >= 10)) throw new Refused(400, "invalid_amount");
  if (await manager.findOneBy(lock, { agreementId: agreement, status: "locked" }))
    throw new Refused(409, "already_locked");
  await hold(manager, user, `locked:${agreement}`, amount);
  const row = {
    id: randomUUID(),
    userId: user,
    agreementId: agreement,
    amount: `${amount}`,
    level: amount >= 250 ? 3 : amount >= 50 ? 2 : 1,
    status: "locked",
    lockedUntil: new Date(Date.now() + LOCK_DAYS * DAY_MS),
    createdAt: new Date(),
  };
  await manager.insert(lock, row);
  await manager.increment(userTotal, { userId: user }, "locked", amount);
  return { ...row, tst_locked: row.amount, tx_hash: null, settlement: { status: "pending", epoch: null } };
}

async function upgradeTier(manager: EntityManager, user: string, strategy: string, tier: number) {
  const rule = await manager.findOneBy(tierRule, { tier });
  if (!rule) throw new Refused(400, "invalid_request");
  const active = await manager.findOneBy(stake, { userId: user, strategyId: strategy, status: "staked" });
  if (active && active.tier >= tier) throw new Refused(409, "tier_not_higher");
  await hold(manager, user, `staked:${strategy}`, rule.requiredTst);
  const row = {
    id: randomUUID(),
    userId: user,
    strategyId: strategy,
    tier,
    amount: `${rule.requiredTst}`,
    status: "staked",
    expiresAt: new Date(Date.now() + STAKE_DAYS * DAY_MS),
    createdAt: new Date(),
  };
  await manager.insert(stake, row);
  await manager.increment(userTotal, { userId: user }, "staked", rule.requiredTst);
  await manager.update(userTotal, { userId: user }, { tier, quotaPerDay: rule.quotaPerDay });
  return {
    ...row,
    new_cooldown: rule.cooldown,
    tx_hash: null,
    settlement: { status: "pending", epoch: null },
  };
}

/** From what the user has available to an account of the position's own. */
async function hold(manager: EntityManager, user: string, name: string, amount: number): Promise<void> {
  const available = await manager.findOne(account, {
    where: { userId: user, name: "available" },
    lock: { mode: "pessimistic_write" },
  });
  if (!available || Number(available.balance) < amount) throw new Refused(400, "insufficient_balance");
  const held = { id: randomUUID(), userId: user, name, balance: `${amount}` };
  await manager.insert(account, held);
  await manager.decrement(account, { id: available.id }, "balance", amount);
  await manager.insert(transfer, {
    id: randomUUID(),
    debitAccount: available.id,
    creditAccount: held.id,
    amount: `${amount}`,
    createdAt: new Date(),
  });
}

async function fill(users: number): Promise<void> {
  await database.getRepository(tierRule).insert([
    { tier: 1, requiredTst: 5, quotaPerDay: 5, cooldown: "12 hours" },
    { tier: 2, requiredTst: 25, quotaPerDay: 10, cooldown: "6 hours" },
    { tier: 3, requiredTst: 100, quotaPerDay: 20, cooldown: "1 hour" },
  ]);
  await database.query(
    `INSERT INTO naive_account (id, user_id, name, balance)
     SELECT gen_random_uuid(), 'user_' || n, 'available', 1000000 FROM generate_series(0, $1::int - 1) AS n`,
    [users],
  );
  await database.query(
    `INSERT INTO naive_user_total (user_id, locked, staked, tier, quota_per_day)
     SELECT 'user_' || n, 0, 0, 0, 1 FROM generate_series(0, $1::int - 1) AS n`,
    [users],
  );
  await database.query("ANALYZE");
}
