/**
 * Who demands a position on-chain gets it: from the demand's line to the line
 * that says it was served only its sweep debits the account, the sweep goes to
 * the payouts of the position's owner, and once the demand is due no epoch closes
 * with anything left. A demand that nobody served for seven days is overdue.
 */
import { toRfc3339 } from "#kernel";
import {
  type Header,
  type Hex,
  isSection,
  SECTIONS,
  type Section,
  type TransferLine,
  toSafeInteger,
} from "#proof";
import type { ChainEvent } from "../chain-events.ts";
import { Lie } from "../checks.ts";
import type { BookReplay } from "../store/book-replay.ts";

/** As the contract has it. */
const SERVE_WITHIN_SECONDS = 7n * 86_400n;
/** Closing an epoch takes a moment: what becomes due meanwhile is swept by the next one. */
const CLOSING_SECONDS = 300n;
const SWEEP = "exit_sweep";

/** As JSON has it. */
interface OpenDemand {
  readonly section: Section;
  readonly index: string;
  readonly due: string;
  /** Number and time of the demand's line. */
  readonly seq: string;
  readonly time: string;
  /** When something came in where nothing was left. */
  readonly since?: string;
}

/** As JSON has it. */
interface Sweep {
  readonly section: Section;
  readonly index: string;
  readonly credit: string;
  readonly seq: string;
}

export interface DemandRuleJson {
  readonly sweeps: readonly Sweep[];
  readonly open: readonly OpenDemand[];
  readonly swept: number;
}

export class DemandRule {
  /** By position number; while the lines say that it is open. */
  readonly #open = new Map<number, OpenDemand>();
  /** Since the last closing; the line of the payouts' position may stand behind the first sweep into it. */
  #sweeps: Sweep[] = [];
  swept = 0;

  static fromJson({ sweeps, open, swept }: DemandRuleJson, replay: BookReplay): DemandRule {
    const rule = new DemandRule();
    rule.#sweeps = [...sweeps];
    for (const demand of open)
      rule.#open.set(replay.positionAt(demand.section, BigInt(demand.index)), demand);
    rule.swept = swept;
    return rule;
  }

  toJson(): DemandRuleJson {
    return { sweeps: this.#sweeps, open: [...this.#open.values()], swept: this.swept };
  }

  get open(): number {
    return this.#open.size;
  }

  demanded(event: ChainEvent, seq: bigint, time: bigint, replay: BookReplay): void {
    const [position, section, index] = this.#positionOf(event, seq, replay);
    if (replay.positions.key(position) !== event.args.key)
      throw new Lie(
        "demands",
        { section, index, line: seq },
        "the demand names another key than the position's",
      );
    const due = event.args.due ?? "0";
    this.#open.set(position, { section, index: `${index}`, due, seq: `${seq}`, time: `${time}` });
  }

  served(event: ChainEvent, seq: bigint, replay: BookReplay): void {
    const [position, section, index] = this.#positionOf(event, seq, replay);
    if (!this.#open.delete(position))
      throw new Lie("demands", { section, index, line: seq }, "is said to be served, and no line demands it");
  }

  /** Before the line is applied. */
  transfer(line: TransferLine, replay: BookReplay): void {
    if (line.phase === "void" || line.phase === "expire") return;
    if (this.#open.size === 0 && line.code !== SWEEP) return;
    if (line.phase !== "pending") this.#cameIn(line, replay);
    const position = replay.positionOf(line.debit);
    const demand = position === undefined ? undefined : this.#open.get(position);
    if (position === undefined || !demand) {
      if (line.code === SWEEP)
        throw new Lie("demands", { line: line.seq }, "sweeps an account that nobody demanded");
      return;
    }
    const place = { section: demand.section, index: BigInt(demand.index), line: line.seq };
    if (line.code !== SWEEP)
      throw new Lie(
        "demands",
        place,
        `its owner demands it since line ${demand.seq}, and it is debited for ${line.code}`,
      );
    if (line.time < BigInt(demand.due))
      throw new Lie("demands", place, `is swept at ${line.time}, before it is due at ${demand.due}`);
    const { section, index } = demand;
    this.#sweeps.push({ section, index, credit: line.credit, seq: `${line.seq}` });
    this.swept++;
  }

  /** Nobody can be kept from giving to an account between its sweep and the closing. */
  #cameIn(line: TransferLine, replay: BookReplay): void {
    const position = replay.positionOf(line.credit);
    const demand = position === undefined ? undefined : this.#open.get(position);
    if (position !== undefined && demand && replay.leaf(position).amount === 0n)
      this.#open.set(position, { ...demand, since: `${line.time}` });
  }

  /**
   * At the end of an epoch's lines: what is due is swept.
   * @param userOf the key of the user whose wallet one is: a wallet may change between two positions of a user
   */
  closing(header: Header, replay: BookReplay, userOf: (wallet: Hex) => Hex | null): void {
    for (const sweep of this.#sweeps) requireOwnPayouts(sweep, replay, userOf);
    this.#sweeps = [];
    for (const [position, { section, index, due, time, since = "0" }] of this.#open) {
      const mayWait = (from: string) => BigInt(from) + CLOSING_SECONDS > header.closedAt;
      if ([due, time, since].some(mayWait)) continue;
      const { amount } = replay.leaf(position);
      if (amount !== 0n)
        throw new Lie(
          "demands",
          { epoch: header.epoch, section, index: BigInt(index) },
          `its owner's demand was due at ${due}, the epoch closed at ${header.closedAt} with ${amount} left in it`,
        );
    }
  }

  #positionOf({ args }: ChainEvent, seq: bigint, replay: BookReplay): [number, Section, bigint] {
    const section = sectionOf(args);
    const index = BigInt(args.index ?? "0");
    const position = replay.positionAt(section, index);
    if (position < 0) throw new Lie("demands", { section, index, line: seq }, "there is no such position");
    return [position, section, index];
  }
}

function requireOwnPayouts(
  { section, index, credit, seq }: Sweep,
  replay: BookReplay,
  userOf: (wallet: Hex) => Hex | null,
): void {
  const { positions } = replay;
  const { owner } = positions.meta(replay.positionAt(section, BigInt(index)));
  const target = replay.positionOf(credit);
  if (target !== undefined && positions.section(target) === "payouts") {
    const theirs = positions.meta(target).owner;
    const user = userOf(owner);
    if (theirs === owner || (user !== null && userOf(theirs) === user)) return;
  }
  throw new Lie(
    "demands",
    { section, index: BigInt(index), line: BigInt(seq) },
    `is swept to an account that is not the payouts of its owner ${owner}`,
  );
}

/** A demand as the chain has it, until it says that it was served. */
export interface ChainDemand {
  readonly section: Section;
  readonly index: string;
  readonly due: string;
  readonly block: number;
}

/** The demands that are open on the chain, as its events say. */
export class OpenDemands {
  readonly #open: Map<string, ChainDemand>;

  constructor(before: Iterable<ChainDemand> = []) {
    this.#open = new Map([...before].map((demand) => [`${demand.section} ${demand.index}`, demand]));
  }

  add({ name, args, block }: ChainEvent): void {
    const section = sectionOf(args);
    const index = args.index ?? "0";
    const key = `${section} ${index}`;
    if (name === "DemandServed") this.#open.delete(key);
    else this.#open.set(key, { section, index, due: args.due ?? "0", block });
  }

  list(): ChainDemand[] {
    return [...this.#open.values()];
  }
}

export function isOfDemand({ name }: ChainEvent): boolean {
  return name === "ExitDemanded" || name === "DemandServed";
}

/** @throws Lie for the first that could be frozen for */
export function requireServed(open: OpenDemands, now: bigint): void {
  for (const { section, index, due } of open.list())
    if (BigInt(due) + SERVE_WITHIN_SECONDS <= now)
      throw new Lie(
        "demands",
        { section, index: BigInt(index) },
        `its owner's demand was due at ${toRfc3339(toSafeInteger(BigInt(due), "due"))} and is not served: seven days are over, anyone may have the book frozen`,
      );
}

function sectionOf(args: Readonly<Record<string, string>>): Section {
  const section = SECTIONS[Number(args.section)];
  if (!isSection(section)) throw new Lie("demands", {}, `the chain names a section ${args.section}`);
  return section;
}
