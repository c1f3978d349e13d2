/**
 * What may be done on the chain now, and how. It follows from where the chain
 * stands, the epochs that are closed, and the signatures that are there; nothing
 * is remembered. A finalize goes before a serve, and that before a commit: what
 * can become final is not held up, demands are not left open, and where there is
 * no window each epoch is final before the next is committed.
 *
 * Where a transaction is signed already for the account's next nonce, its action
 * goes first: a chain that lost them gets the same transactions again.
 */
import type { PoolClient } from "pg";
import { type Book, type ChainLeaf, type ChainNode, finalizeCalldata, serveCalldata } from "#infra";
import { type Hex, parseHeader, SECTIONS, type Section } from "#proof";
import { signaturesFor } from "./attestations.ts";
import type { ChainState } from "./chain-state.ts";
import { leafAtEpoch } from "./leaf-rows.ts";
import type { Action, BookRow, EpochStatus } from "./model.ts";
import { forChain } from "./next-header.ts";
import { siblingsOf } from "./proof-store.ts";
import { custodianOf, type SectionTrees } from "./section-trees.ts";
import type { Sender } from "./sender.ts";
import type { Call } from "./signed-transactions.ts";
import { firstRow, rows, SQL } from "./sql.ts";

/** An action, and what is sent for it. */
export interface ReadyAction extends Action {
  readonly call: Call;
}

export interface ActionParts {
  readonly book: BookRow;
  readonly sender: Sender;
  readonly contracts: Book;
  readonly trees: SectionTrees;
  /** Epochs that may wait to become final. */
  readonly mostWaiting: number;
}

/** The next to be sent; null where nothing may be. @param without names of actions that are left out */
export async function nextAction(
  client: PoolClient,
  parts: ActionParts,
  state: ChainState,
  without: ReadonlySet<string>,
): Promise<ReadyAction | null> {
  const { book, sender } = parts;
  const allowed: ReadyAction[] = [];
  for (const find of [readyFinalize, readyServe, readyCommit]) {
    const action = await find(client, parts, state, without);
    if (action && !without.has(nameOf(action))) allowed.push(action);
  }
  if (allowed.length < 2) return allowed[0] ?? null;
  const values = [book.chainId, sender.address, await sender.nextNonce()];
  const signed = await rows<Action & { book: number }>(client, SQL.transactionsAtNonce, values);
  const names = new Set(signed.filter((row) => row.book === book.id).map(nameOf));
  return allowed.find((action) => names.has(nameOf(action))) ?? allowed[0] ?? null;
}

/** One name for an action, whichever nonce or hash it gets. */
export function nameOf({ kind, subject }: Pick<Action, "kind" | "subject">): string {
  return `${kind} ${subject}`;
}

interface EpochRow {
  readonly number: number;
  readonly header: unknown;
  readonly header_hash: Hex;
  readonly status: EpochStatus;
}

interface DemandRow {
  readonly section: number;
  readonly index: number;
  readonly seq: number;
  readonly key: Hex;
}

/** The oldest epoch that is not final, once its window is over by the newest block, and enough attesters signed. */
async function readyFinalize(
  client: PoolClient,
  { book }: ActionParts,
  { lastCommitted, lastFinal, oldestCommittedAt, rules, head }: ChainState,
): Promise<ReadyAction | null> {
  if (lastFinal >= lastCommitted) return null;
  if (oldestCommittedAt === null) return null;
  const { windowSeconds } = rules;
  if (windowSeconds > 0 && head.timestamp < oldestCommittedAt + windowSeconds) return null;
  const epoch = await epochRow(client, book, lastFinal + 1);
  if (!epoch) return null;
  const signatures = await signaturesFor(client, epoch.header_hash, rules);
  if (!signatures) return null;
  const data = finalizeCalldata(forChain(parseHeader(epoch.header)), signatures);
  const call = { to: book.registry, data };
  return { kind: "finalize", epoch: epoch.number, subject: epoch.header_hash, call };
}

/** The oldest demand whose position stands at 0 in the newest final epoch, where that was committed after the demand. */
async function readyServe(
  client: PoolClient,
  parts: ActionParts,
  state: ChainState,
  without: ReadonlySet<string>,
): Promise<ReadyAction | null> {
  const { book } = parts;
  const epoch = await epochRow(client, book, state.lastFinal);
  if (!epoch) return null;
  const demands = await rows<DemandRow>(client, SQL.emptiedDemands, [book.id, epoch.number]);
  for (const demand of demands) {
    const subject = `${demand.section}/${demand.index}/${demand.seq}`;
    if (without.has(nameOf({ kind: "serve", subject }))) continue;
    const call = await serveCall(client, parts, epoch, demand);
    if (call) return { kind: "serve", epoch: epoch.number, subject, call };
  }
  return null;
}

/** Null where the custodian has no such demand (any more), or one that came after the epoch's commit. */
async function serveCall(
  client: PoolClient,
  { book, contracts, trees }: ActionParts,
  epoch: EpochRow,
  { section: number, index, key }: DemandRow,
): Promise<Call | null> {
  const section = SECTIONS[number] as Section;
  const [stands, committedAt] = [
    await contracts.demandOf(section, BigInt(index)),
    await contracts.committedAt(BigInt(epoch.number)),
  ];
  if (stands.key !== key || committedAt === null || BigInt(committedAt) <= stands.demandedAt) return null;
  const leaf = await leafAtEpoch(client, book.id, section, index, epoch.number);
  if (!leaf) throw new Error(`epoch ${epoch.number} has no leaf ${index} in ${section}`);
  const header = parseHeader(epoch.header);
  const siblings = await siblingsOf(client, trees, section, leaf, header);
  const data = serveCalldata(section, forChain(header), leaf as ChainLeaf, siblings as ChainNode[]);
  return { to: custodianOf(book, section), data };
}

/** The next epoch that is closed, while the registry takes another one before the oldest is final. */
async function readyCommit(
  client: PoolClient,
  { book, mostWaiting }: ActionParts,
  { lastCommitted, lastFinal }: ChainState,
): Promise<ReadyAction | null> {
  if (lastCommitted + 1 > lastFinal + mostWaiting) return null;
  const epoch = await epochRow(client, book, lastCommitted + 1);
  if (!epoch || epoch.status === "vetoed" || epoch.status === "cancelled") return null;
  const values = [book.id, epoch.number, "commit"];
  const row = await firstRow<{ calldata: Hex }>(client, SQL.loadCalldata, values);
  if (!row) throw new Error(`the outbox has no commit of epoch ${epoch.number}`);
  const call = { to: book.registry, data: row.calldata };
  return { kind: "commit", epoch: epoch.number, subject: epoch.header_hash, call };
}

async function epochRow(client: PoolClient, book: BookRow, number: number): Promise<EpochRow | null> {
  const row = await firstRow<EpochRow>(client, SQL.epochsFrom, [book.id, number, 1]);
  return row?.number === number ? row : null;
}
