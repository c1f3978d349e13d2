/**
 * Brings what Postgres believes of the chain in line with what the chain says.
 * The chain is asked first, always: at the start, after a crash, before anything
 * is sent. Because every header names its predecessor, one comparison at the
 * newest committed epoch speaks for all before it.
 */
import type { PoolClient } from "pg";
import {
  type Book,
  type Chain,
  ChainUnavailable,
  type DeploymentRecord,
  type FinalityRules,
  isUndecodable,
  type Log,
} from "#infra";
import { type Hex, toSafeInteger } from "#proof";
import type { Faults } from "./faults.ts";
import type { Action, BookRow } from "./model.ts";
import type { Mined, Sender } from "./sender.ts";
import { firstRow, rows, SQL } from "./sql.ts";
import { followFreeze, followVetoes } from "./vetoes.ts";

/** Where the chain stands. */
export interface ChainState {
  readonly lastCommitted: number;
  readonly lastFinal: number;
  /** Header hash of the newest committed epoch; null where there is none, or the chain dropped it while it was asked. */
  readonly committedHash: Hex | null;
  /** Unix seconds of the block that committed the oldest epoch that is not final; null where all are. */
  readonly oldestCommittedAt: number | null;
  readonly rules: FinalityRules;
  readonly head: Head;
}

interface Head {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
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

/** The node has nothing at the registry's address: it is of another chain, has lost its state, or the contracts file is. */
export class RegistryMissing extends Error {
  constructor({ chain_id: chainId, registry }: DeploymentRecord, cause: unknown) {
    super(
      `there is no contract at ${registry} on chain ${chainId}; is the contracts file of this chain, and has the node all of its blocks?`,
      { cause },
    );
    this.name = "RegistryMissing";
  }
}

export interface ReconcileParts {
  readonly chain: Chain;
  readonly contracts: Book;
  readonly book: BookRow;
  readonly sender: Sender;
  readonly log: Log;
  readonly faults: Faults;
  /** Blocks on top of a finalize before an epoch counts as final. */
  readonly finalityDepth: number;
}

const LEARNED_AT_ONCE = 200;

/**
 * @param seen of the chain a moment ago, where it is not to be asked now; the book's lock was held since then
 * @throws ForeignEpoch, RegistryMissing, or what `isChainUnavailable` knows
 */
export async function reconcile(
  client: PoolClient,
  parts: ReconcileParts,
  seen?: ChainState,
): Promise<ChainState> {
  const state = seen ?? (await lookAtChain(parts));
  const { windowSeconds, threshold, attesters } = state.rules;
  await client.query(SQL.keepRules, [
    ...[parts.book.id, windowSeconds, threshold, attesters, state.head.timestamp],
  ]);
  await refuseForeign(client, parts, state);
  await followVetoes(client, parts, state.lastCommitted);
  await followFreeze(client, parts, state.head.number);
  const lost = await rows<Action>(client, SQL.unlearn, [parts.book.id, state.lastCommitted, state.lastFinal]);
  if (lost.length > 0) {
    const { lastCommitted, lastFinal } = state;
    parts.log.warn(
      { lost, lastCommitted, lastFinal },
      "the chain went back: these will be sent again, in order",
    );
    await parts.faults("taken-back", state.lastCommitted + 1);
  }
  await forgetMoved(client, parts);
  await completeRecords(client, parts);
  await learn(client, parts, state);
  return state;
}

/** Records what a commit or finalize did. */
export async function record(
  client: PoolClient,
  parts: Pick<ReconcileParts, "book" | "chain">,
  action: Action,
  mined: Mined,
): Promise<void> {
  const block = await parts.chain.provider.getBlock(mined.blockNumber);
  await client.query(SQL.recordMined, [
    ...[parts.book.id, action.epoch, action.kind, mined.hash],
    ...[mined.blockNumber, mined.blockHash, block?.timestamp ?? null, mined.gasUsed],
  ]);
}

/** Asks the chain alone. @throws RegistryMissing, or what `isChainUnavailable` knows */
export async function lookAtChain(parts: ReconcileParts): Promise<ChainState> {
  return readState(parts).catch((error: unknown) => refuseMissing(error, parts));
}

/** Read side by side: a finalize in between must not look like a final epoch that was never committed. */
async function readState({ contracts, chain }: ReconcileParts): Promise<ChainState> {
  const [committed, final, rules] = await Promise.all([
    contracts.lastCommitted(),
    contracts.lastFinal(),
    contracts.rules(),
  ]);
  const lastCommitted = toCount(committed);
  const lastFinal = Math.min(toCount(final), lastCommitted);
  const [committedHash, oldestCommittedAt] = await Promise.all([
    lastCommitted > 0 ? contracts.headerHashOf(BigInt(lastCommitted)) : null,
    lastFinal < lastCommitted ? contracts.committedAt(BigInt(lastFinal + 1)) : null,
  ]);
  // Last: what was seen above is in this block or below.
  const head = await readHead(chain);
  return { lastCommitted, lastFinal, committedHash, oldestCommittedAt, rules, head };
}

/** ethers says of an address without code that it could not decode nothing. */
async function refuseMissing(error: unknown, { contracts, chain }: ReconcileParts): Promise<never> {
  if (isUndecodable(error) && (await chain.provider.getCode(contracts.record.registry)) === "0x")
    throw new RegistryMissing(contracts.record, error);
  throw error;
}

function toCount(value: bigint): number {
  return toSafeInteger(value, "epoch on the chain");
}

/** A node that names a latest block which it does not have is asked again later: depth and windows are counted from it. */
async function readHead({ provider }: Chain): Promise<Head> {
  const latest = await provider.getBlock("latest");
  const same = latest && (await provider.getBlock(latest.number));
  if (!latest || same?.hash !== latest.hash)
    throw new ChainUnavailable(
      provider._getConnection().url,
      new Error(`the node does not have its own latest block ${latest?.number ?? ""}`),
    );
  return { number: latest.number, timestamp: latest.timestamp };
}

async function refuseForeign(
  client: PoolClient,
  { book }: ReconcileParts,
  { lastCommitted, committedHash }: ChainState,
): Promise<void> {
  if (committedHash === null) return;
  const here = await firstRow<{ number: number; header_hash: Hex }>(client, SQL.epochsFrom, [
    ...[book.id, lastCommitted, 1],
  ]);
  if (committedHash !== here?.header_hash)
    throw new ForeignEpoch(lastCommitted, committedHash, here?.header_hash);
}

interface RecordedRow extends Action {
  readonly tx_hash: Hex;
  readonly block_number: number;
  readonly block_hash: Hex;
}

/** A reorg may have mined the same action by another of its hashes, or in another block: then it is learned anew. */
async function forgetMoved(client: PoolClient, parts: ReconcileParts): Promise<void> {
  for (;;) {
    const row = await firstRow<RecordedRow>(client, SQL.newestRecorded, [parts.book.id]);
    const block = row && (await parts.chain.provider.getBlock(row.block_number));
    // Blocks name their parents: where one is what it was, all before it are.
    if (!row || block?.hash === row.block_hash) return;
    await client.query(SQL.forgetRecorded, [parts.book.id, row.epoch, row.kind]);
  }
}

/** What was learned from an event while the node had no receipt. */
async function completeRecords(client: PoolClient, parts: ReconcileParts): Promise<void> {
  for (const row of await rows<RecordedRow>(client, SQL.incompleteRecords, [
    parts.book.id,
    LEARNED_AT_ONCE,
  ])) {
    const mined = await parts.sender.findMined([row.tx_hash]);
    if (!mined) return;
    await record(client, parts, row, mined);
  }
}

/** What was done without this database's knowledge: by others, while it was away, or just before a crash. */
async function learn(client: PoolClient, parts: ReconcileParts, state: ChainState): Promise<void> {
  const { lastCommitted, lastFinal, head } = state;
  for (;;) {
    const values = [parts.book.id, lastCommitted, lastFinal, LEARNED_AT_ONCE];
    const actions = await rows<Action>(client, SQL.unlearnedActions, values);
    for (const action of actions)
      await record(client, parts, action, await findAction(client, parts, action));
    if (actions.length < LEARNED_AT_ONCE) break;
  }
  // Statuses follow what is recorded, and how deep it lies.
  const deepEnough = head.number - parts.finalityDepth;
  await client.query(SQL.settleStatuses, [parts.book.id, lastCommitted, lastFinal, deepEnough]);
}

async function findAction(client: PoolClient, parts: ReconcileParts, action: Action): Promise<Mined> {
  const values = [parts.book.id, action.kind, action.subject, null];
  const signed = await rows<{ hash: Hex }>(client, SQL.transactionsOfAction, values);
  const mined = await parts.sender.findMined(signed.map(({ hash }) => hash));
  if (mined) return mined;
  // Not by one of our hashes: anybody may finalize, a restored database may lack a hash, a node a receipt.
  const number = BigInt(action.epoch);
  const event =
    action.kind === "commit"
      ? await parts.contracts.readCommitted(number)
      : await parts.contracts.readFinalized(number);
  if (event?.headerHash !== action.subject)
    throw new ChainUnavailable(
      parts.chain.provider._getConnection().url,
      new Error(`the ${action.kind} of epoch ${action.epoch} is on the chain, but the node does not find it`),
    );
  const { txHash: hash, blockNumber, blockHash } = event;
  return (await parts.sender.findMined([hash])) ?? { hash, blockNumber, blockHash, gasUsed: null };
}
