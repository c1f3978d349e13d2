/**
 * The real server for the HTTP benchmarks: a process of its own, run as in
 * production (no rate limit, answers not checked against their schemas), on the
 * run's Postgres, with users who hold TST.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { SignJWT } from "jose";
import { startServerProcess } from "../scripts/server-process.ts";
import { choose } from "./benchmark.ts";
import { perRun } from "./per-run.ts";

export interface ServedApi {
  readonly port: number;
  /** Who lock and upgrade, as often as their TST lasts. */
  readonly writers: readonly BenchUser[];
  /** Who hold a lock and a stake each and ask about them. */
  readonly readers: readonly Reader[];
  /** @throws Error where the answer is not 2xx */
  get<T>(path: string): Promise<T>;
  /** As an operator. */
  post<T>(path: string, body: object): Promise<T>;
}

export interface BenchUser {
  readonly id: string;
  readonly authorization: string;
}

export interface Reader extends BenchUser {
  readonly lockId: string;
}

/** Of 1,000,000 there are; a lock takes 10, a stake of tier 1 takes 5. */
const WRITERS_TST = 950_000;
const READER_TST = 15;
const WRITERS = { full: 2_000, quick: 20 } as const;
const READERS = { full: 1_000, quick: 10 } as const;
const AT_ONCE = 64;
const TOKEN_LIFETIME = "1h";

/** Locks and upgrades, half of each, that the writers' TST lasts for. */
export const MOST_WRITES = { full: 120_000, quick: 4_000 } as const;

export const servedApi = perRun(async (context): Promise<ServedApi> => {
  const { stack } = context;
  const [database, redis] = [await stack.ledgerDatabase(), await stack.redis()];
  const dataDir = join(stack.folder, "server");
  mkdirSync(dataDir);
  const secret = randomBytes(32).toString("hex");
  context.log("starting the server");
  const server = startServerProcess({
    dataDir,
    env: {
      NODE_ENV: "production",
      JWT_SECRET: secret,
      DATABASE_URL: database.appUrl,
      DATABASE_OWNER_URL: database.ownerUrl,
      ...(redis && { REDIS_URL: redis.url }),
      RATE_LIMIT_PER_MINUTE: "0",
      // only when a benchmark asks
      SETTLE_CRON: "0 0 1 1 *",
    },
  });
  stack.defer(() => server.stop());
  const url = await server.ready;
  const operator = await bearer(secret, "bench-operator", ["operator", "auditor"]);
  const call = <T>(path: string, body?: object, authorization = operator) =>
    callJson<T>(`${url}${path}`, authorization, body);
  const post = <T>(path: string, body: object) => call<T>(path, body);
  const [writers, readers] = await Promise.all([
    signUsers(secret, "user", choose(context, WRITERS)),
    signUsers(secret, "reader", choose(context, READERS)),
  ]);
  const grant = ({ id }: BenchUser, amount: number) =>
    post("/api/v1/admin/grants", { user_id: id, asset: "TST", amount, reason: "benchmark" });
  const each = Math.floor(WRITERS_TST / writers.length);
  context.log(`granting ${each} TST to each of ${writers.length} users`);
  await forAll(writers, (user) => grant(user, each));
  const held = await forAll(readers, async (user): Promise<Reader> => {
    await grant(user, READER_TST);
    const path = `/api/v1/p2p/agreement_of_${user.id}/lock-tst`;
    const lock = await call<{ lock_id: string }>(path, { amount: 10 }, user.authorization);
    await call(`/api/v1/strategies/strategy_of_${user.id}/upgrade-tier`, { tier: 1 }, user.authorization);
    return { ...user, lockId: lock.lock_id };
  });
  const port = Number(new URL(url).port);
  return { port, writers, readers: held, get: (path) => call(path), post };
});

/** Tokens of `<prefix>_0`, `<prefix>_1`, …, or of every so-manieth */
export async function signUsers(
  secret: string,
  prefix: string,
  count: number,
  step = 1,
): Promise<BenchUser[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const id = `${prefix}_${n * step}`;
      return { id, authorization: await bearer(secret, id, ["user"]) };
    }),
  );
}

async function bearer(secret: string, sub: string, roles: readonly string[]): Promise<string> {
  const token = await new SignJWT({ roles: [...roles] })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime(TOKEN_LIFETIME)
    .sign(new TextEncoder().encode(secret));
  return `Bearer ${token}`;
}

async function callJson<T>(url: string, authorization: string, body: object | undefined): Promise<T> {
  const headers = { authorization, "content-type": "application/json", "idempotency-key": randomUUID() };
  const init = body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) };
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}

/** A few at a time; the results are in the order of the items. */
async function forAll<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries();
  const loop = async () => {
    for (const [place, item] of entries) results[place] = await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, loop));
  return results;
}
