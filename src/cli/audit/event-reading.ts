/**
 * Reads what the contracts of a book said, from every node at once and piece by
 * piece, so that no answer is long; what the nodes say is compared as it comes, and
 * a single one is asked twice. In memory stays the chain of headers alone: events
 * that journal lines are held against go to a spool. Blocks that the chain cannot
 * take back are read once, however often the newest ones are asked for.
 */
import { type CommittedEpoch, type DeploymentRecord, isChainUnavailable } from "#infra";
import { SECTIONS, type Section } from "#proof";
import { AskedTwice } from "./asked-twice.ts";
import { type ChainEvent, type ReadEvents, readLogs } from "./chain-events.ts";
import { type Difference, EventComparison } from "./event-comparison.ts";
import type { Node } from "./nodes.ts";
import type { EventSpool, SpoolMark } from "./store/event-spool.ts";

/** What escapes have paid of each section, in a frozen book. */
export type Escaped = Readonly<Partial<Record<Section, bigint>>>;

export interface BookEvents {
  /** Commits, finals, vetoes and the freeze, in the chain's order. */
  readonly ofHeaders: readonly ChainEvent[];
  /** With their headers, in the chain's order. */
  readonly commits: readonly CommittedEpoch[];
  readonly escaped: Escaped;
  /** What journal lines are held against, in the chain's order; to be read during the run alone. */
  readonly ofLines: Iterable<ChainEvent>;
}

const OF_HEADERS: readonly string[] = ["EpochCommitted", "EpochFinalized", "EpochVetoed", "Frozen"];
const OF_LINES: readonly string[] = [
  "EntryMade",
  "Claimed",
  "ExitDemanded",
  "WalletCancelled",
  "DemandServed",
];

export interface PieceLimits {
  /** Of the first question. */
  readonly firstBlocks: number;
  /** A long silence in front of many events shall not make one answer of them. */
  readonly mostBlocks: number;
  /** Of one answer; about as many are asked for. */
  readonly someEvents: number;
}

/** Where a node has refused a piece for its length, most that are twice as long as one that it took are refused too. */
const SLOWLY = 1.125;

const LIMITS: PieceLimits = { firstBlocks: 16, mostBlocks: 20_000, someEvents: 1_000 };

interface Settled {
  readonly to: number;
  /** Of that block, by node. */
  readonly hashes: readonly string[];
  readonly spool: SpoolMark;
  readonly ofHeaders: number;
  readonly commits: readonly number[];
  readonly escaped: Escaped;
  /** How many events the nodes said alike. */
  readonly alike: number;
}

export class EventReading {
  readonly #nodes: readonly Node[];
  readonly #record: DeploymentRecord;
  readonly #from: number;
  readonly #spool: EventSpool;
  #settled: Settled | undefined;
  #to: number;
  readonly #limits: PieceLimits;
  #blocks: number;
  #growth = 2;
  readonly #ofHeaders: ChainEvent[] = [];
  readonly #commits: CommittedEpoch[][];
  #escaped: Partial<Record<Section, bigint>> = {};
  #comparisons: EventComparison[];
  /** What was not asked for again so far. */
  #once: AskedTwice;

  /** @param from the first block that is read @param spool is filled anew */
  constructor(
    nodes: readonly Node[],
    record: DeploymentRecord,
    from: number,
    spool: EventSpool,
    limits = LIMITS,
  ) {
    this.#nodes = nodes;
    this.#record = record;
    this.#from = from;
    this.#spool = spool;
    this.#to = from - 1;
    this.#limits = limits;
    this.#blocks = limits.firstBlocks;
    this.#commits = nodes.map(() => []);
    this.#comparisons = nodes.slice(1).map(() => new EventComparison());
    this.#once = this.#askedOnce();
    spool.rewind();
  }

  #askedOnce(): AskedTwice {
    return new AskedTwice(this.#nodes[0]?.name ?? "the node");
  }

  /**
   * Goes back to what was settled, and on from there up to this block, which the chain does not take back.
   * @throws AnsweredDifferently
   */
  async settle(block: number): Promise<void> {
    const hashes = await this.#hashesOf(block);
    // Asked after the other one: that one stands on this.
    if (!(await this.stands())) this.restart();
    this.#rewind();
    if (!hashes || block <= this.#to) return;
    await this.read(block);
    await this.confirm();
    if (this.#comparisons.some(({ difference }) => difference)) return;
    this.#settled = {
      ...{ to: block, hashes, spool: this.#spool.mark(), ofHeaders: this.#ofHeaders.length },
      ...{ commits: this.#commits.map(({ length }) => length), escaped: { ...this.#escaped } },
      alike: this.#comparisons[0]?.count ?? 0,
    };
  }

  /** Reads on up to this block. */
  async read(block: number): Promise<void> {
    while (this.#to < block) {
      const from = this.#to + 1;
      const { to, said } = await this.#ask(from, Math.min(block, this.#to + this.#blocks));
      this.#take(said);
      if (this.#nodes.length === 1) this.#once.add(from, to, said[0]?.events ?? []);
      this.#to = to;
      this.#adapt(to - from + 1, Math.max(...said.map(({ events }) => events.length)));
    }
  }

  /**
   * Asks a single node again for what it has said since the last time: one answer may have left something out.
   * @throws AnsweredDifferently
   */
  async confirm(): Promise<void> {
    const once = this.#once;
    this.#once = this.#askedOnce();
    await once.confirm(async (from, until) => {
      const { to, said } = await this.#ask(from, until);
      return { to, events: said[0]?.events ?? [] };
    });
  }

  /** What the nodes say of these blocks, or of the first of them where one finds them too many. */
  async #ask(from: number, until: number): Promise<{ to: number; said: readonly ReadEvents[] }> {
    for (let to = until; ; ) {
      try {
        const said = this.#nodes.map(({ chain }) => readLogs(chain, this.#record, from, to));
        return { to, said: await Promise.all(said) };
      } catch (error) {
        // Refuses it a single block as well, it is not about the length.
        if (isChainUnavailable(error) || from === to) throw error;
        this.#blocks = Math.ceil((to - from + 1) / 2);
        this.#growth = SLOWLY;
        to = from + this.#blocks - 1;
      }
    }
  }

  /** Whether nothing was read of later blocks than this one. */
  isUpTo(block: number): boolean {
    return this.#to <= block;
  }

  /** Whether what was read once is what the nodes have. */
  async stands(): Promise<boolean> {
    if (!this.#settled) return true;
    const { to, hashes } = this.#settled;
    const now = await this.#hashesOf(to);
    return now !== null && hashes.every((hash, place) => hash === now[place]);
  }

  /** Everything is read anew. */
  restart(): void {
    this.#settled = undefined;
  }

  /** As one node says. */
  by(place: number): BookEvents {
    return {
      ofHeaders: this.#ofHeaders,
      commits: this.#commits[place] ?? [],
      escaped: this.#escaped,
      ofLines: this.#spool,
    };
  }

  /** Where a node's events differ from those of the first one. */
  difference(place: number): Difference | undefined {
    return this.#comparisons[place - 1]?.difference;
  }

  #rewind(): void {
    const { to, spool, ofHeaders, commits, escaped, alike } = this.#settled ?? {
      ...{ to: this.#from - 1, spool: undefined, ofHeaders: 0, commits: [], escaped: {}, alike: 0 },
    };
    this.#to = to;
    this.#once = this.#askedOnce();
    this.#spool.rewind(spool);
    this.#ofHeaders.length = ofHeaders;
    for (const [place, ofNode] of this.#commits.entries()) ofNode.length = commits[place] ?? 0;
    this.#escaped = { ...escaped };
    this.#comparisons = this.#comparisons.map(() => new EventComparison(alike));
  }

  #adapt(blocks: number, events: number): void {
    const { mostBlocks, someEvents } = this.#limits;
    if (events > someEvents) this.#blocks = Math.max(1, Math.floor((blocks * someEvents) / events));
    else if (events < someEvents / 2)
      this.#blocks = Math.min(mostBlocks, Math.ceil(this.#blocks * this.#growth));
  }

  #take(said: readonly ReadEvents[]): void {
    const [first, ...others] = said;
    for (const [place, { events }] of others.entries())
      this.#comparisons[place]?.add(first?.events ?? [], events);
    for (const [place, { commits }] of said.entries()) this.#commits[place]?.push(...commits);
    for (const event of first?.events ?? []) {
      const { name, args } = event;
      if (OF_HEADERS.includes(name)) this.#ofHeaders.push(event);
      else if (OF_LINES.includes(name)) this.#spool.append(event);
      const section = SECTIONS[Number(args.section)];
      if (name === "Escaped" && section)
        this.#escaped[section] = (this.#escaped[section] ?? 0n) + BigInt(args.amount ?? "0");
    }
  }

  /** By node; null where one does not have it. */
  async #hashesOf(block: number): Promise<string[] | null> {
    if (block < 0) return null;
    const blocks = await Promise.all(this.#nodes.map(({ chain }) => chain.provider.getBlock(block)));
    const hashes = blocks.flatMap((found) => found?.hash ?? []);
    return hashes.length === blocks.length ? hashes : null;
  }
}
