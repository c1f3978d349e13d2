/** The leaf files of an epoch as text, and their hashes while the leaves go by: nothing is held. */
import {
  dataHash,
  encodeLeafLine,
  type Hex,
  KeccakStream,
  type Leaf,
  SECTIONS,
  type Section,
  toHex,
} from "#proof";
import type { ClosedText } from "./closed-text.ts";
import type { LeafPage } from "./leaf-rows.ts";

const utf8 = new TextEncoder();

/** Lines with their newlines. */
export function leafLines(leaves: readonly Leaf[]): string {
  return leaves.map((leaf) => `${encodeLeafLine(leaf)}\n`).join("");
}

export class LeafFiles {
  readonly #hashes = {} as Record<Section, KeccakStream>;
  /** How many went by. */
  leaves = 0;

  readonly #text: ClosedText | undefined;

  /** @param text is told of what goes by */
  constructor(text?: ClosedText) {
    this.#text = text;
    for (const section of SECTIONS) this.#hashes[section] = new KeccakStream();
  }

  async *through(pages: AsyncIterable<LeafPage>): AsyncGenerator<LeafPage> {
    for await (const page of pages) {
      const lines = leafLines(page.leaves);
      this.#hashes[page.section].update(utf8.encode(lines));
      this.#text?.addLeaves(page.section, lines);
      this.leaves += page.leaves.length;
      yield page;
    }
  }

  /** A header's data hash over all that went by. */
  dataHash(): Hex {
    const hashes = {} as Record<Section, Hex>;
    for (const section of SECTIONS) hashes[section] = toHex(this.#hashes[section].digest());
    return dataHash(hashes);
  }
}
