/**
 * `http.write`: locks and upgrades, half of each, over HTTP with everything that
 * belongs to them (token, idempotency key, schemas, rules), beside a service that
 * does the same work in the usual way. Both are processes of their own, on the
 * same Postgres, under the same load generator.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { startBaseline } from "./baselines/start-baseline.ts";
import { type BenchContext, type BenchResult, choose, resultOf } from "./benchmark.ts";
import { requestText, runHttpLoad } from "./http-load.ts";
import { type BenchUser, MOST_WRITES, servedApi, signUsers } from "./served-api.ts";

const SIZES = {
  // A server's code is compiled after some thousand requests: three seconds of ours, six of the baseline's.
  full: { connections: 128, warmUpMs: 6_000, durationMs: 6_000 },
  quick: { connections: 16, warmUpMs: 200, durationMs: 500 },
} as const;
/** What the figures at a bounded rate take of the requests that there is TST for. */
const SHARE_AT_SATURATION = 0.55;
const BOUNDED_RATE = 200;

interface Measured {
  readonly perSecond: number;
  readonly p99HalfLoadMs: number;
  readonly p99BoundedMs: number;
}

export async function benchHttpWrite(context: BenchContext): Promise<BenchResult[]> {
  const api = await servedApi(context);
  const ours = await measure(context, "anchorbook", api.port, api.writers);
  await assertBalanced(api.get);
  const naive = await measureNaive(context, api.writers.length);
  const { connections, durationMs } = choose(context, SIZES);
  context.note({
    requests: "half locks of 10 TST, half upgrades to tier 1",
    users: api.writers.length,
    connections,
    seconds: durationMs / 1000,
    half_load_requests_per_second: Math.round(ours.perSecond / 2),
    naive_half_load_requests_per_second: Math.round(naive.perSecond / 2),
    load_generator: "in the benchmark's process, servers in their own",
  });
  return [
    resultOf("http.write", ours.perSecond, "requests/s", { "naive-typeorm": naive.perSecond }),
    resultOf("http.write.p99_half_load", ours.p99HalfLoadMs, "ms", { "naive-typeorm": naive.p99HalfLoadMs }),
    resultOf("http.write.p99_at_200", ours.p99BoundedMs, "ms", { "naive-typeorm": naive.p99BoundedMs }),
  ];
}

async function measureNaive(context: BenchContext, userCount: number): Promise<Measured> {
  const database = await context.stack.emptyDatabase();
  const secret = randomBytes(32).toString("hex");
  const server = await startBaseline(new URL("./baselines/naive-typeorm.ts", import.meta.url), {
    NAIVE_DATABASE_URL: database.ownerUrl,
    NAIVE_JWT_SECRET: secret,
    NAIVE_USERS: `${userCount}`,
  });
  try {
    return await measure(context, "naive-typeorm", server.port, await signUsers(secret, "user", userCount));
  } finally {
    await server.stop();
    await database.drop();
  }
}

async function measure(
  context: BenchContext,
  name: string,
  port: number,
  users: readonly BenchUser[],
): Promise<Measured> {
  const sizes = choose(context, SIZES);
  const budget = choose(context, MOST_WRITES);
  const target = { port, connections: sizes.connections, next: writes(users) };
  const saturated = await runHttpLoad({
    ...target,
    ...sizes,
    atMost: Math.floor(budget * SHARE_AT_SATURATION),
  });
  const { perSecond } = saturated;
  context.log(
    `${name}: ${perSecond.toFixed(0)} requests/s, p99 ${saturated.latencies.quantileMs(0.99).toFixed(1)} ms`,
  );
  const half = Math.max(perSecond / 2, 1);
  const left = (budget * (1 - SHARE_AT_SATURATION)) / 2;
  const seconds = Math.min(sizes.durationMs / 1000, left / half);
  const halfLoad = await runHttpLoad({
    ...target,
    perSecond: half,
    warmUpMs: seconds * 200,
    durationMs: seconds * 1000,
  });
  const p99HalfLoadMs = halfLoad.latencies.quantileMs(0.99);
  const bounded = await runHttpLoad({
    ...target,
    perSecond: BOUNDED_RATE,
    warmUpMs: sizes.warmUpMs / 4,
    durationMs: sizes.durationMs / 2,
  });
  const p99BoundedMs = bounded.latencies.quantileMs(0.99);
  context.log(
    `${name}: p99 ${p99HalfLoadMs.toFixed(1)} ms at ${half.toFixed(0)}/s, ${p99BoundedMs.toFixed(1)} ms at ${BOUNDED_RATE}/s`,
  );
  return { perSecond, p99HalfLoadMs, p99BoundedMs };
}

/** Every request is about another agreement or strategy; users take turns. */
function writes(users: readonly BenchUser[]): () => string {
  const run = randomUUID().slice(0, 8);
  let count = 0;
  return () => {
    count += 1;
    const authorization = users[(count >> 1) % users.length]?.authorization ?? "";
    const headers = { Authorization: authorization, "Idempotency-Key": randomUUID() };
    return count % 2 === 0
      ? requestText("POST", `/api/v1/p2p/agr_${run}_${count}/lock-tst`, headers, {
          amount: 10,
          duration_days: 7,
        })
      : requestText("POST", `/api/v1/strategies/strat_${run}_${count}/upgrade-tier`, headers, { tier: 1 });
  };
}

async function assertBalanced(get: <T>(path: string) => Promise<T>): Promise<void> {
  const balance = await get<{ data: { asset: string; difference: string }[] }>(
    "/api/v1/ledger/trial-balance",
  );
  const wrong = balance.data.filter(({ difference }) => difference !== "0");
  if (balance.data.length === 0 || wrong.length > 0)
    throw new Error(`the trial balance is not zero after the load: ${JSON.stringify(balance)}`);
}
