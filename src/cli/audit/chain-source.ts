/**
 * What the chain says of a book as of one moment: its events from a block on, its
 * state, its custodians. Logs and latest state are enough. Where two nodes are
 * asked, all that they say must be the same.
 */
import { setTimeout as wait } from "node:timers/promises";
import { isError } from "ethers";
import {
  Book,
  type Chain,
  type Custody,
  contractAt,
  type DeploymentRecord,
  type FinalSection,
  isChainUnavailable,
} from "#infra";
import { type Hex, SECTIONS, type Section } from "#proof";
import { readUnit, type TokenUnit } from "../amount-text.ts";
import { type BookEvents, readEvents } from "./chain-events.ts";
import { Lie } from "./checks.ts";
import { ASKED_AGAIN_AFTER_MS, agreed, DIFFERING, type Node, shown } from "./nodes.ts";

/** The state of the contracts. */
export interface ChainFacts {
  readonly block: { readonly number: number; readonly hash: Hex; readonly time: bigint };
  /** Null of a book without a token: it anchors headers, and nothing is held. */
  readonly tokens: ChainTokens | null;
  readonly lastCommitted: bigint;
  readonly lastFinal: bigint;
  /** The registry's own hash of the newest epoch; null before the first. */
  readonly newestHash: string | null;
  readonly totalPaid: bigint;
  /** Base units of direct entries that the newest epoch has not taken. */
  readonly waitingEntries: bigint;
  readonly lastEntry: bigint;
  readonly finalDepositSeq: bigint;
  /** 0 while the book works. */
  readonly frozenAt: bigint;
  /** In lower case. */
  readonly attesters: readonly Hex[];
  readonly threshold: number;
}

export interface ChainTokens extends TokenUnit {
  readonly custody: Custody;
  readonly finalSections: Readonly<Record<Section, FinalSection>>;
}

export interface ChainBook extends ChainFacts, BookEvents {
  readonly record: DeploymentRecord;
}

const ATTEMPTS = 20;

/**
 * All of it as of one moment: epochs go on being settled while it is read.
 * @param from the first block of which events are wanted
 * @param depth so many blocks deep honest nodes do not differ any more
 * @throws Lie `rpcs` where two nodes differ; Error where the chain moves on in every attempt, or its newest blocks differ
 */
export async function readChainBook(
  nodes: readonly Node[],
  record: DeploymentRecord,
  from: number,
  depth: number,
): Promise<ChainBook> {
  let differing = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const head = await commonHead(nodes);
    const found = await Promise.all(nodes.map((node) => readMoment(node, record, from, head)));
    const [first, ...others] = found;
    if (!first || others.includes(null)) continue;
    let differs: Lie | undefined;
    for (const [place, other] of others.entries())
      differs ??= difference(first, other as Moment, nodes[0] as Node, nodes[place + 1] as Node);
    if (!differs) return { record, ...first.facts, ...first.events };
    if (++differing === DIFFERING) {
      // Two chains are shown, or the newest blocks are two for a while.
      const isOneBlock = found.every((moment) => moment?.facts.block.hash === first.facts.block.hash);
      if (!isOneBlock && (await haveSame(nodes, Math.max(0, head - depth))))
        throw new Error(`${differs.message}; ${depth} blocks deeper they agree`);
      throw differs;
    }
    await wait(ASKED_AGAIN_AFTER_MS);
  }
  throw new Error("the chain went on during every attempt to read it as of one moment");
}

/** The newest block that every node has. */
async function commonHead(nodes: readonly Node[]): Promise<number> {
  const heads = await Promise.all(nodes.map(({ chain }) => chain.provider.getBlockNumber()));
  return Math.min(...heads);
}

async function haveSame(nodes: readonly Node[], block: number): Promise<boolean> {
  const blocks = await Promise.all(nodes.map(({ chain }) => chain.provider.getBlock(block)));
  return new Set(blocks.map((found) => found?.hash)).size === 1;
}

interface Moment {
  readonly facts: ChainFacts;
  readonly events: BookEvents;
}

/** Null where the node moved on meanwhile, or was given another block in that one's place. */
async function readMoment(
  { chain }: Node,
  record: DeploymentRecord,
  from: number,
  head: number,
): Promise<Moment | null> {
  const block = await chain.provider.getBlock(head);
  if (!block?.hash) return null;
  const events = await readEvents(chain, record, from, block.number);
  const facts =
    (await factsAt(chain, record, events, block.number)) ??
    (await factsUnmoved(chain, record, events, block.number));
  if (!facts) return null;
  const again = await chain.provider.getBlock(block.number);
  if (again?.hash !== block.hash) return null;
  const place = { number: block.number, hash: block.hash as Hex, time: BigInt(block.timestamp) };
  return { facts: { ...facts, block: place }, events };
}

type State = Omit<ChainFacts, "block">;

/** Null where the node does not have the state of that block (any more). */
async function factsAt(
  chain: Chain,
  record: DeploymentRecord,
  events: BookEvents,
  at: number,
): Promise<State | null> {
  try {
    return await readFacts(chain, record, events, at);
  } catch (error) {
    if (isChainUnavailable(error)) throw error;
    return null;
  }
}

/** Null unless this is the latest block before and after. */
async function factsUnmoved(
  chain: Chain,
  record: DeploymentRecord,
  events: BookEvents,
  at: number,
): Promise<State | null> {
  if ((await chain.provider.getBlockNumber()) !== at) return null;
  const facts = await readFacts(chain, record, events, "latest");
  return (await chain.provider.getBlockNumber()) === at ? facts : null;
}

async function readFacts(
  chain: Chain,
  record: DeploymentRecord,
  { commits }: BookEvents,
  at: number | "latest",
): Promise<State> {
  const book = new Book(chain, record, at);
  const registry = contractAt(chain, "SettlementRegistry", record.registry);
  const ask = <T>(name: string, ...args: unknown[]): Promise<T> =>
    registry.getFunction(name)(...args, { blockTag: at });
  const lastCommitted = await book.lastCommitted();
  const [lastFinal, totalPaid, lastEntry, frozenAt, attesters, threshold, finalDepositSeq] =
    await Promise.all([
      book.lastFinal(),
      book.totalPaid(),
      ask<bigint>("lastEntry"),
      ask<bigint>("frozenAt"),
      ask<string[]>("attesters"),
      ask<bigint>("threshold"),
      ask<bigint>("finalDepositSeq"),
    ]);
  const newestHash = lastCommitted === 0n ? null : await book.headerHashOf(lastCommitted);
  const taken =
    commits.find(({ headerHash }) => headerHash === newestHash)?.header.depositSeq ?? finalDepositSeq;
  return {
    ...{ lastCommitted, lastFinal, totalPaid, lastEntry, finalDepositSeq, frozenAt, newestHash },
    waitingEntries: await ask<bigint>("untakenEntries", taken),
    attesters: [...attesters].map((address) => address.toLowerCase() as Hex),
    threshold: Number(threshold),
    tokens: BigInt(record.token) === 0n ? null : await readTokens(chain, book),
  };
}

async function readTokens(chain: Chain, book: Book): Promise<ChainTokens> {
  const finalSections = {} as Record<Section, FinalSection>;
  for (const section of SECTIONS) finalSections[section] = await book.finalSection(section);
  return { ...(await readUnit(chain, book.record.token)), finalSections, custody: await book.custody() };
}

/** The first thing that two nodes say otherwise; undefined where there is none. */
function difference(ours: Moment, theirs: Moment, first: Node, second: Node): Lie | undefined {
  const lie = (what: string, one: unknown, other: unknown) =>
    new Lie("rpcs", {}, `${what}: ${first.name} says ${shown(one)}, ${second.name} says ${shown(other)}`);
  const { block, ...facts } = ours.facts;
  if (block.hash !== theirs.facts.block.hash)
    return lie(`the hash of block ${block.number}`, block.hash, theirs.facts.block.hash);
  if (block.time !== theirs.facts.block.time)
    return lie(`the time of block ${block.number}`, block.time, theirs.facts.block.time);
  for (const name of Object.keys(facts) as (keyof typeof facts)[])
    if (shown(facts[name]) !== shown(theirs.facts[name])) return lie(name, facts[name], theirs.facts[name]);
  for (const kind of ["events", "commits"] as const) {
    const [one, other] = [ours.events[kind], theirs.events[kind]];
    const place = one.findIndex((event, at) => shown(event) !== shown(other[at]));
    if (place >= 0) return lie(`event ${place + 1} of the book`, one[place], other[place] ?? "nothing");
    if (other.length > one.length)
      return lie(`event ${one.length + 1} of the book`, "nothing", other[one.length]);
  }
  return undefined;
}

/**
 * Which contracts belong to a registry is the registry's own word.
 * @param fromBlock a hint where the events begin; a wrong one shows as missing epochs
 * @throws Lie `rpcs` where two nodes differ; Error where there is no such contract
 */
export async function recordOf(
  nodes: readonly Node[],
  registry: string,
  fromBlock: number,
): Promise<DeploymentRecord> {
  return agreed(nodes, "the contracts", ({ chain }) => readRecord(chain, registry, fromBlock));
}

async function readRecord(chain: Chain, registry: string, fromBlock: number): Promise<DeploymentRecord> {
  if ((await chain.provider.getCode(registry)) === "0x")
    throw new Error(`there is no contract at ${registry}`);
  const contract = contractAt(chain, "SettlementRegistry", registry);
  const custodians = {} as DeploymentRecord["custodians"];
  for (const [number, section] of SECTIONS.entries())
    custodians[section] = (await contract
      .getFunction("custodianOf")(number)
      .catch((error: unknown) => {
        if (!isError(error, "CALL_EXCEPTION") && !isError(error, "BAD_DATA")) throw error;
        throw new Error(`the contract at ${registry} is no settlement registry`, { cause: error });
      })) as string;
  return {
    chain_id: Number(chain.chainId),
    token: (await contract.getFunction("token")()) as string,
    registry,
    custodians,
    deployed_block: fromBlock,
  };
}
