/**
 * A book with very many positions for the benchmarks of settlement's scale: the
 * real server on a migrated Postgres and a chain, and a settlement of this
 * process's own that closes its epochs, so that their steps can be timed. The
 * positions are made by sets, as the owner of the tables, and go through the
 * tables' own triggers: they are what they would be had the writer written them.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAnvil } from "#devstack";
import {
  connectChain,
  createClient,
  createPool,
  type DeploymentRecord,
  deployContracts,
  uuidArray,
} from "#infra";
import { systemClock, systemIds } from "#kernel";
import { openLedger } from "#ledger";
import { createLogSigner, type FaultPoint, openSettlement } from "#settlement";
import { startServerProcess } from "../scripts/server-process.ts";
import { type BenchContext, choose } from "./benchmark.ts";
import { type CpuTime, cpuTime } from "./cpu-time.ts";
import { perRun } from "./per-run.ts";
import { type BenchUser, signUsers } from "./served-api.ts";
import type { BenchDatabase } from "./stack.ts";

const ASSET = "TST";
/** 0.0001 TST: a million positions, changed a hundred times, stay far below the supply. */
const PIECE = 10n ** 14n;
const POSITIONS_A_STATEMENT = 25_000;
const POSITIONS = { full: 1_000_000, quick: 2_000 } as const;
const CHANGES = { full: 10_000, quick: 100 } as const;
const READERS = 1_000;
const SETTLING_TIMEOUT_MS = 600_000;

export interface SettledMillion {
  readonly database: BenchDatabase;
  readonly record: DeploymentRecord;
  readonly positions: number;
  readonly changes: number;
  readonly port: number;
  /** Who may read the proofs of their own balances, spread over all positions. */
  readonly readers: readonly BenchUser[];
  /** Changes `changes` positions, chosen evenly, and settles. @returns when each step was reached */
  settleChanges(): Promise<ReadonlyMap<FaultPoint, Reached>>;
  /** The newest epoch. */
  epoch(): number;
}

/** Since the call: on the clock, and processor time of this process and of its backends. */
export interface Reached extends CpuTime {
  readonly ms: number;
}

const TAKE_HEAD = `
  UPDATE journal_head SET time = greatest(time, floor(extract(epoch FROM clock_timestamp()))::bigint + clock_offset)
  RETURNING next_seq, time`;
const OPEN_OWNERS = `
  INSERT INTO owner (id, salt, created_at)
  SELECT 'holder_' || ($1::int + n), sha256(int4send(n)), 0 FROM generate_series(0, $2::int - 1) AS n`;
const OPEN_ACCOUNTS = `
  INSERT INTO account (id, asset, role, owner, debit_allowance, created_at)
  SELECT id, '${ASSET}', 'available', 'holder_' || ($1::int + place - 1), 0, 0
  FROM unnest($2::uuid[]) WITH ORDINALITY AS t (id, place)`;
const FUND = `
  INSERT INTO transfer (seq, id, debit_account, credit_account, asset, amount, code, phase, effective_at, time)
  SELECT $1::bigint + place - 1, uuidv7(), $3::uuid, id, '${ASSET}', ${PIECE}, 'grant', 'single', $2, $2
  FROM unnest($4::uuid[]) WITH ORDINALITY AS t (id, place)`;
const TAKE_POSITIONS = `
  INSERT INTO position_change (seq, time, account, asset, section, index, key, owner, valid_until, kind, quantity)
  SELECT $1::bigint + place - 1, $2, id, '${ASSET}', 0, $3::bigint + place - 1, sha256(uuid_send(id)),
    decode(repeat('00', 20), 'hex'), 0, 0, 0
  FROM unnest($4::uuid[]) WITH ORDINALITY AS t (id, place)`;

export const settledMillion = perRun(async (context): Promise<SettledMillion> => {
  const { stack } = context;
  const database = await stack.ledgerDatabase();
  const anvil = await startAnvil({
    folder: join(stack.folder, "million-chain"),
    log: stack.serverLog,
    persistent: false,
  });
  stack.defer(() => anvil.stop());
  const chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.operatorPrivateKey });
  stack.defer(() => chain.close());
  const record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  const secret = randomBytes(32).toString("hex");
  const dataDir = join(stack.folder, "million-server");
  mkdirSync(dataDir);
  const contractsFile = join(dataDir, "contracts.json");
  writeFileSync(contractsFile, JSON.stringify(record));
  context.log("starting the server");
  const server = startServerProcess({
    dataDir,
    env: {
      ...{ NODE_ENV: "production", JWT_SECRET: secret, RATE_LIMIT_PER_MINUTE: "0", SETTLE_CRON: "0 0 1 1 *" },
      ...{ DATABASE_URL: database.appUrl, DATABASE_OWNER_URL: database.ownerUrl },
      ...{
        RPC_URL: anvil.rpcUrl,
        OPERATOR_PRIVATE_KEY: anvil.operatorPrivateKey,
        CONTRACTS_FILE: contractsFile,
      },
    },
  });
  stack.defer(() => server.stop());
  const port = Number(new URL(await server.ready).port);

  const positions = context.positions ?? choose(context, POSITIONS);
  const changes = Math.min(choose(context, CHANGES), positions);
  const accounts = await accountsOf(context, database);
  await fill(context, database, accounts, positions);
  const pool = createPool({
    ...{ url: database.appUrl, schema: database.schema },
    ...{ applicationName: "bench", max: 4, log: stack.serverLog },
  });
  stack.defer(() => pool.end());
  const watch = stopwatch(async () => {
    const { rows } = await pool.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE application_name = 'bench' AND datname = current_database()",
    );
    return rows.map(({ pid }) => pid);
  });
  const settlement = await openSettlement({
    ...{ pool, asset: ASSET, chain, record, clock: systemClock, log: stack.serverLog },
    logSigner: createLogSigner("log.example/bench", new Uint8Array(32).fill(7)),
    publishedFolder: join(stack.folder, "published"),
    lockTimeoutMs: SETTLING_TIMEOUT_MS,
    faults: watch.reached,
  });
  const first = await watch.time(() => settlement.run());
  context.log(
    `closed the first epoch over ${positions} positions ${((first.get("closed")?.ms ?? 0) / 1000).toFixed(1)} s`,
  );
  let epoch = 1;
  return {
    ...{ database, positions, changes, port, record },
    readers: await signUsers(
      secret,
      "holder",
      Math.min(READERS, positions),
      Math.max(1, Math.floor(positions / READERS)),
    ),
    async settleChanges() {
      epoch += 1;
      const step = Math.floor(positions / changes);
      const first = (step - ((37 * epoch) % step)) % step;
      const changed = Array.from({ length: changes }, (_, n) => accounts.holder(first + n * step));
      await asOwner(database, (query) =>
        inOneStep(query, (head) => fund(query, head, accounts.treasury, changed)),
      );
      return watch.time(() => settlement.run());
    },
    epoch: () => epoch,
  };
});

interface Head {
  readonly seq: number;
  readonly time: number;
}

interface Accounts {
  readonly treasury: string;
  holder(number: number): string;
}

/** The ids that the server gives: made when they are needed, since the job that is timed shares its heap with them. */
async function accountsOf({ stack }: BenchContext, { appUrl, schema }: BenchDatabase): Promise<Accounts> {
  const ledger = await openLedger({ databaseUrl: appUrl, schema, ids: systemIds, log: stack.serverLog });
  stack.defer(() => ledger.close());
  return {
    treasury: ledger.accountId({ asset: ASSET, role: "treasury", owner: null }),
    holder: (number) => ledger.accountId({ asset: ASSET, role: "available", owner: `holder_${number}` }),
  };
}

async function fill(
  context: BenchContext,
  database: BenchDatabase,
  { treasury, holder }: Accounts,
  positions: number,
): Promise<void> {
  const started = performance.now();
  await asOwner(database, async (query) => {
    for (let from = 0; from < positions; from += POSITIONS_A_STATEMENT) {
      const length = Math.min(POSITIONS_A_STATEMENT, positions - from);
      const some = Array.from({ length }, (_, n) => holder(from + n));
      await inOneStep(query, async ({ seq, time }) => {
        await query(OPEN_OWNERS, [from, some.length]);
        await query(OPEN_ACCOUNTS, [from, uuidArray(some)]);
        await fund(query, { seq, time }, treasury, some);
        const [row] = await query("SELECT count FROM section_count WHERE asset = $1 AND section = 0", [
          ASSET,
        ]);
        await query(TAKE_POSITIONS, [seq + some.length, time, row?.count ?? 0, uuidArray(some)]);
      });
      if ((from / POSITIONS_A_STATEMENT) % 8 === 7)
        context.log(
          `${from + some.length} positions after ${((performance.now() - started) / 1000).toFixed(0)} s`,
        );
    }
    // What autovacuum does for a ledger that took months to grow.
    await query("VACUUM (ANALYZE)");
  });
}

async function inOneStep(query: Query, work: (head: Head) => Promise<void>): Promise<void> {
  await query("BEGIN");
  const [head] = await query(TAKE_HEAD);
  await work({ seq: head?.next_seq as number, time: head?.time as number });
  await query("COMMIT");
}

async function fund(
  query: Query,
  { seq, time }: Head,
  treasury: string,
  accounts: readonly string[],
): Promise<void> {
  await query(FUND, [seq, time, treasury, uuidArray(accounts)]);
}

type Query = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

async function asOwner<T>(
  { ownerUrl, schema }: BenchDatabase,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const client = createClient({
    url: ownerUrl,
    schema,
    applicationName: "bench",
    idleInTransactionTimeoutMs: 0,
  });
  await client.connect();
  try {
    await client.query("SET synchronous_commit = off");
    return await work(async (text, values) => (await client.query(text, values)).rows);
  } finally {
    await client.end();
  }
}

/** When each point of a settlement was first reached: of the commit, not of the finalize that follows it. */
function stopwatch(backends: () => Promise<readonly number[]>) {
  let started: Reached = { ms: 0, ownMs: 0, othersMs: 0 };
  let pids: readonly number[] = [];
  let points = new Map<FaultPoint, Reached>();
  const now = (): Reached => ({ ms: performance.now(), ...cpuTime(pids) });
  return {
    reached: (point: FaultPoint) => {
      if (points.has(point)) return;
      const { ms, ownMs, othersMs } = now();
      points.set(point, {
        ...{ ms: ms - started.ms, ownMs: ownMs - started.ownMs, othersMs: othersMs - started.othersMs },
      });
    },
    time: async (work: () => Promise<unknown>): Promise<ReadonlyMap<FaultPoint, Reached>> => {
      points = new Map();
      pids = await backends();
      started = now();
      await work();
      return points;
    },
  };
}
