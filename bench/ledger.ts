/** The ledger's writer: its rate, its rate around one hot account, its latency for one client alone. */

import { openDurableUpdate } from "./baselines/durable-update.ts";
import { measureOnePerTransfer } from "./baselines/one-per-transfer.ts";
import { fillTpcb, measureTpcb } from "./baselines/pgbench-tpcb.ts";
import { type BenchContext, type BenchResult, choose, resultOf } from "./benchmark.ts";
import { measureTransfers, openLedgerBook, uniformPair } from "./ledger-book.ts";
import { runLoops } from "./load.ts";
import { perRun } from "./per-run.ts";

const UNIT = "transfers/s";

interface Sizes {
  readonly accounts: number;
  readonly clients: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

const SIZES: Readonly<Record<"full" | "quick", Sizes>> = {
  full: { accounts: 100_000, clients: 8_192, warmUpMs: 2_000, durationMs: 10_000 },
  quick: { accounts: 1_000, clients: 64, warmUpMs: 100, durationMs: 1_000 },
};
const TPCB = {
  full: { scale: 32, clients: 32, warmUpMs: 2_000, durationMs: 8_000 },
  quick: { scale: 1, clients: 4, warmUpMs: 100, durationMs: 300 },
} as const;
const ONE_PER_TRANSFER = {
  full: { clientCounts: [1, 2, 4, 8, 32], warmUpMs: 500, durationMs: 3_000 },
  quick: { clientCounts: [2], warmUpMs: 100, durationMs: 300 },
} as const;
const SINGLE = {
  full: { rounds: 3, warmUpMs: 300, durationMs: 1_500 },
  quick: { rounds: 1, warmUpMs: 50, durationMs: 200 },
} as const;

const book = perRun((context) => openLedgerBook(context, choose(context, SIZES).accounts));

/** Measured once a run; other benchmarks are compared with it. */
export const uniformRate = perRun(async (context) => {
  const sizes = choose(context, SIZES);
  const ledger = await book(context);
  ledger.linesPerBatch();
  const measured = await measureTransfers(ledger, sizes, () => uniformPair(ledger.accounts));
  const linesPerBatch = ledger.linesPerBatch();
  context.log(
    `writer: ${measured.perSecond.toFixed(0)} transfers/s, ${linesPerBatch} lines a batch, median ${measured.medianMs.toFixed(0)} ms`,
  );
  return { ...measured, linesPerBatch };
});

export async function benchLedgerUniform(context: BenchContext): Promise<BenchResult[]> {
  const { accounts, clients, durationMs } = choose(context, SIZES);
  const uniform = await uniformRate(context);
  const ledger = await book(context);
  const onePer = choose(context, ONE_PER_TRANSFER);
  const onePerTransfer = await measureOnePerTransfer(ledger, onePer.clientCounts, onePer);
  context.log(
    `one transaction a transfer: ${onePerTransfer.perSecond.toFixed(0)}/s with ${onePerTransfer.clients} clients`,
  );
  await ledger.assertCoherent();
  const tpcb = await pgbenchTpcb(context);
  context.note({
    accounts,
    clients_in_process: clients,
    seconds: durationMs / 1000,
    lines_per_batch: uniform.linesPerBatch,
    latency_median_ms: Math.round(uniform.medianMs),
    transfer_indexes: "seq, id, debit account, credit account, pending id",
    one_per_transfer_clients: `best of ${onePer.clientCounts.join("/")}: ${onePerTransfer.clients}`,
    tpcb_scale: choose(context, TPCB).scale,
    tpcb_clients: choose(context, TPCB).clients,
    tpcb_by: tpcb.client,
  });
  return [
    resultOf("ledger.uniform", uniform.perSecond, UNIT, {
      "pgbench-tpcb": tpcb.perSecond,
      "one-per-transfer": onePerTransfer.perSecond,
    }),
  ];
}

async function pgbenchTpcb(context: BenchContext): Promise<{ perSecond: number; client: string }> {
  const tpcb = choose(context, TPCB);
  const database = await context.stack.emptyDatabase();
  try {
    context.log(`filling pgbench's tables at scale ${tpcb.scale}`);
    await fillTpcb(database, tpcb.scale);
    const measured = await measureTpcb(database, tpcb.scale, tpcb);
    context.log(`pgbench's TPC-B: ${measured.perSecond.toFixed(0)} transactions/s, ${measured.client}`);
    return measured;
  } finally {
    await database.drop();
  }
}

/** Every transfer has the same account on one side, in turns as debit and as credit. */
export async function benchLedgerHot(context: BenchContext): Promise<BenchResult[]> {
  const sizes = choose(context, SIZES);
  const uniform = await uniformRate(context);
  const ledger = await book(context);
  const [hot = "", ...others] = ledger.accounts;
  let turn = 0;
  const measured = await measureTransfers(ledger, sizes, () => {
    const other = others[Math.floor(Math.random() * others.length)] ?? "";
    turn += 1;
    return turn % 2 === 0 ? [hot, other] : [other, hot];
  });
  await ledger.assertCoherent();
  context.note({ clients_in_process: sizes.clients, seconds: sizes.durationMs / 1000 });
  return [resultOf("ledger.hot", measured.perSecond, UNIT, { uniform: uniform.perSecond })];
}

/** In turns with its baseline, so that both meet the same noise. */
export async function benchLedgerSingle(context: BenchContext): Promise<BenchResult[]> {
  const { rounds, ...times } = choose(context, SINGLE);
  const ledger = await book(context);
  const database = await context.stack.emptyDatabase();
  const baseline = await openDurableUpdate(database);
  const medians: { ours: number[]; update: number[] } = { ours: [], update: [] };
  try {
    const one = { ...times, clients: 1 };
    for (let round = 0; round < rounds; round++) {
      const { latencies } = await runLoops(one, () => baseline.update());
      medians.update.push(latencies.quantileMs(0.5));
      medians.ours.push((await measureTransfers(ledger, one, () => uniformPair(ledger.accounts))).medianMs);
    }
  } finally {
    await baseline.end();
    await database.drop();
  }
  const middle = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  context.note({ clients: 1, rounds, seconds_a_round: times.durationMs / 1000, value: "median latency" });
  return [
    resultOf("ledger.single", middle(medians.ours), "ms", { "durable-update": middle(medians.update) }),
  ];
}
