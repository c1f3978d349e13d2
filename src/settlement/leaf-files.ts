/** The leaf files of an epoch as text, and their hashes while the leaves go by: nothing is held. */
import {
  dataHash,
  encodeLeafLine,
  type Hex,
  KeccakStream,
  LEAF_RECORD,
  LEAF_RECORD_BYTES,
  type Leaf,
  SECTIONS,
  type Section,
  toHex,
} from "#proof";
import type { ClosedText } from "./closed-text.ts";

const utf8 = new TextEncoder();

const OWNER_DIGITS = 40;

/** Lines with their newlines. */
export function leafLines(leaves: readonly Leaf[]): string {
  return leaves.map((leaf) => `${encodeLeafLine(leaf)}\n`).join("");
}

/** As `encodeLeafLine` writes the leaf, with a newline. */
export function lineOfRecord(records: Uint8Array, at: number): string {
  const bytes = Buffer.from(records.buffer, records.byteOffset + at, LEAF_RECORD_BYTES);
  const hex = bytes.toString("hex", LEAF_RECORD.owner, LEAF_RECORD.amount);
  const amount =
    (bytes.readBigUInt64BE(LEAF_RECORD.amount) << 64n) | bytes.readBigUInt64BE(LEAF_RECORD.amount + 8);
  return (
    `{"amount":"${amount}","index":"${bytes.readBigUInt64BE(LEAF_RECORD.index)}","key":"0x${hex.slice(OWNER_DIGITS)}"` +
    `,"kind":"${bytes.readUInt32BE(LEAF_RECORD.kind)}","owner":"0x${hex.slice(0, OWNER_DIGITS)}"` +
    `,"quantity":"${bytes.readUInt32BE(LEAF_RECORD.quantity)}","valid_until":"${bytes.readBigUInt64BE(LEAF_RECORD.validUntil)}"}\n`
  );
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

  /** Leaves of one section, in index order, as the bytes that are hashed, of which those are published that `changed` says. */
  add(section: Section, records: Uint8Array, changed: readonly boolean[]): void {
    const lines = changed.flatMap((is, place) =>
      is ? lineOfRecord(records, place * LEAF_RECORD_BYTES) : [],
    );
    const text = lines.join("");
    this.#hashes[section].update(utf8.encode(text));
    this.#text?.addLeaves(section, text);
    this.leaves += lines.length;
  }

  /** A header's data hash over all that went by. */
  dataHash(): Hex {
    const hashes = {} as Record<Section, Hex>;
    for (const section of SECTIONS) hashes[section] = toHex(this.#hashes[section].digest());
    return dataHash(hashes);
  }
}
