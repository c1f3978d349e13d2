/**
 * What the chain says of a book as of one moment: its events from a block on, its
 * state, its custodians. Logs and latest state are enough. Where two nodes are
 * asked, all that they say must be the same; a single one is asked for events twice.
 */
import { setTimeout as wait } from "node:timers/promises";
import { isError } from "ethers";
import {
  Book,
  type Chain,
  type CommittedEpoch,
  type Custody,
  contractAt,
  type DeploymentRecord,
  type FinalSection,
  isChainUnavailable,
} from "#infra";
import { type Hex, SECTIONS, type Section } from "#proof";
import { readUnit, type TokenUnit } from "../amount-text.ts";
import { AnsweredDifferently } from "./asked-twice.ts";
import { Lie } from "./checks.ts";
import type { BookEvents, EventReading } from "./event-reading.ts";
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
 * @param depth so many blocks deep honest nodes do not differ any more
 * @throws Lie `rpcs` where two nodes differ; Error where the chain moves on in every attempt, its newest blocks differ, or
 *   a single node answers differently each time
 */
export async function readChainBook(
  nodes: readonly Node[],
  record: DeploymentRecord,
  reading: EventReading,
  depth: number,
): Promise<ChainBook> {
  let times = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    let head: number;
    let found: ChainFacts[] | null;
    try {
      await reading.settle((await commonHead(nodes)) - depth);
      head = await commonHead(nodes);
      found = await readMoment(nodes, record, reading, head);
    } catch (error) {
      if (!(error instanceof AnsweredDifferently) || ++times === DIFFERING) throw error;
      await wait(ASKED_AGAIN_AFTER_MS);
      continue;
    }
    const [first, ...others] = found ?? [];
    if (!first) continue;
    let differs: Lie | undefined;
    for (const [place, other] of others.entries())
      differs ??=
        factsDifference(first, other, nodes[0] as Node, nodes[place + 1] as Node) ??
        eventsDifference(reading, place + 1, nodes);
    if (!differs) return { record, ...first, ...reading.by(0) };
    const isOneBlock = others.every(({ block }) => block.hash === first.block.hash);
    if (++times === DIFFERING) {
      // Two chains are shown, or the newest blocks are two for a while.
      if (!isOneBlock && (await haveSame(nodes, Math.max(0, head - depth))))
        throw new Error(`${differs.message}; ${depth} blocks deeper they agree`);
      throw differs;
    }
    if (isOneBlock) reading.restart();
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

/**
 * By node; null where one moved on meanwhile, or was given another block in that one's place.
 * @throws AnsweredDifferently where a single node says something else of the same blocks
 */
async function readMoment(
  nodes: readonly Node[],
  record: DeploymentRecord,
  reading: EventReading,
  head: number,
): Promise<ChainFacts[] | null> {
  if (!reading.isUpTo(head)) return null;
  const blockOf = () => Promise.all(nodes.map(({ chain }) => chain.provider.getBlock(head)));
  const blocks = await blockOf();
  await reading.read(head);
  const states = await Promise.all(
    nodes.map(async ({ chain }, place) => {
      const { commits } = reading.by(place);
      return (
        (await factsAt(chain, record, commits, head)) ?? (await factsUnmoved(chain, record, commits, head))
      );
    }),
  );
  const differs = await reading.confirm().catch((error: unknown) => {
    if (error instanceof AnsweredDifferently) return error;
    throw error;
  });
  const again = await blockOf();
  if (!(await reading.stands())) return null;
  const facts = states.flatMap((state, place) => {
    const block = blocks[place];
    if (!state || !block?.hash || again[place]?.hash !== block.hash) return [];
    return { ...state, block: { number: head, hash: block.hash as Hex, time: BigInt(block.timestamp) } };
  });
  if (facts.length !== nodes.length) return null;
  if (differs) throw differs;
  return facts;
}

type State = Omit<ChainFacts, "block">;

/** Null where the node does not have the state of that block (any more). */
async function factsAt(
  chain: Chain,
  record: DeploymentRecord,
  commits: readonly CommittedEpoch[],
  at: number,
): Promise<State | null> {
  try {
    return await readFacts(chain, record, commits, at);
  } catch (error) {
    if (isChainUnavailable(error)) throw error;
    return null;
  }
}

/** Null unless this is the latest block before and after. */
async function factsUnmoved(
  chain: Chain,
  record: DeploymentRecord,
  commits: readonly CommittedEpoch[],
  at: number,
): Promise<State | null> {
  if ((await chain.provider.getBlockNumber()) !== at) return null;
  const facts = await readFacts(chain, record, commits, "latest");
  return (await chain.provider.getBlockNumber()) === at ? facts : null;
}

async function readFacts(
  chain: Chain,
  record: DeploymentRecord,
  commits: readonly CommittedEpoch[],
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

type Said = readonly [what: string, one: unknown, other: unknown];

/** The first thing of the contracts' state that two nodes say otherwise; undefined where there is none. */
function factsDifference(ours: ChainFacts, theirs: ChainFacts, one: Node, other: Node): Lie | undefined {
  const { block, ...facts } = ours;
  const pairs: Said[] = [
    [`the hash of block ${block.number}`, block.hash, theirs.block.hash],
    [`the time of block ${block.number}`, block.time, theirs.block.time],
    ...(Object.keys(facts) as (keyof typeof facts)[]).map(
      (name) => [name, facts[name], theirs[name]] as const,
    ),
  ];
  const said = pairs.find(([, mine, yours]) => shown(mine) !== shown(yours));
  return said && differing(said, one, other);
}

function eventsDifference(reading: EventReading, place: number, nodes: readonly Node[]): Lie | undefined {
  const name = (number: number) => `event ${number + 1} of the book`;
  const [one, other] = [nodes[0] as Node, nodes[place] as Node];
  const event = reading.difference(place);
  if (event)
    return differing([name(event.place), event.one ?? "nothing", event.other ?? "nothing"], one, other);
  const [ours, theirs] = [reading.by(0).commits, reading.by(place).commits];
  const at = ours.findIndex((commit, number) => shown(commit) !== shown(theirs[number]));
  return at < 0 ? undefined : differing([name(at), ours[at], theirs[at]], one, other);
}

function differing([what, one, other]: Said, first: Node, second: Node): Lie {
  return new Lie(
    "rpcs",
    {},
    `${what}: ${first.name} says ${shown(one)}, ${second.name} says ${shown(other)}`,
  );
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
  return agreed(nodes, "the contracts", (node) => readRecord(node, registry, fromBlock));
}

async function readRecord(
  { name, chain }: Node,
  registry: string,
  fromBlock: number,
): Promise<DeploymentRecord> {
  if ((await chain.provider.getCode(registry)) === "0x")
    throw new Error(
      `${name} has no contract at ${registry} on chain ${chain.chainId}: is it the book's registry, and the node of its chain?`,
    );
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
