/**
 * A server as the simulator runs it: the real writer, quotas and access program
 * in a process of its own, driven over the process channel, to be killed at any
 * moment. Nothing here knows what is right; it does what it is asked and says
 * what was answered.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as pause } from "node:timers/promises";
import type { DataSource } from "typeorm";
import { createMetrics, createRedis, isUnavailable, silentLog } from "#infra";
import { DomainError, systemClock, systemIds } from "#kernel";
import {
  type BatchObservation,
  closeAccount,
  type Idempotency,
  type Json,
  type Ledger,
  openLedger,
  type PreparedTransfer,
  submitAccounts,
  submitTransfers,
  type TransferRequest,
  tryTransfers,
  type Unit,
} from "#ledger";
import { type AccessProgram, createAccess } from "#programs/access";
import { createQuota, type Quota, type QuotaHold, QuotaHolds } from "#quota";
import { createDataSource } from "../../ormconfig.ts";
import {
  type Answer,
  type CounterDrift,
  type FromServer,
  MARK,
  type Mark,
  type Operation,
  type Request,
  type ServerOptions,
  type ToServer,
  type Way,
} from "./protocol.ts";

interface Server {
  readonly ledger: Ledger;
  readonly access: AccessProgram;
  readonly quota: Quota;
  readonly holds: QuotaHolds;
  readonly dataSource: DataSource;
  readonly hasRedis: boolean;
  close(): Promise<void>;
}

/** What is known of the request under way. */
interface Sending {
  readonly request: number;
  order: number | null;
  now: number | null;
}

const REDIS_BACK_WITHIN_MS = 20_000;
const POSTGRES_BACK_WITHIN_MS = 20_000;
const RECONNECT_LOOK_MS = 20;
const under = new AsyncLocalStorage<Sending>();
let server: Server | null = null;

process.on("message", (message: ToServer) => void take(message));
process.on("disconnect", () => process.exit());
say({ type: "ready" });

function say(message: FromServer): void {
  // Whoever asked may be gone by now.
  process.send?.(message, () => {});
}

async function take(message: ToServer): Promise<void> {
  if (message.type === "open") {
    server = await openWhenThere(message.options);
    say({ type: "opened" });
    return;
  }
  if (!server) throw new Error("the server is not open");
  if (message.type === "request") say({ type: "answer", answer: await answer(server, message.request) });
  if (message.type === "drift") say({ type: "drift", drift: server.hasRedis ? await driftOf(server) : null });
  if (message.type === "close") {
    await server.close();
    say({ type: "closed" });
    process.disconnect();
  }
}

/** Redis was killed a moment ago, perhaps: what could not be asked is not compared. */
async function driftOf({ quota }: Pick<Server, "quota">): Promise<CounterDrift> {
  const until = performance.now() + REDIS_BACK_WITHIN_MS;
  while ((await quota.measureDrift()) === null) {
    if (performance.now() > until) throw new Error("Redis does not come back");
    await pause(RECONNECT_LOOK_MS);
  }
  const drift = await quota.measureDrift();
  return drift ?? driftOf({ quota });
}

/** Postgres was killed a moment ago, perhaps, and recovers; whoever starts a server starts it again then. */
async function openWhenThere(options: ServerOptions): Promise<Server> {
  const until = performance.now() + POSTGRES_BACK_WITHIN_MS;
  for (;;) {
    try {
      return await open(options);
    } catch (error) {
      if (!isUnavailable(error) || performance.now() > until) throw error;
      await pause(RECONNECT_LOOK_MS);
    }
  }
}

async function open(options: ServerOptions): Promise<Server> {
  const { databaseUrl, schema, batchWeight, aheadWeight, memoryWeight, patienceMs } = options;
  const log = silentLog();
  const written = await openLedger({
    ...{ databaseUrl, schema, ids: systemIds, log },
    limits: { batchWeight, aheadWeight, memoryWeight, patienceMs },
    onBatch: (batch) => say({ type: "batch", ways: waysOf(batch) }),
  });
  const ledger = marking(written, options.name);
  const dataSource = await createDataSource({ url: databaseUrl, schema, poolSize: 3 }).initialize();
  const redis = options.redisUrl === null ? null : createRedis(options.redisUrl, log);
  const quota = await createQuota({
    ...{ ledger, redis, dataSource, log },
    ...{ clock: systemClock, metrics: createMetrics() },
  });
  const settlementOf = async () => new Map();
  const access = await createAccess({ ledger, quota, dataSource, settlementOf, ids: systemIds, log });
  return {
    ...{ ledger, access, quota, dataSource, hasRedis: redis !== null },
    holds: new QuotaHolds({ quota, dataSource, ids: systemIds }),
    async close() {
      await ledger.close();
      await quota.close();
      await dataSource.destroy();
      redis?.disconnect();
    },
  };
}

function waysOf({ decidedAhead, decidedFromMemory, retries }: BatchObservation): Way[] {
  const way = decidedAhead ? "ahead" : decidedFromMemory ? "from_memory" : "under_the_head";
  const reasons = Object.keys(retries) as (keyof typeof retries)[];
  return [way, ...reasons.map((reason) => `again_${reason}` as const)];
}

function holdingOf({ reads }: Unit<Json>, value: Json): string | null {
  const rows = reads?.rows ?? [];
  const made = typeof value === "object" && value !== null && "id" in value ? value.id : undefined;
  const id = made ?? rows[0]?.key.id;
  if (typeof id === "string") return id;
  const day = rows.find(({ table }) => table.name === "usage")?.key;
  return day ? `${day.user_id}/${day.entity_type}/${day.day}` : null;
}

/** The same ledger; each unit that is decided leaves its mark. */
function marking(ledger: Ledger, name: string): Ledger {
  let decisions = 0;
  const marked = <R extends Json>(unit: Unit<R>): Unit<R> => {
    const sending = under.getStore();
    if (!sending) throw new Error(`unit ${unit.name} belongs to no request`);
    return {
      ...unit,
      decide(view) {
        decisions += 1;
        sending.order = decisions;
        sending.now = view.now;
        const value = unit.decide(view);
        const mark: Mark = {
          ...{ request: sending.request, server: name, order: decisions, unit: unit.name },
          holding: holdingOf(unit, value),
          value: typeof value === "boolean" ? value : null,
        };
        if (unit.name !== "look") view.emit({ type: MARK, subject: null, data: mark });
        return value;
      },
    };
  };
  return { ...ledger, submit: (unit) => ledger.submit(marked(unit)) };
}

async function answer(from: Server, request: Request): Promise<Answer> {
  const sending: Sending = { request: request.number, order: null, now: null };
  const said = { request: request.number, value: null, refusal: null };
  try {
    const { value, replayed } = await under.run(sending, () => run(from, request));
    return { ...said, value, replayed, order: sending.order, now: sending.now };
  } catch (error) {
    const replayed = error instanceof DomainError && error.replayed;
    return { ...said, refusal: refusalOf(error), replayed, order: sending.order, now: sending.now };
  }
}

function refusalOf(error: unknown) {
  if (error instanceof DomainError)
    return { code: error.code, message: error.message, details: error.details ?? null };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  // Reads beside the writer say so in their own words when the database is away.
  return { code: isUnavailable(error) ? "unavailable" : "broken", message, details: null };
}

type Said = { readonly value: Json; readonly replayed: boolean };

async function run(server: Server, request: Request): Promise<Said> {
  const { ledger, access } = server;
  const { operation, key, fingerprint } = request;
  const idempotency: Idempotency | undefined =
    key === null ? undefined : { principal: "client", key, fingerprint };
  switch (operation.kind) {
    case "transfers":
      if (operation.bulk) return submitTransfers(ledger, operation.requests.map(prepared), idempotency);
      return ledger.submit(transfersUnit(operation.requests, idempotency));
    case "dry-run":
      return { value: await tryTransfers(ledger, operation.requests.map(prepared)), replayed: false };
    case "accounts":
      return submitAccounts(ledger, operation.requests, idempotency);
    case "look":
      return ledger.submit(lookUnit(operation.accounts));
    case "close":
      return closeAccount(ledger, operation.account, idempotency);
    case "tick":
      return ledger.submit({ name: "tick", idempotency, decide: () => null });
    case "grant": {
      const { userId, asset, amount } = operation;
      return access.grant({ userId, asset, amount, reason: "simulated", operator: "operator" }, idempotency);
    }
    case "hold":
    case "commit":
    case "free":
    case "extend":
      return runHold(server, operation, idempotency);
    case "expire":
      return {
        value: { ...(await access.expireDue()), holds: await server.holds.expireDue() },
        replayed: false,
      };
    default:
      return runAccess(access, operation, idempotency);
  }
}

async function runHold(
  { holds, dataSource }: Server,
  operation: Extract<Operation, { kind: "hold" | "commit" | "free" | "extend" }>,
  key: Idempotency | undefined,
): Promise<Said> {
  if (operation.kind === "hold") return holds.reserve({ ...operation, createdBy: "client" }, key);
  const [found]: { id: string }[] = await dataSource.query("SELECT id FROM quota_hold WHERE reference = $1", [
    operation.reference,
  ]);
  if (!found) throw new DomainError("not_found", `There is no hold ${operation.reference}`);
  const hold: QuotaHold = await holds.holdOf(found.id);
  const { kind } = operation;
  if (kind === "commit") return holds.commit(hold, operation.units, key);
  if (kind === "free") return holds.release(hold, key);
  const { ttlSeconds, units } = operation;
  return holds.extend(hold, { ttlSeconds, ...(units === undefined ? {} : { units }) }, key);
}

type AccessOperation = Extract<
  Operation,
  { kind: "lock" | "release" | "terminate" | "upgrade" | "unstake" | "reserve" | "consume" }
>;

async function runAccess(
  access: AccessProgram,
  operation: AccessOperation,
  key: Idempotency | undefined,
): Promise<Said> {
  const walletAddress = undefined;
  switch (operation.kind) {
    case "lock":
      return access.lock({ ...operation, walletAddress }, key);
    case "release":
      return access.release(operation, key);
    case "terminate":
      return access.terminate(operation, key);
    case "upgrade":
      return access.upgradeTier({ ...operation, walletAddress }, key);
    case "unstake":
      return access.emergencyUnstake({ ...operation, operator: "operator", reason: "simulated" }, key);
    case "reserve":
      return access.reserveCompute({ ...operation, entity: undefined, walletAddress }, key);
    case "consume":
      return access.consumeCompute({ ...operation, entity: undefined, walletAddress }, key);
  }
}

function transfersUnit(requests: readonly TransferRequest[], idempotency: Idempotency | undefined) {
  const unit: Unit<Json> = {
    ...{ name: "transfers", idempotency, weight: requests.length },
    reads: { transfers: requests.map(({ id }) => id) },
    decide: (view) =>
      view.tryTransfers(requests).map(({ code, transfer }, index) => ({
        ...{ index, id: requests[index]?.id ?? "", code },
        ...(transfer ? { seq: transfer.seq } : {}),
      })),
  };
  return unit;
}

/** What the balances are, as a unit behind others would see them. */
function lookUnit(accounts: readonly string[]): Unit<Json> {
  return {
    name: "look",
    reads: { accounts },
    decide: (view) =>
      accounts.map((id) => {
        const account = view.account(id);
        if (!account) return null;
        const { debitsPosted, creditsPosted, debitsPending, creditsPending } = account;
        return [debitsPosted, creditsPosted, debitsPending, creditsPending].map(String);
      }),
  };
}

function prepared(request: TransferRequest): PreparedTransfer {
  const accounts = [request.debitAccount ?? [], request.creditAccount ?? []].flat();
  return { request, scaleKnown: true, refusal: null, accounts, assets: [] };
}
