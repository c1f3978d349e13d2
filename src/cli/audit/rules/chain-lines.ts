/**
 * Chain events and their journal lines, held against each other: no line without
 * its event, none twice, and no event that has been final for an hour without its
 * line. Only events that wait for their line are kept, and those so new that the
 * chain may still take them back.
 */
import type { ChainLine } from "#proof";
import { type ChainEvent, eventKey } from "../chain-events.ts";
import { Lie } from "../checks.ts";

/** Of these the journal must have a line. */
const REQUIRED: readonly string[] = ["EntryMade", "Claimed", "ExitDemanded", "WalletCancelled"];
/** Of these it may have one. */
const KEPT: readonly string[] = [...REQUIRED, "DemandServed"];
export const LINE_WITHIN_SECONDS = 3_600n;

/** Unix seconds of a block; null where the chain is not that far. */
export type BlockTime = (block: number) => Promise<bigint | null>;

export interface ChainLinesJson {
  readonly waiting: readonly ChainEvent[];
  readonly taken: readonly (readonly [key: string, block: number, seq: string])[];
  readonly lines: number;
}

export class ChainLines {
  readonly #waiting = new Map<string, ChainEvent>();
  /** Events in blocks above the cursor that have their line. */
  readonly #taken = new Map<string, { readonly block: number; readonly seq: bigint }>();
  /** How many lines were matched with their events. */
  lines = 0;

  static fromJson({ waiting, taken, lines }: ChainLinesJson): ChainLines {
    const found = new ChainLines();
    for (const event of waiting) found.#waiting.set(eventKey(event), event);
    for (const [key, block, seq] of taken) found.#taken.set(key, { block, seq: BigInt(seq) });
    found.lines = lines;
    return found;
  }

  toJson(): ChainLinesJson {
    return {
      waiting: [...this.#waiting.values()],
      taken: [...this.#taken].map(([key, { block, seq }]) => [key, block, `${seq}`]),
      lines: this.lines,
    };
  }

  get waiting(): readonly ChainEvent[] {
    return [...this.#waiting.values()].filter(({ name }) => REQUIRED.includes(name));
  }

  /**
   * The chain's events above a block, all of them: they take the place of what was there before.
   * @throws Lie where an event is gone that has its line
   */
  take(events: readonly ChainEvent[], above: number): void {
    const there = new Set<string>();
    for (const [key, event] of this.#waiting) if (event.block > above) this.#waiting.delete(key);
    for (const event of events) {
      if (event.block <= above || !KEPT.includes(event.name)) continue;
      const key = eventKey(event);
      there.add(key);
      if (!this.#taken.has(key)) this.#waiting.set(key, event);
    }
    for (const [key, { block, seq }] of this.#taken)
      if (block > above && !there.has(key))
        throw new Lie("chain_lines", { line: seq }, "its event was on the chain, and is not any more");
  }

  /** The event that a line tells of. @throws Lie where there is none, or it has a line already */
  match(line: ChainLine): ChainEvent {
    const key = eventKey(line);
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
   * Whether a line came in time, or is missing in an epoch that should have it.
   * @param by when it was written, or when the newest epoch closed that does not have it
   * @param depth so many blocks make an event final
   */
  async requireInTime(
    event: ChainEvent,
    by: bigint,
    depth: number,
    timeOf: BlockTime,
    line: bigint | undefined,
  ): Promise<void> {
    const happened = await timeOf(event.block);
    // Cheap first: what came within an hour of the event itself came within an hour of its finality.
    if (happened === null || by <= happened + LINE_WITHIN_SECONDS) return;
    const final = await timeOf(event.block + depth);
    if (final === null || by <= final + LINE_WITHIN_SECONDS) return;
    const what = `${event.name} of block ${event.block} was final at ${final}`;
    throw new Lie(
      "chain_lines",
      { line },
      line === undefined
        ? `${what}, and an epoch closed at ${by} without its line (${event.txHash}, log ${event.logIndex})`
        : `${what}, its line was written at ${by}: more than an hour later`,
    );
  }
}
