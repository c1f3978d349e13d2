/**
 * One batch, one transaction: take the journal head, read what the units need,
 * decide them in order in memory, write with one statement a table, commit. Two
 * round trips where everything was declared. Whatever fails here fails for the
 * batch as a whole; who runs it again, and how, is the writer's business.
 *
 * Under load a batch is read and decided while the one before it is being
 * written (`decideAhead`), and written only if that one was the last
 * (`writeAhead`): the database works on one batch, this process on the next.
 */
import type { Client } from "pg";
import { sendTogether, textArray, uuidArray } from "#infra";
import { DomainError, type ErrorCode, type Ids, type UnixSeconds } from "#kernel";
import { SECTIONS } from "#proof";
import type { AccountIds } from "./account-id.ts";
import type { BatchClock } from "./batch-clock.ts";
import { toHold, Wanted } from "./batch-load.ts";
import { type Prepared, prepareSave } from "./batch-save.ts";
import type { Json } from "./json.ts";
import { Layer, Unloaded } from "./layer.ts";
import type { Hold } from "./model.ts";
import { type EarlierOutcome, Outcomes, outcomeKey } from "./outcomes.ts";
import { chainLineKey } from "./record-chain-event.ts";
import type { Retained } from "./retained.ts";
import { statement } from "./sql-text.ts";
import type { Idempotency, Submitted, Unit } from "./unit.ts";
import { type Head, UnitView } from "./unit-view.ts";

const SQL = {
  takeHead: statement("take-head"),
  takeHeadAfter: statement("take-head-after"),
  takeHeadRemembered: statement("take-head-remembered"),
  lastBatch: statement("read-last-batch"),
  now: statement("read-now"),
  dueHolds: statement("load-due-holds"),
  idempotency: statement("load-idempotency"),
} as const;

/** Named, because a role's or database's default may be another: later statements have to see what was committed before the head was ours. */
const BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED";

/** A unit that reads this many things it did not declare, one after the other, is a bug. */
const MAX_ROUNDS = 10_000;

/** Expiries in one transaction. A unit is decided only when no hold is due any more: swept or not, a due hold holds nothing. */
const MAX_EXPIRIES = 2_000;

/** Answers kept with their idempotency key, beside success: 404, 409 and a short balance. */
const STORED_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "insufficient_balance",
  "not_found",
  "already_locked",
  "wallet_taken",
  "wallet_change_announced",
  "no_wallet",
  "frozen",
  "not_expired",
  "tier_not_higher",
  "not_active",
  "not_closable",
  "exit_demanded",
]);

export type UnitResult = { readonly value: Submitted<Json> } | { readonly error: unknown };

export interface BatchContext {
  readonly accountIds: AccountIds;
  readonly ids: Ids;
  readonly writerId: string;
  readonly retained: Retained;
  readonly clock: BatchClock;
}

export interface BatchResult {
  readonly results: readonly UnitResult[];
  readonly lines: number;
  /** Where the journal goes on. */
  readonly nextSeq: number;
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

/** A batch that is decided: what its units are answered, and all that is still to be written for it. */
export interface Decided {
  readonly base: Layer;
  readonly head: Head;
  readonly outcomes: Outcomes;
  readonly result: BatchResult;
  readonly statements: readonly Prepared[];
  /** What it took for new without asking. Absent where it asked. */
  readonly assumed?: { readonly ids: readonly string[]; readonly keyed: readonly Idempotency[] };
}

/** A batch that was sent to the database with its COMMIT and has no answer yet. */
export interface UnderWay extends Decided {
  readonly batchId: string;
  /** The batch that was written last before it; null where that was none of a writer's. */
  readonly after: string | null;
}

/**
 * Takes the head, reads, decides, writes and commits.
 * @param onSent called where there is something to write, when all of it is under way
 */
export async function runBatch(
  client: Client,
  units: readonly Unit<Json>[],
  context: BatchContext,
  onSent?: (sent: UnderWay) => void,
): Promise<BatchResult> {
  const { retained, ids, writerId } = context;
  const batchId = ids.uuid();
  const base = new Layer(null, retained);
  const reads = readsOf(units);
  const { begin, head, asked } = sendTogether(client, () => ({
    begin: client.query(BEGIN),
    head: client.query<HeadRecord>({ ...SQL.takeHead, values: [writerId, batchId] }),
    asked: ask(client, reads, base),
  }));
  await settled([begin, head, ...asked.promises]);
  const row = (await head).rows[0];
  if (!row) throw new Error("this ledger has no journal head");
  const after = row.previous;
  context.clock.note(row.clock_ms);
  if (!retained.stillHolds(after, row.next_seq)) await settled(reads.wanted.load(client, base));

  const due = row.any_due ? await readDue(client, row.now) : [];
  const outcomes = new Outcomes(await asked.earlier());
  const place: Head = { nextSeq: row.next_seq, now: row.now };
  await expireDue(client, base, due, place, context);
  if (due.length === MAX_EXPIRIES) {
    // More may be due than a batch should carry: they go first, by themselves, and then it is looked again.
    const statements = prepareSave(base.writes, [], place.nextSeq, place.now);
    await commit(client, { batchId, after, base, head: place, outcomes, statements, result: null }, context);
    return runBatch(client, units, context, onSent);
  }
  const decided = await decideUnits(client, units, { base, head: place, outcomes }, context);
  if (isEmpty(decided)) {
    await client.query("ROLLBACK");
    return decided.result;
  }
  await commit(client, { ...decided, batchId, after }, context, onSent);
  return decided.result;
}

/**
 * Decides a batch on top of the one that is under way, as later units of a batch are decided on top of
 * earlier ones, while the database is busy with that. Nothing is locked, so that `writeAhead` has to find
 * that nobody else wrote meanwhile. What is read here may or may not show the batch under way: whatever
 * that one changed is found in its layer first.
 * @param reader a connection other than the writer's
 * @returns null where this batch has to be decided under the head
 */
export async function decideAhead(
  reader: Client,
  units: readonly Unit<Json>[],
  before: UnderWay,
  context: BatchContext,
): Promise<Decided | null> {
  const base = new Layer(null, before.base);
  const reads = readsOf(units);
  const { clock, dueHolds, asked } = sendTogether(reader, () => ({
    clock: reader.query<{ now: number }>(SQL.now),
    dueHolds: reader.query<Record<string, unknown>>({ ...SQL.dueHolds, values: [MAX_EXPIRIES] }),
    asked: ask(reader, reads, base),
  }));
  await settled([clock, dueHolds, ...asked.promises]);
  const now = Math.max((await clock).rows[0]?.now ?? 0, before.head.now);
  const stored = (await dueHolds).rows.map(toHold);
  if (stored.length === MAX_EXPIRIES) return null;
  const due = stored
    .filter(isDueAt(now))
    .filter((hold) => before.base.find("hold", hold.transferId) !== null);
  const known = new Set(due.map((hold) => hold.transferId));
  for (const [id, hold] of before.base.entries("hold"))
    if (hold && !known.has(id) && isDueAt(now)(hold)) due.push(hold);
  due.sort((a, b) => (a.expiresAt ?? 0) - (b.expiresAt ?? 0) || a.seq - b.seq);
  const head: Head = { nextSeq: before.result.nextSeq, now };
  const outcomes = new Outcomes(await asked.earlier(), before.outcomes);
  await expireDue(reader, base, due, head, context);
  return decideUnits(reader, units, { base, head, outcomes }, context);
}

/**
 * Decides a batch from what the writer remembers alone, so that a ledger with little to do answers after one
 * round trip: accounts it wrote or read before, ids and keys that it takes for new, the time by its own clock.
 * `writeAhead` has the database refuse it where any of that is wrong.
 * @returns null where more than that is needed, or where nothing is to be written and so nothing would be checked
 */
export function decideFromMemory(units: readonly Unit<Json>[], context: BatchContext): Decided | null {
  const { last } = context.retained;
  const clock = context.clock.now();
  if (!last || clock === null) return null;
  const base = new Layer(null, context.retained);
  const ids = units.flatMap(({ reads }) => reads?.transfers ?? []);
  for (const id of ids) {
    base.set("transfer", id, null);
    base.set("failed", id, null);
  }
  const { wanted, keyed } = readsOf(units);
  if (!wanted.isKnown(base)) return null;
  const head: Head = { nextSeq: last.nextSeq, now: Math.max(clock, last.time) };
  const outcomes = new Outcomes(new Map());
  const results: UnitResult[] = [];
  for (const unit of units) {
    const result = decideOnce(base, unit, head, outcomes, context);
    if (result instanceof Unloaded) return null;
    results.push(result);
  }
  const statements = prepareSave(base.writes, outcomes.fresh, head.nextSeq, head.now);
  if (statements.length === 0) return null;
  const lines = linesOf(base);
  const result = { results, lines, nextSeq: head.nextSeq + lines };
  return { base, head, outcomes, statements, result, assumed: { ids, keyed } };
}

/**
 * Writes what was decided ahead, all in one round trip.
 * @returns null where the batch that it was decided on did not come to be, or not as it was when it was sent
 * @throws the database's refusal (AB013) where somebody else wrote since
 */
export async function writeAhead(
  client: Client,
  decided: Decided,
  after: string,
  context: BatchContext,
  onSent?: (sent: UnderWay) => void,
): Promise<BatchResult | null> {
  if (context.retained.last?.batchId !== after) return null;
  decided.base.settleOn(context.retained);
  decided.outcomes.settle();
  if (isEmpty(decided)) {
    // Nothing to write, so the head does not tell; but what was answered has to be true by now.
    const { rows } = await client.query<{ last_batch: string | null }>(SQL.lastBatch);
    return rows[0]?.last_batch === after ? decided.result : null;
  }
  const batchId = context.ids.uuid();
  const place = [context.writerId, batchId, after, decided.head.now];
  const { assumed } = decided;
  const takeHead = assumed
    ? { ...SQL.takeHeadRemembered, values: [...place, uuidArray(assumed.ids), ...keyColumns(assumed.keyed)] }
    : { ...SQL.takeHeadAfter, values: place };
  await commit(client, { ...decided, batchId, after }, context, onSent, [BEGIN, takeHead]);
  return decided.result;
}

interface HeadRecord {
  readonly next_seq: number;
  readonly now: UnixSeconds;
  /** The batch that was written last. */
  readonly previous: string | null;
  readonly any_due: boolean;
  /** The database's clock, moved by the ledger's offset. */
  readonly clock_ms: number;
}

interface BatchReads {
  readonly wanted: Wanted;
  readonly keyed: readonly Idempotency[];
}

function readsOf(units: readonly Unit<Json>[]): BatchReads {
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
    wanted.add("chainLine", reads.chainEvents?.map(chainLineKey));
    wanted.add("transfer", reads.pendings);
    wanted.add("resolution", reads.pendings);
    wanted.add("hold", reads.pendings);
    for (const { table, key } of reads.rows ?? []) wanted.addRow(table, key);
  }
  return { wanted, keyed };
}

/** Sends everything that a batch reads, at once. */
function ask(client: Client, { wanted, keyed }: BatchReads, base: Layer) {
  const found =
    keyed.length === 0
      ? null
      : client.query<EarlierOutcome>({
          ...SQL.idempotency,
          values: keyColumns(keyed),
        });
  const earlier = async () =>
    new Map((found ? (await found).rows : []).map((record) => [outcomeKey(record), record]));
  const promises = [...(found ? [found] : []), ...wanted.load(client, base)];
  return { earlier, promises };
}

function keyColumns(keyed: readonly Idempotency[]): Buffer[] {
  return [textArray(keyed.map((k) => k.principal)), textArray(keyed.map((k) => k.key))];
}

async function readDue(client: Client, now: UnixSeconds): Promise<Hold[]> {
  const { rows } = await client.query<Record<string, unknown>>({ ...SQL.dueHolds, values: [MAX_EXPIRIES] });
  return rows.map(toHold).filter(isDueAt(now));
}

function isDueAt(now: UnixSeconds): (hold: Hold) => boolean {
  return ({ expiresAt }) => expiresAt !== null && expiresAt <= now;
}

async function decideUnits(
  client: Client,
  units: readonly Unit<Json>[],
  { base, head, outcomes }: Pick<Decided, "base" | "head" | "outcomes">,
  context: BatchContext,
): Promise<Decided> {
  const results: UnitResult[] = [];
  for (const unit of units) results.push(await decideUnit(client, base, unit, head, outcomes, context));
  const statements = prepareSave(base.writes, outcomes.fresh, head.nextSeq, head.now);
  const lines = linesOf(base);
  return { base, head, outcomes, statements, result: { results, lines, nextSeq: head.nextSeq + lines } };
}

/** Lines that a batch adds to the journal. */
function linesOf({ writes }: Layer): number {
  const { transfers, chainLines, positions, closings } = writes;
  return transfers.length + chainLines.length + positions.length + closings.length;
}

function isEmpty({ statements }: Decided): boolean {
  return statements.length === 0;
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
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const result = decideOnce(base, unit, head, outcomes, context);
    if (!(result instanceof Unloaded)) return result;
    const wanted = new Wanted();
    wanted.addUnloaded(result);
    await settled(wanted.load(client, base));
  }
  throw new Error(`unit ${unit.name} never stopped asking for more`);
}

/** @returns what is still to be loaded where the unit read something that nobody knows yet; it has left no trace then */
function decideOnce(
  base: Layer,
  unit: Unit<Json>,
  head: Head,
  outcomes: Outcomes,
  context: BatchContext,
): UnitResult | Unloaded {
  const replay = unit.idempotency && outcomes.find(unit.idempotency);
  if (replay) return replay;
  const layer = new Layer(base);
  try {
    const value = unit.decide(new UnitView(layer, head, context.accountIds));
    if (unit.dryRun) return { value: { value, replayed: false } };
    layer.merge();
    if (unit.idempotency) outcomes.store(unit.idempotency, { ok: value });
    return { value: { value, replayed: false } };
  } catch (error) {
    if (error instanceof Unloaded) return error;
    if (unit.idempotency && error instanceof DomainError && STORED_ERRORS.has(error.code)) {
      const { code, message, details } = error;
      outcomes.store(unit.idempotency, { error: { code, message, details: (details ?? null) as Json } });
    }
    return { error };
  }
}

async function commit(
  client: Client,
  batch: Omit<UnderWay, "result"> & { readonly result: BatchResult | null },
  context: BatchContext,
  onSent?: (sent: UnderWay) => void,
  opening: readonly (string | Prepared)[] = [],
): Promise<void> {
  const { batchId, after, base, head, statements, result } = batch;
  const { sent, committed } = sendTogether(client, () => ({
    sent: [...opening, ...statements].map((one) => client.query(one as Prepared)),
    committed: client.query("COMMIT"),
  }));
  if (result) onSent?.({ ...batch, result });
  const [ended, ...saved] = await Promise.allSettled([committed, ...sent]);
  const refused = saved.find((outcome) => outcome.status === "rejected");
  if (ended.status === "fulfilled") {
    // COMMIT of a failed transaction is answered as a ROLLBACK, not as an error.
    if (refused) throw refused.reason;
    if (ended.value.command !== "COMMIT") throw new Error(`the batch ended in ${ended.value.command}`);
    context.retained.absorb(base, { batchId, nextSeq: head.nextSeq + linesOf(base), time: head.now }, after);
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
