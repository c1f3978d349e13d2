/**
 * The state, recomputed from nothing: the journal from line 0, its log tree, the
 * leaves that follow from it, and the roots above them; each compared with what
 * was published and with what the chain holds. The first thing that differs is
 * named with its epoch, section and index.
 */
import {
  dataHash,
  encodeLeafLine,
  FormatError,
  type Header,
  type Hex,
  KeccakStream,
  type Leaf,
  LogFrontier,
  leafDomain,
  parseJournalLine,
  parseLeafLine,
  ReplayError,
  ReplayState,
  SECTIONS,
  type Section,
  type SectionLeaves,
  SumTree,
  toHex,
} from "#proof";
import { type ApiSource, linesOf, type ServedEpoch } from "./api-source.ts";
import type { ChainBook } from "./chain-source.ts";
import { Lie } from "./checks.ts";

export interface ReplayResult {
  readonly lines: bigint;
  readonly leaves: bigint;
}

export async function replayEpochs(
  api: ApiSource,
  book: ChainBook,
  headers: readonly Header[],
  /** What the API says of each of these epochs. */
  served: readonly ServedEpoch[],
  onProgress: (lines: bigint, epoch: bigint) => void,
): Promise<ReplayResult> {
  const replay = new Replay(api, book);
  for (const [place, header] of headers.entries()) {
    await replay.epoch(header, served[place]);
    onProgress(replay.lines, header.epoch);
  }
  const newest = headers.at(-1);
  if (newest) await replay.wholeSections(newest.epoch);
  return { lines: replay.lines, leaves: replay.leaves };
}

class Replay {
  readonly #api: ApiSource;
  readonly #asset: string;
  readonly #state = new ReplayState();
  readonly #log = LogFrontier.empty();
  readonly #trees: Readonly<Record<Section, SumTree>>;
  leaves = 0n;

  constructor(api: ApiSource, book: ChainBook) {
    this.#api = api;
    // No asset has this code: a book without a token settles no position.
    this.#asset = book.tokens?.asset ?? "";
    const trees = {} as Record<Section, SumTree>;
    for (const section of SECTIONS) trees[section] = new SumTree(domainOf(book, section), { keepStates: 0 });
    this.#trees = trees;
  }

  get lines(): bigint {
    return this.#log.size;
  }

  async epoch(header: Header, served: ServedEpoch | undefined): Promise<void> {
    await this.#readJournal(header);
    const expected = this.#closeEpoch(header.epoch);
    const hashes = {} as Record<Section, Hex>;
    let changed = 0;
    for (const section of SECTIONS) {
      const file = this.#api.leafFile(header.epoch, section);
      hashes[section] = await comparePublished({ epoch: header.epoch, section }, file, expected[section]);
      this.#checkRoot(header, section, expected[section]);
      changed += expected[section].length;
    }
    this.leaves += BigInt(changed);
    if (served && served.leavesChanged !== changed)
      throw new Lie(
        "leaves",
        { epoch: header.epoch },
        `the API says that ${served.leavesChanged} leaves changed, it was ${changed}`,
      );
    if (dataHash(hashes) !== header.dataHash)
      throw new Lie(
        "leaves",
        { epoch: header.epoch },
        "the header's data hash is not that of the leaf files",
      );
  }

  /** What the API serves as all leaves of the newest epoch; the replay must stand there. */
  async wholeSections(epoch: bigint): Promise<void> {
    for (const section of SECTIONS) {
      const whole = this.#api.leafFile(epoch, section, true);
      await comparePublished({ epoch, section }, whole, this.#state.leaves(this.#asset, section));
    }
  }

  async #readJournal(header: Header): Promise<void> {
    const { epoch, journalSize } = header;
    const from = this.#log.size;
    try {
      for await (const line of this.#api.journal(from, journalSize)) this.#applyLine(epoch, line);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new Lie("journal", { epoch, line: this.#log.size }, error.message);
    }
    if (this.#log.size !== journalSize)
      throw new Lie("journal", { epoch, line: this.#log.size }, "the API does not serve it");
    if (this.#log.root() !== header.journalRoot)
      throw new Lie(
        "journal",
        { epoch },
        `lines ${from} to ${journalSize - 1n} are not those that the header's journal root is of`,
      );
  }

  #applyLine(epoch: bigint, line: string): void {
    const number = this.#log.size;
    try {
      this.#state.apply(parseJournalLine(line));
    } catch (error) {
      if (!(error instanceof ReplayError || error instanceof FormatError)) throw error;
      throw new Lie("journal", { epoch, line: number }, error.message);
    }
    this.#log.append(line);
  }

  #closeEpoch(epoch: bigint): SectionLeaves {
    try {
      return this.#state.closeEpoch(this.#asset);
    } catch (error) {
      if (!(error instanceof ReplayError)) throw error;
      throw new Lie("leaves", { epoch }, error.message);
    }
  }

  #checkRoot(header: Header, section: Section, changed: readonly Leaf[]): void {
    const { epoch } = header;
    const stated = header.sections[SECTIONS.indexOf(section)];
    const { root, sum, count } = this.#trees[section].apply(epoch, changed);
    const differs = [
      root === stated?.root ? "" : "root",
      sum === stated?.sum ? "" : `sum (${stated?.sum}, recomputed ${sum})`,
      count === stated?.count ? "" : `count (${stated?.count}, recomputed ${count})`,
    ].filter((what) => what !== "");
    if (differs.length > 0)
      throw new Lie("roots", { epoch, section }, `the header has another ${differs.join(", ")}`);
  }
}

/** Line by line against the replay; answers the file's hash. */
async function comparePublished(
  at: { epoch: bigint; section: Section },
  file: AsyncIterable<Uint8Array>,
  expected: readonly Leaf[],
): Promise<Hex> {
  const hash = new KeccakStream();
  let place = 0;
  try {
    for await (const line of linesOf(hashed(file, hash))) compareLeaf(at, line, expected[place++]);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new Lie(
      "leaves",
      { ...at, index: expected[place]?.index },
      `the published leaf file ${error.message}`,
    );
  }
  const missing = expected[place];
  if (missing) throw new Lie("leaves", { ...at, index: missing.index }, "the published leaf file lacks it");
  return toHex(hash.digest());
}

function compareLeaf(
  place: { epoch: bigint; section: Section },
  line: string,
  expected: Leaf | undefined,
): void {
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

async function* hashed(pieces: AsyncIterable<Uint8Array>, hash: KeccakStream): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
}

function domainOf({ record }: ChainBook, section: Section): Hex {
  return leafDomain({
    chainId: BigInt(record.chain_id),
    custodian: record.custodians[section].toLowerCase() as Hex,
    token: record.token.toLowerCase() as Hex,
    section,
  });
}
