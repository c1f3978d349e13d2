/**
 * The files of an epoch as text, as they went by while it was closed: publishing
 * it right after need not read and write them once more. It is given up where it
 * grows too large, or where some of it did not go by; then publishing reads it all
 * from Postgres, which is what every other process does. The bytes are the same.
 */
import { SECTIONS, type Section } from "#proof";

/** Some 100,000 changes. */
const MOST_CHARACTERS = 64 * 2 ** 20;

export class ClosedText {
  readonly #leaves = {} as Record<Section, string[]>;
  readonly #lines: string[] = [];
  /** Of the lines that went by: the first, and the one after the last. */
  #from: number | undefined;
  #to: number | undefined;
  #characters = 0;
  #isWhole = true;

  constructor() {
    for (const section of SECTIONS) this.#leaves[section] = [];
  }

  /** Leaf lines with their newlines, in the order of their file. */
  addLeaves(section: Section, text: string): void {
    this.#add(this.#leaves[section], text);
  }

  /** Journal lines from `first` on, without their newlines. */
  addLines(first: number, lines: readonly string[]): void {
    if (this.#to !== undefined && this.#to !== first) this.#giveUp();
    this.#from ??= first;
    this.#to = first + lines.length;
    this.#add(this.#lines, `${lines.join("\n")}\n`);
  }

  /** The leaf files and the journal lines `from` up to, not including, `to`; null where it has not all of that. */
  files(from: number, to: number): { leaves: Record<Section, string[]>; journal: string[] } | null {
    const hasLines = from === to ? this.#from === undefined : this.#from === from && this.#to === to;
    return this.#isWhole && hasLines ? { leaves: this.#leaves, journal: this.#lines } : null;
  }

  #add(pieces: string[], text: string): void {
    if (!this.#isWhole) return;
    this.#characters += text.length;
    if (this.#characters > MOST_CHARACTERS) this.#giveUp();
    else pieces.push(text);
  }

  #giveUp(): void {
    this.#isWhole = false;
    for (const section of SECTIONS) this.#leaves[section].length = 0;
    this.#lines.length = 0;
  }
}
