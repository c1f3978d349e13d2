/** One API process with the access program, over real HTTP and a database of its own; without counters in front. */
import type { Response } from "supertest";
import type { DataSource } from "typeorm";
import { expect } from "vitest";
import { accessRoutes, grantRoutes, type Route } from "#api";
import { createClient, createMetrics, createRedis, silentLog } from "#infra";
import { systemClock, systemIds } from "#kernel";
import { type Ledger, openLedger } from "#ledger";
import { type AccessProgram, createAccess, type SettlementState } from "#programs/access";
import { createQuota } from "#quota";
import { createDataSource } from "../../../ormconfig.ts";
import { startApi } from "../../support/api-app.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { expectNoDrift } from "../../support/drift.ts";
import { bearer } from "../../support/tokens.ts";

export const DAY = 86_400;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON of many shapes; the server checks each answer against its schema. */
  readonly body: Response["body"];
}

export interface Caller {
  readonly as?: string;
  readonly roles?: readonly string[];
  readonly key?: string;
}

export interface World {
  readonly url: string;
  readonly database: TestDatabase;
  readonly dataSource: DataSource;
  readonly ledger: Ledger;
  readonly access: AccessProgram;
  readonly routes: readonly Route[];
  /** What the settlement of each account says; empty at first. */
  readonly settled: Map<string, SettlementState>;
  post(path: string, body: unknown, caller?: Caller): Promise<Answer>;
  get(path: string, caller?: Caller): Promise<Answer>;
  /** Gives TST to a user who is not used by any other test. */
  fundedUser(amount: number | string): Promise<string>;
  grant(userId: string, amount: number | string): Promise<void>;
  /** Moves ledger time, without running any job. */
  advance(seconds: number): Promise<void>;
  now(): Promise<number>;
  rows<Row>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  stop(): Promise<void>;
}

export async function createWorld(redisUrl: string | null = null): Promise<World> {
  const log = silentLog();
  const database = await createTestDatabase();
  const dataSource = await createDataSource({ url: database.appUrl, schema: database.schema }).initialize();
  const ledger = await openLedger({
    databaseUrl: database.appUrl,
    schema: database.schema,
    ids: systemIds,
    log,
  });
  const redis = redisUrl === null ? null : createRedis(redisUrl, log);
  const metrics = createMetrics();
  const quota = await createQuota({ ledger, redis, dataSource, clock: systemClock, log, metrics });
  const settled = new Map<string, SettlementState>();
  const settlementOf = async () => settled;
  const access = await createAccess({ ledger, quota, dataSource, settlementOf, ids: systemIds, log });
  await access.ensureGenesis();
  const routes = [...accessRoutes(access), ...grantRoutes(access)];
  const api = await startApi(routes, { metrics });
  const owner = createClient({
    url: database.ownerUrl,
    schema: database.schema,
    applicationName: "test-clock",
  });
  await owner.connect();

  const send = async (method: string, path: string, body: unknown, caller: Caller): Promise<Answer> => {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (caller.as !== undefined) headers.authorization = bearer(caller.as, ...(caller.roles ?? []));
    if (caller.key !== undefined) headers["idempotency-key"] = caller.key;
    const response = await fetch(`${api.url}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
  };
  const post = (path: string, body: unknown, caller: Caller = {}) => send("POST", path, body, caller);
  const grant = async (userId: string, amount: number | string): Promise<void> => {
    const request = { user_id: userId, asset: "TST", amount, reason: "test" };
    const answer = await post("/api/v1/admin/grants", request, { as: "op", roles: ["operator"] });
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
  };
  let users = 0;
  return {
    url: api.url,
    database,
    dataSource,
    ledger,
    access,
    routes,
    settled,
    post,
    get: (path, caller = {}) => send("GET", path, undefined, caller),
    grant,
    fundedUser: async (amount) => {
      users += 1;
      const name = `user-${users}`;
      await grant(name, amount);
      return name;
    },
    advance: async (seconds) => {
      await owner.query("SELECT advance_clock($1)", [seconds]);
    },
    now: async () => (await owner.query("SELECT ledger_now() AS now")).rows[0].now,
    rows: (sql, parameters = []) => dataSource.query(sql, parameters),
    stop: async () => {
      await api.close();
      await ledger.close();
      await quota.close();
      if (redisUrl !== null) {
        expect((await quota.measureDrift())?.differing ?? 0).toBe(0);
        await expectNoDrift(database, redisUrl);
      }
      await owner.end();
      await dataSource.destroy();
      redis?.disconnect();
      await database.drop();
    },
  };
}

/** Seconds since 1970 of an RFC 3339 time. */
export function seconds(text: string): number {
  return Date.parse(text) / 1000;
}
