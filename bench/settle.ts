/**
 * Settlement at a million positions: how long an epoch of 10,000 changes takes
 * from the call to the signed transaction, how long a tree takes to come out of
 * Postgres, and how soon the API answers proofs of the last hundred epochs and of
 * an older one. No other program does the same; the aims stand in docs/performance.md.
 */
import { createPool } from "#infra";
import { buildTree } from "../src/settlement/build-tree.ts";
import { sectionRecords } from "../src/settlement/leaf-records.ts";
import { startBaseline } from "./baselines/start-baseline.ts";
import { type BenchContext, type BenchResult, choose, resultOf } from "./benchmark.ts";
import { requestText, runHttpLoad } from "./http-load.ts";
import { Latencies } from "./load.ts";
import { type Reached, type SettledMillion, settledMillion } from "./settled-million.ts";
import { watchStolenTime } from "./stolen-time.ts";

const SIZES = {
  full: { epochs: 101, rebuilds: 3, turns: 3, atMostTurns: 40, warmUpMs: 2_000, durationMs: 6_000 },
  quick: { epochs: 3, rebuilds: 1, turns: 1, atMostTurns: 1, warmUpMs: 100, durationMs: 400 },
} as const;
/** That the server answers from memory. */
const KEPT_EPOCHS = 100;
const PROOFS_A_SECOND = 200;
/** Of the processors' time: a turn in which the host took more says what the host did. */
const QUIET_SHARE = 0.01;
const CONNECTIONS = 16;
const BALANCES = 0;
const MOST_ASKED = 30;

/** `settle.epoch`, `tree.build.postgres`, `proof.read.million`, `proof.read.old`. */
export async function benchSettle(context: BenchContext): Promise<BenchResult[]> {
  const book = await settledMillion(context);
  const sizes = choose(context, SIZES);
  const signed: Reached[] = [];
  const fromClosing: number[] = [];
  const stolen = watchStolenTime();
  for (let round = 1; round <= (context.epochs ?? sizes.epochs); round++) {
    const steps = await book.settleChanges();
    const last = steps.get("commit-signed");
    if (last) {
      signed.push(last);
      fromClosing.push(last.ms - (steps.get("before-closing")?.ms ?? 0));
    }
    if (round <= 3 || round % 25 === 0) context.log(`epoch ${book.epoch()}: ${describe(steps)}`);
  }
  const of = (name: keyof Reached) => signed.map((reached) => reached[name]);
  context.note({ positions: book.positions, changes_an_epoch: book.changes, epochs: book.epoch() });
  context.note({
    settle_from_closing_ms: Math.round(quantile(fromClosing, 0.5)),
    settle_stolen_percent: percent(stolen()),
    settle_p99_ms: Math.round(quantile(of("ms"), 0.99)),
    settle_first_ms: Math.round(signed[0]?.ms ?? 0),
    settle_job_cpu_ms: Math.round(quantile(of("ownMs"), 0.5)),
    settle_postgres_cpu_ms: Math.round(quantile(of("othersMs"), 0.5)),
  });
  const rebuilt = await rebuild(context, book, sizes.rebuilds);
  return [
    resultOf("settle.epoch", quantile(of("ms"), 0.5), "ms"),
    resultOf("tree.build.postgres", rebuilt, "ms"),
    ...(await readProofs(context, book)),
  ];
}

function describe(steps: ReadonlyMap<string, Reached>): string {
  return [...steps]
    .map(
      ([point, { ms, ownMs, othersMs }]) =>
        `${point} ${ms.toFixed(0)} ms (${ownMs.toFixed(0)} + ${othersMs})`,
    )
    .join(", ");
}

/** The best of some runs, as for all builds: the others had the machine's noise in them. */
async function rebuild(context: BenchContext, book: SettledMillion, runs: number): Promise<number> {
  const { appUrl, schema } = book.database;
  const pool = createPool({
    url: appUrl,
    schema,
    applicationName: "bench",
    max: 1,
    log: context.stack.serverLog,
  });
  try {
    let bestMs = Number.POSITIVE_INFINITY;
    // The treasury has the first one.
    const count = book.positions + 1;
    for (let run = 0; run < runs; run++) {
      const started = performance.now();
      await buildTree({
        domain: `0x${"00".repeat(32)}`,
        count,
        options: { epoch: BigInt(book.epoch()) },
        runs: sectionRecords(pool, { book: 1, section: BALANCES, epoch: book.epoch(), count }),
      });
      bestMs = Math.min(bestMs, performance.now() - started);
      context.log(`rebuilt from Postgres in ${((performance.now() - started) / 1000).toFixed(2)} s`);
    }
    return bestMs;
  } finally {
    await pool.end();
  }
}

/** Of any of the last hundred epochs, once the server has its trees; then of the first, which it has to build. */
async function readProofs(context: BenchContext, book: SettledMillion): Promise<BenchResult[]> {
  const newest = book.epoch();
  const oldest = Math.max(1, newest - KEPT_EPOCHS + 1);
  const first = await timed(() => ask(book, 0, newest));
  context.log(`the first proof, for which the server fills its trees, after ${(first / 1000).toFixed(1)} s`);
  const all = first + (await timed(() => ask(book, 0, oldest)));
  context.log(
    `a proof of epoch ${oldest}, to which it goes back behind that, after ${(all / 1000).toFixed(1)} s`,
  );
  context.note({
    proofs_a_second: PROOFS_A_SECOND,
    fill_ms: Math.round(first),
    all_epochs_ms: Math.round(all),
  });
  const recent = await readInTurns(context, book, { oldest, newest });
  const old = await timed(() => ask(book, 1, 1));
  context.log(`a proof of epoch 1, rebuilt on demand, after ${(old / 1000).toFixed(1)} s`);
  return [recent, resultOf("proof.read.old", old, "ms")];
}

interface Turn {
  readonly proofs: Latencies;
  readonly plain: Latencies;
  readonly stolenShare: number;
}

/**
 * Turn about with a bare Express route that answers as many bytes: its p99 is what the machine itself does to a request.
 * Until there are so many turns of which the host took next to nothing, which alone count then; where it never lets go,
 * all turns count.
 */
async function readInTurns(
  context: BenchContext,
  book: SettledMillion,
  { oldest, newest }: { oldest: number; newest: number },
): Promise<BenchResult> {
  const { turns, atMostTurns, warmUpMs, durationMs } = choose(context, SIZES);
  const load = { connections: CONNECTIONS, warmUpMs, durationMs, perSecond: PROOFS_A_SECOND };
  let count = 0;
  const next = () => {
    count += 1;
    return request(book, count, oldest + ((count * 7) % (newest - oldest + 1)));
  };
  const sampled = await runHttpLoad({ ...load, port: book.port, next });
  const bare = await startBaseline(new URL("./baselines/bare-express.ts", import.meta.url), {
    BARE_ANSWER_BYTES: `${Math.round(sampled.bytes / sampled.requests)}`,
  });
  const plainRequest = requestText("GET", "/", {});
  const all: Turn[] = [];
  const quiet = () => all.filter(({ stolenShare }) => stolenShare <= QUIET_SHARE);
  try {
    while (quiet().length < turns && all.length < atMostTurns) {
      const stolen = watchStolenTime();
      const proofs = (await runHttpLoad({ ...load, port: book.port, next })).latencies;
      const plain = (await runHttpLoad({ ...load, port: bare.port, next: () => plainRequest })).latencies;
      const turn = { proofs, plain, stolenShare: stolen() };
      context.log(
        `proofs of epochs ${oldest} to ${newest}: ${described(proofs)}; bare Express: ${described(plain)}; stolen: ${percent(turn.stolenShare)} %`,
      );
      all.push(turn);
    }
  } finally {
    await bare.stop();
  }
  const counted = quiet().length >= turns ? quiet() : all;
  const ours = together(counted.map(({ proofs }) => proofs));
  context.note({
    proof_median_ms: Number(ours.quantileMs(0.5).toFixed(1)),
    proof_turns: all.length,
    proof_quiet_turns: quiet().length,
    proof_p99_all_turns_ms: Number(
      together(all.map(({ proofs }) => proofs))
        .quantileMs(0.99)
        .toFixed(1),
    ),
  });
  return resultOf("proof.read.million", ours.quantileMs(0.99), "ms", {
    "bare-express": together(counted.map(({ plain }) => plain)).quantileMs(0.99),
  });
}

function together(some: readonly Latencies[]): Latencies {
  const all = new Latencies();
  for (const latencies of some) all.addAll(latencies);
  return all;
}

function percent(share: number): number {
  return Number((100 * share).toFixed(1));
}

function described(latencies: Latencies): string {
  return `median ${latencies.quantileMs(0.5).toFixed(1)} ms, p99 ${latencies.quantileMs(0.99).toFixed(1)} ms`;
}

function request({ readers }: SettledMillion, place: number, epoch: number): string {
  const reader = readers[place % readers.length];
  const path = `/api/v1/proofs/balances/${reader?.id}?epoch=${epoch}`;
  return requestText("GET", path, { Authorization: reader?.authorization ?? "" });
}

/** Who asks for an epoch that the server has not gone back to yet is told after some seconds to ask again. */
async function ask(book: SettledMillion, place: number, epoch: number): Promise<void> {
  const reader = book.readers[place % book.readers.length];
  const url = `http://127.0.0.1:${book.port}/api/v1/proofs/balances/${reader?.id}?epoch=${epoch}`;
  const get = () => fetch(url, { headers: { authorization: reader?.authorization ?? "" } });
  let response = await get();
  for (let again = 1; response.status === 503 && again < MOST_ASKED; again++) {
    await response.body?.cancel();
    response = await get();
  }
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  await response.arrayBuffer();
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
