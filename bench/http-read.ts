/**
 * `http.read` and `proof.read`: reads over HTTP beside a bare Express route that
 * answers as many bytes and does nothing else. The bounded rate is far below what
 * either can do, so its p99 says what a user waits, not how a queue behaves.
 */
import { startBaseline } from "./baselines/start-baseline.ts";
import { type BenchContext, type BenchResult, choose, resultOf } from "./benchmark.ts";
import { requestText, runHttpLoad } from "./http-load.ts";
import { type ServedApi, servedApi } from "./served-api.ts";

const SIZES = {
  full: { connections: 64, warmUpMs: 1_000, durationMs: 4_000 },
  quick: { connections: 8, warmUpMs: 100, durationMs: 400 },
} as const;
const BOUNDED_RATE = 200;
const REQUIREMENT_ACTIONS = ["lock_p2p", "upgrade_tier", "reserve_entity", "tier_2", "entity_risk"];

interface Measured {
  readonly perSecond: number;
  readonly p99Ms: number;
}

/** A user's access and an action's requirements, in turns. */
export async function benchHttpRead(context: BenchContext): Promise<BenchResult[]> {
  const api = await servedApi(context);
  let count = 0;
  const next = () => {
    count += 1;
    const user = api.readers[(count >> 1) % api.readers.length];
    const action = REQUIREMENT_ACTIONS[(count >> 1) % REQUIREMENT_ACTIONS.length];
    const path = count % 2 === 0 ? `/api/v1/tst/access/${user?.id}` : `/api/v1/tst/requirements/${action}`;
    return requestText("GET", path, { Authorization: user?.authorization ?? "" });
  };
  const bytes = await meanAnswerBytes(api, next);
  const ours = await measure(context, "anchorbook", api.port, next);
  const bare = await measureBare(context, bytes);
  context.note(settingsOf(context, bytes));
  return [
    resultOf("http.read", ours.p99Ms, "ms", { "bare-express": bare.p99Ms }),
    resultOf("http.read.rate", ours.perSecond, "requests/s", { "bare-express": bare.perSecond }),
  ];
}

export async function benchProofRead(context: BenchContext): Promise<BenchResult[]> {
  const api = await servedApi(context);
  const started = performance.now();
  await api.post("/api/v1/admin/settlement/run", {});
  const latest = await api.get<{ header: { sections: { count: string }[] } }>(
    "/api/v1/settlement/epochs/latest",
  );
  const positions = latest.header.sections.reduce((sum, { count }) => sum + Number(count), 0);
  context.log(
    `settled ${positions} positions in ${((performance.now() - started) / 1000).toFixed(1)} s; reading proofs`,
  );
  const { readers } = api;
  let count = 0;
  const next = () =>
    requestText("GET", `/api/v1/proofs/locks/${readers[count++ % readers.length]?.lockId}`, {});
  const bytes = await meanAnswerBytes(api, next);
  const ours = await measure(context, "anchorbook", api.port, next);
  const bare = await measureBare(context, bytes);
  context.note({ ...settingsOf(context, bytes), positions, different_proofs: readers.length });
  return [
    resultOf("proof.read", ours.perSecond, "proofs/s", { "bare-express": bare.perSecond }),
    resultOf("proof.read.p99_at_200", ours.p99Ms, "ms", { "bare-express": bare.p99Ms }),
  ];
}

function settingsOf(context: BenchContext, bytes: number) {
  const { connections, durationMs } = choose(context, SIZES);
  return {
    connections_at_full_rate: connections,
    seconds: durationMs / 1000,
    p99_at_requests_per_second: BOUNDED_RATE,
    mean_answer_bytes: bytes,
    load_generator: "in the benchmark's process, servers in their own",
  };
}

async function measure(
  context: BenchContext,
  name: string,
  port: number,
  next: () => string,
): Promise<Measured> {
  const sizes = choose(context, SIZES);
  const { perSecond } = await runHttpLoad({ port, ...sizes, next });
  const bounded = await runHttpLoad({ port, ...sizes, next, perSecond: BOUNDED_RATE });
  const p99Ms = bounded.latencies.quantileMs(0.99);
  context.log(`${name}: ${perSecond.toFixed(0)} requests/s; p99 ${p99Ms.toFixed(1)} ms at ${BOUNDED_RATE}/s`);
  return { perSecond, p99Ms };
}

async function measureBare(context: BenchContext, bytes: number): Promise<Measured> {
  const server = await startBaseline(new URL("./baselines/bare-express.ts", import.meta.url), {
    BARE_ANSWER_BYTES: `${bytes}`,
  });
  try {
    const request = requestText("GET", "/", {});
    return await measure(context, "bare-express", server.port, () => request);
  } finally {
    await server.stop();
  }
}

const SAMPLED_ANSWERS = 50;

async function meanAnswerBytes(api: ServedApi, next: () => string): Promise<number> {
  const { bytes } = await runHttpLoad({
    port: api.port,
    connections: 1,
    warmUpMs: 0,
    durationMs: 10_000,
    atMost: SAMPLED_ANSWERS,
    next,
  });
  return Math.round(bytes / SAMPLED_ANSWERS);
}
