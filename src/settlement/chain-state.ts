/**
 * Brings what Postgres believes of the chain in line with what the chain says.
 * The chain is asked first, always: at the start, after a crash, before anything
 * is sent. Because every header names its predecessor, one comparison at the
 * newest committed epoch speaks for all before it.
 */
import type { PoolClient } from "pg";
import type { Book, Chain, Log } from "#infra";
import { type Hex, toSafeInteger } from "#proof";
import type { Action, ActionKind, BookRow } from "./model.ts";
import type { Mined, Sender } from "./sender.ts";
import { firstRow, rows, SQL } from "./sql.ts";

/** Where the chain stands. */
export interface ChainState {
  readonly lastCommitted: number;
  readonly lastFinal: number;
}

/** The chain holds a header that this database did not make. Nothing may be touched until a person has looked. */
export class ForeignEpoch extends Error {
  constructor(epoch: number, onChain: string, here: string | undefined) {
    super(
      here === undefined
        ? `the chain has an epoch ${epoch} (header ${onChain}) that this database does not know`
        : `the chain has another header at epoch ${epoch}: ${onChain}, here it is ${here}`,
    );
    this.name = "ForeignEpoch";
  }
}

export interface ReconcileParts {
  readonly chain: Chain;
  readonly contracts: Book;
  readonly book: BookRow;
  readonly sender: Sender;
  readonly log: Log;
  /** Blocks on top of a finalize before an epoch counts as final. */
  readonly finalityDepth: number;
}

/** How many recorded transactions are looked at again; a reorg deeper than this shows in the epochs themselves. */
const RECHECKED = 8;
const LEARNED_AT_ONCE = 200;

/** @throws ForeignEpoch, or what `isChainUnavailable` knows */
export async function reconcile(client: PoolClient, parts: ReconcileParts): Promise<ChainState> {
  const state = await readState(parts.contracts);
  await refuseForeign(client, parts, state);
  const lost = await rows<Action>(client, SQL.unlearn, [parts.book.id, state.lastCommitted, state.lastFinal]);
  if (lost.length > 0)
    parts.log.warn({ lost, ...state }, "the chain went back: these will be sent again, in order");
  await forgetMoved(client, parts);
  await learn(client, parts, state);
  return state;
}

/** Records what an action did. */
export async function record(
  client: PoolClient,
  parts: ReconcileParts,
  action: Action,
  mined: Mined,
): Promise<void> {
  const block = await parts.chain.provider.getBlock(mined.blockNumber);
  await client.query(SQL.recordMined, [
    parts.book.id,
    action.epoch,
    action.kind,
    mined.hash,
    mined.blockNumber,
    block?.timestamp ?? null,
    mined.gasUsed,
  ]);
}

/** Statuses follow what is recorded, and how deep it lies. */
export async function settleStatuses(
  client: PoolClient,
  parts: ReconcileParts,
  state: ChainState,
): Promise<void> {
  const head = await parts.chain.provider.getBlockNumber();
  const deepEnough = head - parts.finalityDepth;
  await client.query(SQL.settleStatuses, [parts.book.id, state.lastCommitted, state.lastFinal, deepEnough]);
}

async function readState(contracts: Book): Promise<ChainState> {
  const [lastCommitted, lastFinal] = await Promise.all([contracts.lastCommitted(), contracts.lastFinal()]);
  // Read side by side: a finalize in between must not look like a final epoch that was never committed.
  const committed = toCount(lastCommitted);
  return { lastCommitted: committed, lastFinal: Math.min(toCount(lastFinal), committed) };
}

function toCount(value: bigint): number {
  return toSafeInteger(value, "epoch on the chain");
}

async function refuseForeign(client: PoolClient, parts: ReconcileParts, state: ChainState): Promise<void> {
  const { lastCommitted } = state;
  if (lastCommitted === 0) return;
  const onChain = await parts.contracts.headerHashOf(BigInt(lastCommitted));
  const here = await firstRow<{ header_hash: Hex }>(client, SQL.epochsFrom, [
    parts.book.id,
    lastCommitted,
    1,
  ]);
  if (onChain !== null && onChain !== here?.header_hash)
    throw new ForeignEpoch(lastCommitted, onChain, here?.header_hash);
}

interface RecordedRow {
  epoch: number;
  kind: ActionKind;
  tx_hash: Hex;
  block_number: number;
}

/** A reorg may have mined the same action by another of its hashes, or in another block. */
async function forgetMoved(client: PoolClient, parts: ReconcileParts): Promise<void> {
  for (const row of await rows<RecordedRow>(client, SQL.newestRecorded, [parts.book.id, RECHECKED])) {
    const mined = await parts.sender.findMined([row.tx_hash]);
    if (mined?.blockNumber === row.block_number) return;
    await client.query(SQL.forgetRecorded, [parts.book.id, row.epoch, row.kind]);
  }
}

/** What was done without this database's knowledge: mined while it was away, or just before a crash. */
async function learn(client: PoolClient, parts: ReconcileParts, state: ChainState): Promise<void> {
  const values = [parts.book.id, state.lastCommitted, state.lastFinal, LEARNED_AT_ONCE];
  for (;;) {
    const actions = await rows<Action>(client, SQL.unlearnedActions, values);
    for (const action of actions)
      await record(client, parts, action, await findAction(client, parts, action));
    if (actions.length < LEARNED_AT_ONCE) break;
  }
  await settleStatuses(client, parts, state);
}

async function findAction(client: PoolClient, parts: ReconcileParts, action: Action): Promise<Mined> {
  const values = [parts.book.id, action.epoch, action.kind, null];
  const signed = await rows<{ hash: Hex }>(client, SQL.transactionsOfAction, values);
  const mined = await parts.sender.findMined(signed.map(({ hash }) => hash));
  if (mined) return mined;
  // Not by one of our hashes: somebody else may finalize, and a restored database may lack a hash.
  const number = BigInt(action.epoch);
  const event =
    action.kind === "commit"
      ? await parts.contracts.readCommitted(number)
      : await parts.contracts.readFinalized(number);
  const found = event && (await parts.sender.findMined([event.txHash]));
  if (!found) throw new Error(`the ${action.kind} of epoch ${action.epoch} is on the chain, but not found`);
  return found;
}
