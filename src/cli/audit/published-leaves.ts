/** Published leaf files against the leaves that they must have, line by line. */
import {
  encodeLeafLine,
  FormatError,
  type Hex,
  KeccakStream,
  type Leaf,
  parseLeafLine,
  type Section,
  toHex,
} from "#proof";
import { linesOf } from "./bounded-reads.ts";
import { Lie } from "./checks.ts";

interface FilePlace {
  readonly epoch: bigint;
  readonly section: Section;
}

/** Answers the file's hash. @throws Lie `leaves` that names the first leaf that differs */
export async function comparePublished(
  at: FilePlace,
  file: AsyncIterable<Uint8Array>,
  leaves: Iterable<Leaf>,
): Promise<Hex> {
  const hash = new KeccakStream();
  const expected = leaves[Symbol.iterator]();
  let next = expected.next();
  try {
    for await (const line of linesOf(hashed(file, hash))) {
      compareLeaf(at, line, next.value);
      next = expected.next();
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new Lie("leaves", { ...at, index: next.value?.index }, `the published leaf file ${error.message}`);
  }
  const missing: Leaf | undefined = next.value;
  if (missing) throw new Lie("leaves", { ...at, index: missing.index }, "the published leaf file lacks it");
  return toHex(hash.digest());
}

function compareLeaf(place: FilePlace, line: string, expected: Leaf | undefined): void {
  if (expected && line === encodeLeafLine(expected)) return;
  let published: Leaf | undefined;
  try {
    published = parseLeafLine(line);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new Lie(
      "leaves",
      { ...place, index: expected?.index },
      `the published leaf is malformed: ${error.message}`,
    );
  }
  if (!expected || published.index < expected.index)
    throw new Lie(
      "leaves",
      { ...place, index: published.index },
      "is published, but the journal did not change it",
    );
  if (published.index > expected.index)
    throw new Lie("leaves", { ...place, index: expected.index }, "the published leaf file lacks it");
  const members = ["owner", "key", "amount", "validUntil", "kind", "quantity"] as const;
  const member = members.find((name) => published[name] !== expected[name]);
  throw new Lie(
    "leaves",
    { ...place, index: expected.index },
    `${member ?? "line"} is published as ${member && published[member]}, by the journal it is ${member && expected[member]}`,
  );
}

export async function* hashed(
  pieces: AsyncIterable<Uint8Array>,
  hash: KeccakStream,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
}
