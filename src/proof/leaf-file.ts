/**
 * Leaf files: what an epoch publishes of a section. One RFC 8785 object a line,
 * all members strings, in index order, a newline after every line. Reading is
 * strict: any other spelling of the same leaves is refused, because a header's
 * data hash binds the bytes.
 */
import { concatBytes, fromHex, type Hex, toHex } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { KeccakStream, keccak256 } from "./hash.ts";
import type { Leaf } from "./leaf.ts";
import { SECTIONS, type Section } from "./section.ts";
import { parseJson, readHex, readMembers, readU32, readUint, requireHex } from "./strict-json.ts";

const MEMBERS = ["amount", "index", "key", "kind", "owner", "quantity", "valid_until"];

/** One line, without its newline. @throws FormatError for hex that is not lower-case */
export function encodeLeafLine(leaf: Leaf): string {
  return (
    `{"amount":"${leaf.amount}","index":"${leaf.index}","key":"${requireHex(leaf.key, 32, "leaf.key")}"` +
    `,"kind":"${leaf.kind}","owner":"${requireHex(leaf.owner, 20, "leaf.owner")}","quantity":"${leaf.quantity}"` +
    `,"valid_until":"${leaf.validUntil}"}`
  );
}

/** A leaf as JSON members, as in proof documents. */
export function leafMembers(leaf: Leaf): Record<string, string> {
  return {
    index: `${leaf.index}`,
    owner: leaf.owner,
    key: leaf.key,
    amount: `${leaf.amount}`,
    valid_until: `${leaf.validUntil}`,
    kind: `${leaf.kind}`,
    quantity: `${leaf.quantity}`,
  };
}

/** @throws FormatError unless `line` is byte for byte what `encodeLeafLine` writes */
export function parseLeafLine(line: string): Leaf {
  const members = readMembers(parseJson(line, "leaf line"), "leaf line", MEMBERS);
  const leaf: Leaf = {
    index: readUint(members, "index", 64, "leaf line"),
    owner: readHex(members, "owner", 20, "leaf line"),
    key: readHex(members, "key", 32, "leaf line"),
    amount: readUint(members, "amount", 128, "leaf line"),
    validUntil: readUint(members, "valid_until", 64, "leaf line"),
    kind: readU32(members, "kind", "leaf line"),
    quantity: readU32(members, "quantity", "leaf line"),
  };
  if (encodeLeafLine(leaf) !== line) throw new FormatError("leaf line", "is not canonical JSON");
  return leaf;
}

/** A whole file; leaves must be in index order. */
export function encodeLeafFile(leaves: readonly Leaf[]): string {
  requireIndexOrder(leaves);
  return leaves.map((leaf) => `${encodeLeafLine(leaf)}\n`).join("");
}

export function parseLeafFile(file: string): Leaf[] {
  if (file === "") return [];
  if (!file.endsWith("\n")) throw new FormatError("leaf file", "must end with a newline");
  const leaves = file.slice(0, -1).split("\n").map(parseLeafLine);
  requireIndexOrder(leaves);
  return leaves;
}

function requireIndexOrder(leaves: readonly Leaf[]): void {
  for (let position = 1; position < leaves.length; position++)
    if ((leaves[position] as Leaf).index <= (leaves[position - 1] as Leaf).index)
      throw new FormatError("leaf file", `is not in index order at index ${leaves[position]?.index}`);
}

const text = new TextEncoder();

/** keccak256 of a leaf file, given as text or in pieces (lines with their newlines). */
export function leafFileHash(file: string | Iterable<string>): Hex {
  const stream = new KeccakStream();
  for (const piece of typeof file === "string" ? [file] : file) stream.update(text.encode(piece));
  return toHex(stream.digest());
}

/** A header's data hash: keccak256 over the five leaf-file hashes, in the order of the sections. */
export function dataHash(fileHashes: Readonly<Record<Section, Hex>>): Hex {
  const words = SECTIONS.map((section) => fromHex(fileHashes[section], 32, `hash of the ${section} file`));
  return toHex(keccak256(concatBytes(...words)));
}
