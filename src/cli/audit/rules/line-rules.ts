/**
 * What journal lines have to obey beside the replay, where the journal meets the
 * chain: lines of chain events, entries and claims, demands, owners, moves. Lines go in one by
 * one, the chain's events before them; a line that breaks a rule is a Lie with
 * its number.
 */
import type { Header, Hex, JournalLine } from "#proof";
import type { ChainEvent } from "../chain-events.ts";
import type { ChainBook } from "../chain-source.ts";
import { Lie } from "../checks.ts";
import type { BookReplay } from "../store/book-replay.ts";
import { type BlockTime, ChainLines, type ChainLinesJson } from "./chain-lines.ts";
import {
  type ChainDemand,
  DemandRule,
  type DemandRuleJson,
  isOfDemand,
  OpenDemands,
  requireServed,
} from "./demand-rule.ts";
import { EntryRule, type EntryRuleJson } from "./entry-rule.ts";
import { MoveRule, type MoveRuleJson } from "./move-rule.ts";
import { type OwnerBook, OwnerRule, type OwnerRuleJson, type VerifySignature } from "./owner-rule.ts";

export interface LineRulesJson {
  readonly time: string;
  readonly chain: ChainLinesJson;
  readonly entries: EntryRuleJson;
  readonly demands: DemandRuleJson;
  readonly owners: OwnerRuleJson;
  readonly moves: MoveRuleJson;
  /** Open on the chain, as of the cursor. */
  readonly demanded: readonly ChainDemand[];
}

/** What the chain adds at an epoch's closing. */
export interface ClosingChain {
  /** So many blocks make an event final. */
  readonly depth: number;
  readonly timeOf: BlockTime;
  /** The block of the epoch's commit. */
  readonly committed: number;
  readonly verify: VerifySignature;
  /** Every signature has to be shown to hold: somebody is going to vouch for the epoch. */
  readonly mustVerify?: boolean | undefined;
}

/** Clocks of servers differ a little; the registry allows as much. */
const CLOCK_SKEW_SECONDS = 900n;

export class LineRules {
  readonly chain: ChainLines;
  readonly entries: EntryRule;
  readonly demands: DemandRule;
  readonly owners: OwnerRule;
  readonly moves: MoveRule;
  readonly #demandedAtCursor: OpenDemands;
  #demanded: OpenDemands;
  /** Demands and what was served above the cursor, as far as events were gone through again. */
  #passed: ChainEvent[] = [];
  /** Of the newest line. */
  #time: bigint;
  readonly #replay: BookReplay;
  readonly #anchorsOnly: boolean;

  /** @param book `anchorsOnly`: it has no token */
  constructor(
    replay: BookReplay,
    book: Omit<OwnerBook, "asset"> & { readonly anchorsOnly: boolean },
    json?: LineRulesJson,
  ) {
    this.#replay = replay;
    this.#anchorsOnly = book.anchorsOnly;
    this.owners = new OwnerRule({ ...book, asset: replay.asset }, json?.owners);
    this.moves = new MoveRule(replay, (wallet) => this.owners.userOf(wallet), json?.moves);
    const ofBook = { chainId: book.chainId, registry: book.registry };
    this.chain = json ? ChainLines.fromJson(json.chain, ofBook) : new ChainLines(ofBook);
    this.entries = json ? EntryRule.fromJson(json.entries) : new EntryRule();
    this.demands = json ? DemandRule.fromJson(json.demands, replay) : new DemandRule();
    this.#demandedAtCursor = new OpenDemands(json?.demanded);
    this.#demanded = this.#demandedAtCursor;
    this.#time = BigInt(json?.time ?? "0");
  }

  toJson(): LineRulesJson {
    return {
      time: `${this.#time}`,
      chain: this.chain.toJson(),
      entries: this.entries.toJson(),
      demands: this.demands.toJson(),
      owners: this.owners.toJson(),
      moves: this.moves.toJson(),
      demanded: this.#demandedAtCursor.list(),
    };
  }

  /**
   * All events of the chain above the cursor, in its order.
   * @param events gone through here, and once more as lines follow
   */
  takeEvents(events: Iterable<ChainEvent>, cursor: number): void {
    if (this.#anchorsOnly) return;
    this.#demanded = new OpenDemands(this.#demandedAtCursor.list());
    this.#passed = [];
    const whole = eventsAbove(cursor, events, (event) => {
      if (isOfDemand(event)) this.#demanded.add(event);
    });
    const again = eventsAbove(cursor, events, (event) => {
      if (isOfDemand(event)) this.#passed.push(event);
    });
    this.chain.take(whole, again, cursor);
  }

  /** From now on events up to this block, which has to be taken in, are taken for good. */
  moveCursor(to: number): void {
    this.chain.settle(to);
    for (const event of this.#passed) if (event.block <= to) this.#demandedAtCursor.add(event);
    this.#passed = this.#passed.filter(({ block }) => block > to);
  }

  /**
   * Before the line is applied to the replay.
   * @param committed the block of its epoch's commit: what happened later it does not know
   * @throws Lie
   */
  apply(line: JournalLine, committed = Number.POSITIVE_INFINITY): void {
    if (line.time < this.#time)
      throw new Lie("journal", { line: line.seq }, `was written at ${line.time}, before the line before it`);
    this.#time = line.time;
    // Chain lines, entries and wallets are those of books with a token.
    if (this.#anchorsOnly) return;
    if (line.kind === "transfer") {
      if (line.asset !== this.#replay.asset) return;
      this.demands.transfer(line, this.#replay);
      this.entries.transfer(line, this.#replay);
      this.moves.transfer(line, this.entries.custody);
    } else if (line.kind === "position") {
      this.owners.position(line, this.#replay);
      this.moves.position(line);
    } else if (line.kind === "chain") {
      const event = this.chain.match(line, committed);
      if (!event) return;
      if (line.event === "EntryMade") {
        this.entries.entered(event, line.seq, this.owners.userOf(event.args.depositor as Hex));
        this.owners.entered(event);
      } else if (line.event === "Claimed") this.entries.claimed(event, line.seq);
      else if (line.event === "ExitDemanded") this.demands.demanded(event, line.seq, line.time, this.#replay);
      else if (line.event === "DemandServed") this.demands.served(event, line.seq, this.#replay);
      else if (line.event === "WalletCancelled") this.owners.cancelled(event);
    }
  }

  /** When an epoch's lines are all there. @throws Lie */
  async closing(header: Header, chain: ClosingChain): Promise<void> {
    const { epoch, closedAt } = header;
    const { depth, timeOf } = chain;
    if (closedAt + CLOCK_SKEW_SECONDS < this.#time)
      throw new Lie(
        "header_chain",
        { epoch },
        `it says that it closed at ${closedAt}, its last line is of ${this.#time}: it is backdated`,
      );
    if (this.#anchorsOnly) return;
    this.entries.closing(header, this.#replay);
    this.demands.closing(header, this.#replay, (wallet) => this.owners.userOf(wallet));
    this.moves.closing();
    await this.chain.requireLines(header, depth, timeOf);
    await this.owners.closing(header, chain, this.chain);
  }

  /** At the end: what the chain has and the newest epoch should have. @throws Lie */
  async nothingMissing(
    newest: Header | undefined,
    { block, frozenAt }: Pick<ChainBook, "block" | "frozenAt">,
    depth: number,
    timeOf: BlockTime,
  ): Promise<void> {
    if (newest) await this.chain.requireLines(newest, depth, timeOf);
    // In a frozen book demands mean nothing any more: what they ask for is escaped.
    if (frozenAt === 0n) requireServed(this.#demanded, block.time);
  }

  demandSummary({ frozenAt }: Pick<ChainBook, "frozenAt">): string {
    const { open, swept } = this.demands;
    const left = this.#demanded.list().length;
    const why = frozenAt === 0n || left === 0 ? "" : `; ${left} not served when the book was frozen`;
    return `${open} open in the journal, ${swept} swept${why}`;
  }
}

function* eventsAbove(
  block: number,
  events: Iterable<ChainEvent>,
  onEach: (event: ChainEvent) => void,
): Generator<ChainEvent, void> {
  for (const event of events) {
    if (event.block <= block) continue;
    onEach(event);
    yield event;
  }
}
