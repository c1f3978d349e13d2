/**
 * One batch, one transaction: take the journal head, read what the units need,
 * decide them in order in memory, write with one statement a table, commit. Two
 * round trips where everything was declared. Whatever fails here fails for the
 * batch as a whole; who runs it again, and how, is the writer's business.
 */
import type { Client } from "pg";
import { textArray } from "#infra";
import { DomainError, type ErrorCode, type Ids } from "#kernel";
import { SECTIONS } from "#proof";
import type { AccountIds } from "./account-id.ts";
import { toHold, Wanted } from "./batch-load.ts";
import { saveBatch } from "./batch-save.ts";
import type { Json } from "./json.ts";
import { Layer, Unloaded } from "./layer.ts";
import type { Asset, Hold } from "./model.ts";
import { type EarlierOutcome, Outcomes, outcomeKey } from "./outcomes.ts";
import { statement } from "./sql-text.ts";
import type { Idempotency, Submitted, Unit } from "./unit.ts";
import { type Head, UnitView } from "./unit-view.ts";

const SQL = {
  dueHolds: statement("load-due-holds"),
  idempotency: statement("load-idempotency"),
  saveWriter: statement("save-writer"),
} as const;

/** A unit that reads this many things it did not declare, one after the other, is a bug. */
const MAX_ROUNDS = 10_000;

/** Expiries in one transaction. A unit is decided only when no hold is due any more: swept or not, a due hold holds nothing. */
const MAX_EXPIRIES = 2_000;

/** Answers kept with their idempotency key, beside success: 404, 409 and a short balance. */
const STORED_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "insufficient_balance",
  "not_found",
  "already_locked",
  "not_expired",
  "tier_not_higher",
  "not_active",
]);

export type UnitResult = { readonly value: Submitted<Json> } | { readonly error: unknown };

export interface BatchContext {
  readonly accountIds: AccountIds;
  readonly ids: Ids;
  readonly writerId: string;
  /** Assets never change once they are there. */
  readonly assets: Map<string, Asset>;
}

export interface BatchResult {
  readonly results: readonly UnitResult[];
  readonly lines: number;
}

/** The COMMIT was sent and its answer never came: whether it holds must be asked under the head lock. */
export class CommitLost extends Error {
  readonly batchId: string;
  /** What to answer where it holds; null where its units are still to be decided. */
  readonly result: BatchResult | null;
  constructor(batchId: string, result: BatchResult | null, cause: unknown) {
    super("the connection was lost in COMMIT", { cause });
    this.batchId = batchId;
    this.result = result;
  }
}

export async function runBatch(
  client: Client,
  units: readonly Unit<Json>[],
  context: BatchContext,
): Promise<BatchResult> {
  const base = new Layer(null);
  for (const [code, asset] of context.assets) base.set("asset", code, asset);
  const [head, due, earlier] = await openBatch(client, units, base);
  await expireDue(client, base, due, head, context);
  if (due.length === MAX_EXPIRIES) {
    // More may be due than a batch should carry: they go first, by themselves, and then it is looked again.
    await commit(client, null, context, () => saveBatch(client, base.writes, [], head.nextSeq, head.now));
    return runBatch(client, units, context);
  }
  const outcomes = new Outcomes(earlier);

  const results: UnitResult[] = [];
  for (const unit of units) results.push(await decideUnit(client, base, unit, head, outcomes, context));
  rememberAssets(base, units, context);

  const { writes } = base;
  const lines = writes.transfers.length + writes.positions.length;
  const result: BatchResult = { results, lines };
  const changes =
    lines +
    writes.accounts.length +
    writes.newOwners.length +
    writes.wallets.size +
    writes.rows.size +
    writes.events.length;
  if (changes + writes.failed.length + outcomes.fresh.length === 0) {
    await client.query("ROLLBACK");
    return result;
  }
  await commit(client, result, context, () =>
    saveBatch(client, writes, outcomes.fresh, head.nextSeq, head.now),
  );
  return result;
}

/** Everything of the first round trip. Later statements see what was committed before the head was ours. */
async function openBatch(
  client: Client,
  units: readonly Unit<Json>[],
  base: Layer,
): Promise<[Head, Hold[], ReadonlyMap<string, EarlierOutcome>]> {
  const wanted = new Wanted();
  const keyed: Idempotency[] = [];
  for (const { reads, idempotency } of units) {
    if (idempotency) keyed.push(idempotency);
    if (!reads) continue;
    wanted.add("account", reads.accounts);
    wanted.add("position", reads.positions);
    wanted.add("owner", reads.owners);
    wanted.add("asset", reads.assets);
    // A first position takes the next index of its section.
    if (reads.positions?.length) wanted.add("sectionCount", (reads.assets ?? []).flatMap(sectionCountKeys));
    wanted.add("transfer", reads.transfers);
    wanted.add("failed", reads.transfers);
    wanted.add("transfer", reads.pendings);
    wanted.add("resolution", reads.pendings);
    wanted.add("hold", reads.pendings);
    for (const { table, key } of reads.rows ?? []) wanted.addRow(table, key);
  }
  const begin = client.query("BEGIN");
  const head = client.query<{ next_seq: number; now: number }>({
    name: "take-head",
    text: "SELECT next_seq, now FROM take_head()",
  });
  const due = client.query<Record<string, unknown>>({ ...SQL.dueHolds, values: [MAX_EXPIRIES] });
  const earlier =
    keyed.length === 0
      ? null
      : client.query<EarlierOutcome>({
          ...SQL.idempotency,
          values: [textArray(keyed.map((k) => k.principal)), textArray(keyed.map((k) => k.key))],
        });
  await settled([begin, head, due, ...(earlier ? [earlier] : []), ...wanted.load(client, base)]);
  const row = (await head).rows[0];
  if (!row) throw new Error("this ledger has no journal head");
  const stored = new Map<string, EarlierOutcome>();
  for (const record of earlier ? (await earlier).rows : []) stored.set(outcomeKey(record), record);
  return [{ nextSeq: row.next_seq, now: row.now }, (await due).rows.map(toHold), stored];
}

function sectionCountKeys(asset: string): string[] {
  return SECTIONS.map((_, place) => `${asset}/${place}`);
}

/** Waits for all, so that no rejection goes unheard, then throws the first. */
async function settled(promises: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(promises)) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}

async function expireDue(
  client: Client,
  base: Layer,
  due: readonly Hold[],
  head: Head,
  context: BatchContext,
) {
  if (due.length === 0) return;
  const wanted = new Wanted();
  wanted.add(
    "transfer",
    due.map((hold) => hold.transferId),
  );
  wanted.add(
    "account",
    due.flatMap((hold) => [hold.debitAccount, hold.creditAccount]),
  );
  await settled(wanted.load(client, base));
  const view = new UnitView(base, head, context.accountIds);
  for (const hold of due) view.expire(hold, context.ids.uuid());
}

async function decideUnit(
  client: Client,
  base: Layer,
  unit: Unit<Json>,
  head: Head,
  outcomes: Outcomes,
  context: BatchContext,
): Promise<UnitResult> {
  const replay = unit.idempotency && outcomes.find(unit.idempotency);
  if (replay) return replay;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const layer = new Layer(base);
    try {
      const value = unit.decide(new UnitView(layer, head, context.accountIds));
      layer.merge();
      if (unit.idempotency) outcomes.store(unit.idempotency, { ok: value });
      return { value: { value, replayed: false } };
    } catch (error) {
      if (error instanceof Unloaded) {
        const wanted = new Wanted();
        wanted.addUnloaded(error);
        await settled(wanted.load(client, base));
        continue;
      }
      if (unit.idempotency && error instanceof DomainError && STORED_ERRORS.has(error.code)) {
        const { code, message, details } = error;
        outcomes.store(unit.idempotency, { error: { code, message, details: (details ?? null) as Json } });
      }
      return { error };
    }
  }
  throw new Error(`unit ${unit.name} never stopped asking for more`);
}

function rememberAssets(base: Layer, units: readonly Unit<Json>[], context: BatchContext): void {
  for (const { reads } of units) {
    for (const code of reads?.assets ?? []) {
      const asset = base.has("asset", code) ? base.get("asset", code) : null;
      if (asset) context.assets.set(code, asset);
    }
  }
}

async function commit(
  client: Client,
  result: BatchResult | null,
  context: BatchContext,
  save: () => Promise<unknown>[],
): Promise<void> {
  const batchId = context.ids.uuid();
  const sent = save();
  sent.push(client.query({ ...SQL.saveWriter, values: [context.writerId, batchId] }));
  const committed = client.query("COMMIT");
  const [ended, ...saved] = await Promise.allSettled([committed, ...sent]);
  const refused = saved.find((outcome) => outcome.status === "rejected");
  if (ended.status === "fulfilled") {
    // COMMIT of a failed transaction is answered as a ROLLBACK, not as an error.
    if (refused) throw refused.reason;
    if (ended.value.command !== "COMMIT") throw new Error(`the batch ended in ${ended.value.command}`);
    return;
  }
  if (refused) {
    // The failure came before COMMIT could take effect only where the server itself reported it.
    if (isServerError(refused.reason)) throw refused.reason;
  }
  throw new CommitLost(batchId, result, ended.reason);
}

function isServerError(error: unknown): boolean {
  return typeof error === "object" && error !== null && "severity" in error && error.severity === "ERROR";
}
