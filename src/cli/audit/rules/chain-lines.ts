/**
 * Chain events and their journal lines, held against each other: no line without
 * its event, none twice, and no epoch without the line of an event that had been
 * final for an hour when it closed. When the line was written is no matter: who
 * was away for a day writes it late, and closes no epoch before. Only events that
 * wait for their line are kept, and those so new that the chain may still take
 * them back; the others come one by one as lines get to their block.
 */
import type { ChainLine, Header, LineBook } from "#proof";
import { type ChainEvent, eventKey } from "../chain-events.ts";
import { Lie } from "../checks.ts";

/** Of these the journal must have a line. */
const REQUIRED: readonly string[] = ["EntryMade", "Claimed", "ExitDemanded", "WalletCancelled"];
const LINE_WITHIN_SECONDS = 3_600n;

/** Unix seconds of a block; null where the chain is not that far. */
export type BlockTime = (block: number) => Promise<bigint | null>;

export interface ChainLinesJson {
  readonly waiting: readonly ChainEvent[];
  readonly taken: readonly (readonly [key: string, block: number, seq: string])[];
  readonly lines: number;
  /** Of other books of the ledger. */
  readonly others: number;
}

export class ChainLines {
  /** In the order of the chain. */
  readonly #waiting = new Map<string, ChainEvent>();
  /** All that follow, and the next of them where it was looked at. */
  #ahead: Iterator<ChainEvent, void> = [][Symbol.iterator]();
  #next: ChainEvent | undefined;
  #requiredAhead = 0;
  /** Events in blocks above the cursor that have their line. */
  readonly #taken = new Map<string, { readonly block: number; readonly seq: bigint }>();
  /** How many lines were matched with their events. */
  lines = 0;
  /** How many were of other books: whoever audits those holds them against their chain. */
  others = 0;
  readonly #book: LineBook;

  constructor(book: LineBook) {
    this.#book = book;
  }

  static fromJson({ waiting, taken, lines, others }: ChainLinesJson, book: LineBook): ChainLines {
    const found = new ChainLines(book);
    for (const event of waiting) found.#waiting.set(eventKey(event), event);
    for (const [key, block, seq] of taken) found.#taken.set(key, { block, seq: BigInt(seq) });
    found.lines = lines;
    found.others = others;
    return found;
  }

  toJson(): ChainLinesJson {
    return {
      waiting: [...this.#waiting.values()],
      taken: [...this.#taken].map(([key, { block, seq }]) => [key, block, `${seq}`]),
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
    const gone = new Map([...this.#taken].filter(([, { block }]) => block > above));
    this.#requiredAhead = 0;
    for (const event of events) {
      const key = eventKey(event);
      gone.delete(key);
      if (isRequired(event) && !this.#taken.has(key)) this.#requiredAhead++;
    }
    for (const { seq } of gone.values())
      throw new Lie("chain_lines", { line: seq }, "its event was on the chain, and is not any more");
    for (const [key, event] of this.#waiting) if (event.block > above) this.#waiting.delete(key);
    this.#ahead = again;
    this.#next = undefined;
  }

  /** Lines may follow for what stands in blocks up to this one. */
  takeUpTo(block: number): void {
    for (let event = this.#peek(); event && event.block <= block; event = this.#peek()) this.#takeNext(event);
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
    this.takeUpTo(Math.min(Number(line.block), until));
    const key = eventKey(line);
    // It may be of another block than the line says.
    if (!this.#waiting.has(key) && !this.#taken.has(key)) this.takeUpTo(until);
    const event = this.#waiting.get(key);
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
    this.#waiting.delete(key);
    this.#taken.set(key, { block: event.block, seq: line.seq });
    this.lines++;
    return event;
  }

  /** Events up to this block stay on the chain. */
  settle(block: number): void {
    for (const [key, taken] of this.#taken) if (taken.block <= block) this.#taken.delete(key);
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

  /** No more are taken in for it than stand before it. */
  #firstRequired(): ChainEvent | undefined {
    for (const event of this.#waiting.values()) if (isRequired(event)) return event;
    for (let event = this.#peek(); event; event = this.#peek())
      if (this.#takeNext(event) && isRequired(event)) return event;
    return undefined;
  }

  #peek(): ChainEvent | undefined {
    if (this.#next === undefined) {
      const { done, value } = this.#ahead.next();
      this.#next = done ? undefined : value;
    }
    return this.#next;
  }

  /** @returns false where it has its line: it was read once more */
  #takeNext(event: ChainEvent): boolean {
    this.#next = undefined;
    const key = eventKey(event);
    if (this.#taken.has(key)) return false;
    this.#waiting.set(key, event);
    if (isRequired(event)) this.#requiredAhead--;
    return true;
  }
}

function isRequired({ name }: ChainEvent): boolean {
  return REQUIRED.includes(name);
}
