/**
 * Chain events and their journal lines, held against each other: no line without
 * its event, none twice, and no epoch without the line of an event that had been
 * final for an hour when it closed. When the line was written is no matter: who
 * was away for a day writes it late, and closes no epoch before. They come one by
 * one as lines get to them. Kept are those that a line was passed for and that have
 * none, and those with a line that the chain may still take back; of all
 * others a place in the chain, up to which they have their line.
 */
import type { ChainLine, Header, LineBook } from "#proof";
import { type ChainEvent, eventKey } from "../chain-events.ts";
import { Lie } from "../checks.ts";

/** Of these the journal must have a line. */
const REQUIRED: readonly string[] = ["EntryMade", "Claimed", "ExitDemanded", "WalletCancelled"];
const LINE_WITHIN_SECONDS = 3_600n;
/** A server that leaves lines out, or writes them in any order, does not get the auditor's memory for it. */
const MOST_WAITING = 100_000;

/** Unix seconds of a block; null where the chain is not that far. */
export type BlockTime = (block: number) => Promise<bigint | null>;

export interface ChainLinesJson {
  readonly waiting: readonly ChainEvent[];
  readonly taken: readonly (readonly [key: string, block: number, logIndex: number, seq: string])[];
  readonly settled: Place;
  readonly lines: number;
  /** Of other books of the ledger. */
  readonly others: number;
}

/** Of an event on the chain. */
type Place = readonly [block: number, logIndex: number];

interface Taken {
  readonly place: Place;
  readonly seq: bigint;
}

export class ChainLines {
  /** In the order of the chain. */
  readonly #waiting = new Map<string, ChainEvent>();
  /** All that follow, and the next of them where it was looked at. */
  #ahead: Iterator<ChainEvent, void> = [][Symbol.iterator]();
  #next: ChainEvent | undefined;
  #requiredAhead = 0;
  /** Events behind the settled place that have their line, in about the order of the chain. */
  readonly #taken = new Map<string, Taken>();
  /** Every event up to there has its line, or waits for it; none will go from the chain. */
  #settled: Place = BEFORE_ALL;
  /** Of the last event that was taken in. */
  #last: Place = BEFORE_ALL;
  /** How many lines were matched with their events. */
  lines = 0;
  /** How many were of other books: whoever audits those holds them against their chain. */
  others = 0;
  readonly #book: LineBook;

  constructor(book: LineBook) {
    this.#book = book;
  }

  static fromJson({ waiting, taken, settled, lines, others }: ChainLinesJson, book: LineBook): ChainLines {
    const found = new ChainLines(book);
    for (const event of waiting) found.#waiting.set(eventKey(event), event);
    for (const [key, block, logIndex, seq] of taken)
      found.#taken.set(key, { place: [block, logIndex], seq: BigInt(seq) });
    found.#settled = settled;
    found.lines = lines;
    found.others = others;
    return found;
  }

  toJson(): ChainLinesJson {
    return {
      waiting: [...this.#waiting.values()],
      taken: [...this.#taken].map(([key, { place, seq }]) => [key, ...place, `${seq}`]),
      settled: this.#settled,
      lines: this.lines,
      others: this.others,
    };
  }

  /** How many events have no line and must have one. */
  get waiting(): number {
    return [...this.#waiting.values()].filter(isRequired).length + this.#requiredAhead;
  }

  /** How many are remembered to have their line. */
  get taken(): number {
    return this.#taken.size;
  }

  /**
   * The chain's events above a block, all of them, in the chain's order: they take the place of what was there before.
   * @param events gone through at once
   * @param again the same, gone through as lines are matched
   * @throws Lie where an event is gone that has its line
   */
  take(events: Iterable<ChainEvent>, again: Iterator<ChainEvent, void>, above: number): void {
    const gone = new Map([...this.#taken].filter(([, { place }]) => place[0] > above));
    this.#requiredAhead = 0;
    for (const event of events) {
      const key = eventKey(event);
      gone.delete(key);
      if (isRequired(event) && !this.#isKnown(event, key)) this.#requiredAhead++;
    }
    for (const { seq } of gone.values())
      throw new Lie("chain_lines", { line: seq }, "its event was on the chain, and is not any more");
    for (const [key, event] of this.#waiting)
      if (event.block > above && isBehind(placeOf(event), this.#settled)) this.#waiting.delete(key);
    this.#ahead = again;
    this.#next = undefined;
    this.#last = this.#settled;
  }

  /** The last block all of whose events were taken in. */
  get takenUpTo(): number {
    return (this.#peek()?.block ?? Number.POSITIVE_INFINITY) - 1;
  }

  /** Of the oldest event that is remembered with its line. */
  get oldestTaken(): number {
    const [oldest] = this.#taken.values();
    return oldest?.place[0] ?? Number.POSITIVE_INFINITY;
  }

  /**
   * The event that a line tells of; null where it is another book's. A line that names no book is of this one.
   * @param until it cannot be of a later block
   * @throws Lie where there is none, or it has a line already
   */
  match(line: ChainLine, until: number): ChainEvent | null {
    const { chainId, registry } = this.#book;
    if (line.book && (line.book.chainId !== chainId || line.book.registry !== registry)) {
      this.others++;
      return null;
    }
    const key = eventKey(line);
    const event = this.#waiting.get(key) ?? this.#find(key, Math.min(Number(line.block), until), until);
    const place = { line: line.seq };
    if (!event) {
      const taken = this.#taken.get(key);
      const why = taken
        ? `has its line already: ${taken.seq}`
        : "is not on the chain, or has its line already";
      throw new Lie(
        "chain_lines",
        place,
        `the event ${line.event} in ${line.txHash}, log ${line.logIndex}, ${why}`,
      );
    }
    if (event.name !== line.event || BigInt(event.block) !== line.block)
      throw new Lie(
        "chain_lines",
        place,
        `says ${line.event} in block ${line.block}, the chain ${event.name} in block ${event.block}`,
      );
    if (event.block > until)
      throw new Lie(
        "chain_lines",
        place,
        `says ${line.event} in block ${line.block}, and its epoch was committed in block ${until}`,
      );
    this.#waiting.delete(key);
    this.#taken.set(key, { place: placeOf(event), seq: line.seq });
    this.lines++;
    return event;
  }

  /** Events up to this block stay on the chain: as far as they were taken in, which of them have their line is known without a list. */
  settle(block: number): void {
    this.#peek();
    const to: Place = this.#last[0] <= block ? this.#last : [block, Number.MAX_SAFE_INTEGER];
    if (isBehind(to, this.#settled)) this.#settled = to;
    for (const [key, { place }] of this.#taken) if (!isBehind(place, this.#settled)) this.#taken.delete(key);
  }

  /**
   * When an epoch's lines are all there: the events that still wait were not final an hour before it closed.
   * @param depth so many blocks make an event final
   * @throws Lie for the first that was
   */
  async requireLines(
    { epoch, closedAt }: Pick<Header, "epoch" | "closedAt">,
    depth: number,
    timeOf: BlockTime,
  ): Promise<void> {
    // In the order of the chain, where times do not fall: where the first is new enough, all behind it are.
    const event = this.#firstRequired();
    if (!event) return;
    const happened = await timeOf(event.block);
    // Cheap first: an hour after the event itself is not later than an hour after its finality.
    if (happened === null || closedAt <= happened + LINE_WITHIN_SECONDS) return;
    const final = await timeOf(event.block + depth);
    if (final === null || closedAt <= final + LINE_WITHIN_SECONDS) return;
    throw new Lie(
      "chain_lines",
      { epoch },
      `${event.name} of block ${event.block} (${event.txHash}, log ${event.logIndex}) was final at ${final}, ` +
        `and the epoch closed at ${closedAt}, more than an hour later, without its line`,
    );
  }

  /** The first of these events in a block from before that time which has no line yet. What happened until then is taken in. */
  async withoutLine(
    before: bigint,
    isWanted: (event: ChainEvent) => boolean,
    timeOf: BlockTime,
  ): Promise<ChainEvent | undefined> {
    const isBefore = async ({ block }: ChainEvent) => ((await timeOf(block)) ?? before) < before;
    for (let event = this.#peek(); event && (await isBefore(event)); event = this.#peek())
      this.#takeNext(event);
    for (const event of this.#waiting.values()) if (isWanted(event) && (await isBefore(event))) return event;
    return undefined;
  }

  /** Takes in what stands before it. */
  #find(key: string, block: number, until: number): ChainEvent | undefined {
    if (this.#taken.has(key)) return undefined;
    for (let event = this.#peek(); event && event.block <= block; event = this.#peek()) {
      this.#takeNext(event);
      if (eventKey(event) === key) return event;
    }
    // Of another block than the line says: it is told of, and nothing follows.
    for (let event = this.#peek(); event && event.block <= until; event = this.#peek()) {
      if (eventKey(event) === key) return event;
      this.#next = undefined;
    }
    return undefined;
  }

  /** No more are taken in for it than stand before it. */
  #firstRequired(): ChainEvent | undefined {
    for (const event of this.#waiting.values()) if (isRequired(event)) return event;
    for (let event = this.#peek(); event; event = this.#peek()) {
      this.#takeNext(event);
      if (isRequired(event)) return event;
    }
    return undefined;
  }

  /** Those that were taken in before are read once more, and let pass. */
  #peek(): ChainEvent | undefined {
    while (this.#next === undefined) {
      const { done, value } = this.#ahead.next();
      if (done) return undefined;
      if (this.#isKnown(value, eventKey(value))) this.#last = placeOf(value);
      else this.#next = value;
    }
    return this.#next;
  }

  #takeNext(event: ChainEvent): void {
    this.#next = undefined;
    this.#last = placeOf(event);
    if (this.#waiting.size >= MOST_WAITING)
      throw new Error(
        `more than ${MOST_WAITING} events of the chain wait for their lines, and the journal goes on behind them`,
      );
    this.#waiting.set(eventKey(event), event);
    if (isRequired(event)) this.#requiredAhead--;
  }

  #isKnown(event: ChainEvent, key: string): boolean {
    return !isBehind(placeOf(event), this.#settled) || this.#taken.has(key);
  }
}

const BEFORE_ALL: Place = [-1, -1];

function placeOf({ block, logIndex }: ChainEvent): Place {
  return [block, logIndex];
}

function isBehind([block, logIndex]: Place, [ofBlock, ofLogIndex]: Place): boolean {
  return block > ofBlock || (block === ofBlock && logIndex > ofLogIndex);
}

function isRequired({ name }: ChainEvent): boolean {
  return REQUIRED.includes(name);
}
