/** One API process as far as quotas see it: its own writer, its own gate. */
import { createHash } from "node:crypto";
import type { DataSource } from "typeorm";
import { expect, vi } from "vitest";
import { createClient, createMetrics, createRedis, type Redis, silentLog } from "#infra";
import { type Clock, DomainError, SECONDS_PER_DAY, systemClock, systemIds } from "#kernel";
import { type Ledger, openLedger, type Unit } from "#ledger";
import { consumeQuota, createQuota, type Quota, type QuotaUse, setAllowance } from "#quota";
import { createDataSource } from "../../ormconfig.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectNoDrift } from "../support/drift.ts";

export const RISK = 1;
export const STRATEGY = 2;

const LEAST_SECONDS_LEFT = 1_800;

/** A database whose ledger day does not end during the test. */
export async function createQuotaDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  const left = SECONDS_PER_DAY - (Math.floor(systemClock.nowMs() / 1_000) % SECONDS_PER_DAY);
  if (left < LEAST_SECONDS_LEFT) await advanceClock(database, LEAST_SECONDS_LEFT);
  return database;
}

export async function advanceClock(database: TestDatabase, seconds: number): Promise<void> {
  const owner = createClient({ url: database.ownerUrl, schema: database.schema, applicationName: "test" });
  await owner.connect();
  await owner.query("SELECT advance_clock($1)", [seconds]);
  await owner.end();
}

export interface Instance {
  readonly quota: Quota;
  readonly ledger: Ledger;
  readonly dataSource: DataSource;
  readonly redis: Redis | null;
  /** Decisions so far by outcome, and how many went past the gate as `bypassed`. */
  decisions(): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

export async function startInstance(
  database: TestDatabase,
  redisUrl: string | null,
  clock: Clock = systemClock,
): Promise<Instance> {
  const log = silentLog();
  const dataSource = await createDataSource({ url: database.appUrl, schema: database.schema }).initialize();
  const ledger = await openLedger({
    databaseUrl: database.appUrl,
    schema: database.schema,
    ids: systemIds,
    log,
  });
  const redis = redisUrl === null ? null : createRedis(redisUrl, log);
  if (redis) await vi.waitFor(() => isReady(redis), { timeout: 10_000 });
  const metrics = createMetrics();
  const quota = await createQuota({ ledger, redis, dataSource, clock, log, metrics });
  return {
    quota,
    ledger,
    dataSource,
    redis,
    decisions: async () => {
      const outcomes = (await metrics.quotaDecisions.get()).values;
      const bypassed = (await metrics.quotaGateBypassed.get()).values[0]?.value ?? 0;
      return { ...Object.fromEntries(outcomes.map((v) => [v.labels.outcome, v.value])), bypassed };
    },
    stop: async () => {
      await ledger.close();
      await quota.close();
      // Null where Redis is away: then no counter can differ.
      const drift = await quota.measureDrift();
      expect(drift?.differing ?? 0).toBe(0);
      if (redis?.status === "ready") await expectNoDrift(database, redisUrl);
      await dataSource.destroy();
      redis?.disconnect();
    },
  };
}

export function isReady(redis: Redis | null): void {
  if (redis?.status !== "ready") throw new Error(`Redis is ${redis?.status}`);
}

export interface Consumption {
  readonly userId: string;
  readonly entityType?: number;
  readonly units?: number;
  readonly key?: string;
}

export function consumptionUnit(request: Consumption): Unit<{ [member in keyof QuotaUse]: number }> {
  const { userId, entityType = RISK, units = 1, key } = request;
  const fingerprint = createHash("sha256").update(`${userId} ${entityType} ${units}`).digest("hex");
  return {
    name: "test-consume",
    ...(key === undefined ? {} : { idempotency: { principal: userId, key, fingerprint } }),
    decide: (view) => ({ ...consumeQuota(view, { userId, entityType, units }) }),
  };
}

export function consume({ quota }: Instance, request: Consumption) {
  const { userId, entityType = RISK, units = 1 } = request;
  return quota.consume({ userId, entityType, units, unit: consumptionUnit(request) });
}

/** Consumes `count` times side by side; how many succeeded, and the errors other than a denial. */
export async function consumeTogether(
  count: number,
  consumption: (place: number) => Promise<unknown>,
): Promise<{ admitted: number; denied: number; errors: unknown[] }> {
  const outcomes = await Promise.allSettled(Array.from({ length: count }, (_, place) => consumption(place)));
  const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
  const errors = failures.filter((error) => !isDenial(error));
  return { admitted: count - failures.length, denied: failures.length - errors.length, errors };
}

export function isDenial(error: unknown): error is DomainError {
  return error instanceof DomainError && error.code === "quota_exceeded";
}

/** As an upgrade or an expiry does it. */
export function allow({ quota }: Instance, userId: string, quotaPerDay: number, entityType = RISK) {
  return quota.submit(userId, allowanceUnit(userId, quotaPerDay, entityType));
}

export function allowanceUnit(userId: string, quotaPerDay: number, entityType = RISK) {
  const unit: Unit<{ [member in keyof QuotaUse]: number }> = {
    name: "test-allow",
    decide: (view) => ({ ...setAllowance(view, { userId, entityType, quotaPerDay }) }),
  };
  return unit;
}

/** What Postgres says was used today. */
export async function usedToday({ quota }: Instance, userId: string, entityType = RISK): Promise<number> {
  const uses = await quota.usageOf(userId);
  return uses.find((use) => use.entityType === entityType)?.used ?? Number.NaN;
}

let users = 0;
export function newUser(): string {
  users++;
  return `user-${users}`;
}
