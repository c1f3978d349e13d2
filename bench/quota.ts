/**
 * Quotas: what the gate costs beside the least that a script in Redis can do, and
 * what a consumption costs with its durable write. Both over many users, as many
 * requests in flight as a busy server has; nothing is denied, because a denial is
 * cheaper.
 */
import { createHash, randomUUID } from "node:crypto";
import { createClient, createMetrics, createRedis, type Redis, silentLog } from "#infra";
import { systemClock, systemIds } from "#kernel";
import { openLedger } from "#ledger";
import { consumeQuota, createQuota, createRedisGate } from "#quota";
import { createDataSource } from "../ormconfig.ts";
import type { BenchResult } from "./tree.ts";

export interface QuotaConsumeOptions {
  readonly redisUrl: string;
  /** Of each of the rounds; both sides take turns. Default 1. */
  readonly secondsPerRound?: number;
  readonly log?: ((message: string) => void) | undefined;
}

export interface QuotaDurableOptions {
  /** A migrated ledger, as the application's role and as the owner, who hands out the allowances. */
  readonly databaseUrl: string;
  readonly ownerUrl: string;
  readonly schema: string;
  /** `null`: without the gate. */
  readonly redisUrl: string | null;
  /** Default 10, after 2 to warm up. */
  readonly seconds?: number;
  /** Requests in flight. Default 2,000. */
  readonly inFlight?: number;
  readonly log?: ((message: string) => void) | undefined;
}

const USERS = 100_000;
const GATE_USERS = 10_000;
const GATE_IN_FLIGHT = 256;
const ROUNDS = 5;
/** Long, so that a busy machine slows a measurement down and does not end it. */
const COMMAND_TIMEOUT_MS = 10_000;
const WARM_UP_SECONDS = 2;
const QUOTA_PER_DAY = 1_000_000_000;
const RISK = 1;
const UNIT_OF_RATE = "consumptions/s";

/** `quota.consume`: checks by the gate, against `evalsha`, a bare increment by script in the same client. */
export async function benchQuotaConsume(options: QuotaConsumeOptions): Promise<BenchResult> {
  const log = options.log ?? (() => {});
  const seconds = options.secondsPerRound ?? 1;
  const redis = await connectedRedis(options.redisUrl);
  const run = `bench-${randomUUID()}`;
  try {
    const gate = createRedisGate({ redis, ledgerId: run, clock: systemClock });
    const increment = "return redis.call('INCR', KEYS[1])";
    const sha = createHash("sha1").update(increment).digest("hex");
    await redis.eval(increment, 1, `${run}:increments`);
    const targets = Array.from({ length: GATE_USERS }, (_, n) => ({ userId: `user-${n}`, entityType: RISK }));
    const counters = targets.map(({ userId }) => `${run}:{${userId}}:increments`);
    const now = Math.floor(systemClock.nowMs() / 1_000);
    const state = { limit: QUOTA_PER_DAY, used: 1, held: 0, day: 20_000, version: 1, now };
    for (const target of targets) await gate.publish({ ...state, ...target }, { urgent: false });

    const ours: number[] = [];
    const bare: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      bare.push(
        await rate(GATE_IN_FLIGHT, seconds, async (n) => {
          await redis.evalsha(sha, 1, counters[n % GATE_USERS] ?? "");
        }),
      );
      ours.push(
        await rate(GATE_IN_FLIGHT, seconds, async (n) => {
          const target = targets[n % GATE_USERS];
          if (target) await gate.check(target, 1);
        }),
      );
      log(`round ${round + 1} of ${ROUNDS}: gate ${ours.at(-1)} /s, evalsha ${bare.at(-1)} /s`);
    }
    const [value, evalsha] = [median(ours), median(bare)];
    return {
      name: "quota.consume",
      value,
      unit: UNIT_OF_RATE,
      baselines: [{ name: "evalsha", value: evalsha, ratio: value / evalsha }],
    };
  } finally {
    await removeKeys(redis, run);
    redis.disconnect();
  }
}

/** `quota.durable`: consumptions through gate and writer, uniform over 100,000 users. Its baseline is `ledger.uniform`. */
export async function benchQuotaDurable(options: QuotaDurableOptions): Promise<BenchResult> {
  const { databaseUrl, schema, log = () => {} } = options;
  const run = `bench-${randomUUID()}`;
  await handOutAllowances(options, run);
  const dataSource = await createDataSource({ url: databaseUrl, schema }).initialize();
  const ledger = await openLedger({ databaseUrl, schema, ids: systemIds, log: silentLog() });
  const redis = options.redisUrl === null ? null : await connectedRedis(options.redisUrl);
  try {
    const quota = await createQuota({
      ledger,
      redis,
      dataSource,
      clock: systemClock,
      log: silentLog(),
      metrics: createMetrics(),
    });
    const consume = async (n: number) => {
      // A step that shares no factor with the number of users visits each before any comes again.
      const userId = `${run}-${(n * 7_919) % USERS}`;
      const request = { userId, entityType: RISK, units: 1 };
      await quota.consume({
        ...request,
        unit: { name: "bench.consume", decide: (view) => ({ ...consumeQuota(view, request) }) },
      });
    };
    const inFlight = options.inFlight ?? 2_000;
    await rate(inFlight, WARM_UP_SECONDS, consume);
    const value = await rate(inFlight, options.seconds ?? 10, consume);
    log(`durable: ${value} consumptions a second with ${inFlight} in flight`);
    await quota.close();
    return { name: "quota.durable", value, unit: UNIT_OF_RATE, baselines: [] };
  } finally {
    await ledger.close();
    await dataSource.destroy();
    redis?.disconnect();
  }
}

/** Operations a second, `inFlight` of them at a time. */
async function rate(
  inFlight: number,
  seconds: number,
  operation: (n: number) => Promise<void>,
): Promise<number> {
  let next = 0;
  let done = 0;
  const started = performance.now();
  const until = started + seconds * 1_000;
  const worker = async () => {
    while (performance.now() < until) {
      await operation(next++);
      done++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return Math.round(done / ((performance.now() - started) / 1_000));
}

async function handOutAllowances(options: QuotaDurableOptions, run: string): Promise<void> {
  const owner = createClient({
    url: options.ownerUrl,
    schema: options.schema,
    applicationName: "bench-quota",
    idleInTransactionTimeoutMs: 0,
  });
  await owner.connect();
  try {
    await owner.query(
      `INSERT INTO allowance (user_id, entity_type, quota_per_day, version)
       SELECT $1 || '-' || n, $2, $3, 1 FROM generate_series(0, $4::integer - 1) AS n`,
      [run, RISK, QUOTA_PER_DAY, USERS],
    );
    await owner.query("ANALYZE allowance");
  } finally {
    await owner.end();
  }
}

async function connectedRedis(url: string): Promise<Redis> {
  const redis = createRedis(url, silentLog(), { commandTimeoutMs: COMMAND_TIMEOUT_MS });
  if (redis.status !== "ready") await new Promise<void>((ready) => redis.once("ready", () => ready()));
  return redis;
}

async function removeKeys(redis: Redis, run: string): Promise<void> {
  for await (const keys of redis.scanStream({ match: `*${run}:*`, count: 1_000 }))
    if (keys.length > 0) await redis.unlink(keys);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
