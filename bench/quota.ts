/**
 * Quotas: what the gate costs beside the least that a script in Redis can do, and
 * what a consumption costs with its durable write beside a transfer of the same
 * writer. Both over many users; nothing is denied, because a denial is cheaper.
 */
import { createHash, randomUUID } from "node:crypto";
import { createClient, createMetrics, createRedis, type Redis } from "#infra";
import { systemClock, systemIds } from "#kernel";
import { openLedger } from "#ledger";
import { consumeQuota, createQuota, createRedisGate, type Quota } from "#quota";
import { createDataSource } from "../ormconfig.ts";
import { type BenchContext, type BenchResult, choose, resultOf } from "./benchmark.ts";
import { uniformRate } from "./ledger.ts";
import { runLoops } from "./load.ts";
import type { BenchDatabase } from "./stack.ts";

const UNIT = "consumptions/s";
const RISK = 1;
const QUOTA_PER_DAY = 1_000_000_000;
/** Long, so that a busy machine slows a measurement down and does not end it. */
const COMMAND_TIMEOUT_MS = 10_000;
const INCREMENT = "return redis.call('INCR', KEYS[1])";

const GATE = {
  full: { users: 10_000, clients: 256, rounds: 5, warmUpMs: 100, durationMs: 1_500 },
  quick: { users: 100, clients: 16, rounds: 1, warmUpMs: 50, durationMs: 200 },
} as const;
const DURABLE = {
  full: { users: 100_000, clients: 8_192, warmUpMs: 2_000, durationMs: 10_000 },
  quick: { users: 1_000, clients: 64, warmUpMs: 100, durationMs: 1_000 },
} as const;

/** `quota.consume`: checks by the gate alone, against a bare increment by script in the same client. The two take turns. */
export async function benchQuotaConsume(context: BenchContext): Promise<BenchResult[]> {
  const sizes = choose(context, GATE);
  const redis = await openRedis(context);
  if (!redis) return [];
  const run = randomUUID();
  const gate = createRedisGate({ redis, ledgerId: run, clock: systemClock });
  const targets = Array.from({ length: sizes.users }, (_, n) => ({ userId: `user-${n}`, entityType: RISK }));
  const now = Math.floor(systemClock.nowMs() / 1_000);
  const state = {
    limit: QUOTA_PER_DAY,
    used: 1,
    held: 0,
    lapsed: 0,
    nextExpiry: null,
    day: 20_000,
    version: 1,
    now,
  };
  for (const target of targets) await gate.publish({ ...state, ...target }, { urgent: false });
  const counters = targets.map(({ userId }) => `increments:${run}:{${userId}}`);
  const sha = createHash("sha1").update(INCREMENT).digest("hex");
  await redis.eval(INCREMENT, 1, `increments:${run}`);

  const rates: Record<"gate" | "evalsha", number[]> = { gate: [], evalsha: [] };
  let turn = 0;
  const next = <T>(items: readonly T[]): T => {
    const item = items[turn++ % items.length];
    if (item === undefined) throw new Error("there is nothing to take turns with");
    return item;
  };
  for (let round = 0; round < sizes.rounds; round++) {
    const bare = await runLoops(sizes, () => redis.evalsha(sha, 1, next(counters)));
    const gated = await runLoops(sizes, () => gate.check(next(targets), 1));
    rates.evalsha.push(bare.perSecond);
    rates.gate.push(gated.perSecond);
  }
  const [value, evalsha] = [median(rates.gate), median(rates.evalsha)];
  context.log(`gate: ${value.toFixed(0)} checks/s, evalsha: ${evalsha.toFixed(0)}/s`);
  context.note({ users: sizes.users, clients_in_process: sizes.clients, rounds_of_each: sizes.rounds });
  return [resultOf("quota.consume", value, UNIT, { evalsha })];
}

/** `quota.durable`: consumptions through gate and writer, uniform over the users, against transfers of the writer. */
export async function benchQuotaDurable(context: BenchContext): Promise<BenchResult[]> {
  const sizes = choose(context, DURABLE);
  const uniform = await uniformRate(context);
  const database = await context.stack.ledgerDatabase();
  const redis = await openRedis(context);
  await handOutAllowances(database, sizes.users);
  const quota = await openQuota(context, database, redis);
  let turn = 0;
  const consume = () => {
    // A step that shares no factor with the number of users visits each before any comes again.
    const request = { userId: `user-${(turn++ * 7_919) % sizes.users}`, entityType: RISK, units: 1 };
    return quota.consume({
      ...request,
      unit: { name: "bench.consume", decide: (view) => ({ ...consumeQuota(view, request) }) },
    });
  };
  const { perSecond, latencies } = await runLoops(sizes, consume);
  context.log(
    `durable: ${perSecond.toFixed(0)} consumptions/s, median ${latencies.quantileMs(0.5).toFixed(0)} ms`,
  );
  context.note({
    users: sizes.users,
    clients_in_process: sizes.clients,
    seconds: sizes.durationMs / 1_000,
    latency_median_ms: Math.round(latencies.quantileMs(0.5)),
    gate: redis ? "Redis" : "none: redis-server is not installed",
  });
  return [resultOf("quota.durable", perSecond, UNIT, { "ledger.uniform": uniform.perSecond })];
}

async function openQuota(
  context: BenchContext,
  database: BenchDatabase,
  redis: Redis | null,
): Promise<Quota> {
  const { appUrl, schema } = database;
  const log = context.stack.serverLog;
  const dataSource = await createDataSource({ url: appUrl, schema }).initialize();
  context.stack.defer(() => dataSource.destroy());
  const ledger = await openLedger({ databaseUrl: appUrl, schema, ids: systemIds, log });
  context.stack.defer(() => ledger.close());
  return createQuota({ ledger, redis, dataSource, clock: systemClock, log, metrics: createMetrics() });
}

async function handOutAllowances(database: BenchDatabase, users: number): Promise<void> {
  const owner = createClient({
    url: database.ownerUrl,
    schema: database.schema,
    applicationName: "bench-quota",
  });
  await owner.connect();
  try {
    await owner.query(
      `INSERT INTO allowance (user_id, entity_type, quota_per_day, version)
       SELECT 'user-' || n, $1, $2, 1 FROM generate_series(0, $3::integer - 1) AS n`,
      [RISK, QUOTA_PER_DAY, users],
    );
    await owner.query("ANALYZE allowance");
  } finally {
    await owner.end();
  }
}

/** `null`, said in the log, where no redis-server is installed. */
async function openRedis(context: BenchContext): Promise<Redis | null> {
  const server = await context.stack.redis();
  if (!server) {
    context.log("redis-server is not installed: nothing to measure of the gate");
    return null;
  }
  const redis = createRedis(server.url, context.stack.serverLog, { commandTimeoutMs: COMMAND_TIMEOUT_MS });
  context.stack.defer(() => redis.disconnect());
  if (redis.status !== "ready") await new Promise<void>((ready) => redis.once("ready", () => ready()));
  return redis;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
