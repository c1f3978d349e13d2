/**
 * One epoch after the other, recomputed: its journal lines, its log root, the
 * leaves that follow, and the roots above them; each compared with what was
 * published and with what the chain holds. The first thing that differs is named
 * with its epoch, section and index. No line is kept.
 */
import {
  dataHash,
  FormatError,
  type Header,
  type Hex,
  type JournalLine,
  parseJournalLine,
  ReplayError,
  SECTIONS,
  type Section,
} from "#proof";
import { type ApiSource, type ServedEpoch, Unserved } from "./api-source.ts";
import { type AuditState, pagesOf } from "./audit-state.ts";
import { Lie } from "./checks.ts";
import { comparePublished } from "./published-leaves.ts";
import type { ClosingChain } from "./rules/line-rules.ts";
import type { ChangedPositions } from "./store/book-replay.ts";

export interface EpochReplayParts {
  readonly api: ApiSource;
  readonly state: AuditState;
  readonly closing: ClosingChain;
  /** Told now and then, between two lines; what it does is waited for. */
  onLines(): Promise<void>;
}

export class EpochReplay {
  readonly #parts: EpochReplayParts;

  constructor(parts: EpochReplayParts) {
    this.#parts = parts;
  }

  /** @throws Lie, also where the server keeps back what it has to publish */
  async epoch(header: Header, served: ServedEpoch | undefined): Promise<void> {
    try {
      await this.#recompute(header, served);
    } catch (error) {
      if (!(error instanceof Unserved && error.isWithheld)) throw error;
      throw new Lie(
        "withheld",
        { epoch: header.epoch },
        `the chain has the epoch, and the server withholds its data: ${error.message}`,
      );
    }
  }

  async #recompute(header: Header, served: ServedEpoch | undefined): Promise<void> {
    const { state, closing } = this.#parts;
    await this.#readJournal(header);
    await state.rules.closing(header, closing);
    const changed = this.#closeEpoch(header.epoch);
    const hashes = {} as Record<Section, Hex>;
    let leaves = 0;
    for (const section of SECTIONS) {
      hashes[section] = await this.#compare(header.epoch, section, changed);
      this.#checkRoot(header, section, changed[section]);
      leaves += changed[section].length;
    }
    const { epoch } = header;
    if (served && served.leavesChanged !== leaves)
      throw new Lie(
        "leaves",
        { epoch },
        `the API says that ${served.leavesChanged} leaves changed, it was ${leaves}`,
      );
    if (dataHash(hashes) !== header.dataHash)
      throw new Lie("leaves", { epoch }, "the header's data hash is not that of the leaf files");
    state.leaves += BigInt(leaves);
    state.headers.push(header);
  }

  /** What the API serves as all leaves of the newest epoch; the replay must stand there. @throws Lie */
  async wholeSections(epoch: bigint): Promise<void> {
    const { api, state } = this.#parts;
    for (const section of SECTIONS)
      await comparePublished(
        { epoch, section },
        api.leafFile(epoch, section, true),
        state.replay.leaves(section),
      );
  }

  async #readJournal({ epoch, journalSize, journalRoot }: Header): Promise<void> {
    const { api, state, onLines } = this.#parts;
    const { log } = state;
    const from = log.size;
    if (from > journalSize)
      throw new Lie("journal", { epoch }, `it has ${journalSize} lines, an epoch before it had ${from}`);
    try {
      for await (const lines of api.journal(from, journalSize)) {
        for (const text of lines) {
          this.#applyLine(epoch, text, this.#parse(epoch, text));
        }
        await onLines();
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new Lie("journal", { epoch, line: log.size }, error.message);
    }
    if (log.size !== journalSize)
      throw new Lie("journal", { epoch, line: log.size }, "the API does not serve it");
    if (log.root() !== journalRoot)
      throw new Lie(
        "journal",
        { epoch },
        `lines ${from} to ${journalSize - 1n} are not those that the header's journal root is of`,
      );
  }

  #parse(epoch: bigint, text: string): JournalLine {
    try {
      return parseJournalLine(text);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new Lie("journal", { epoch, line: this.#parts.state.log.size }, error.message);
    }
  }

  #applyLine(epoch: bigint, text: string, line: JournalLine): void {
    const { state, closing } = this.#parts;
    const place = { epoch, line: state.log.size };
    try {
      if (line.seq === state.replay.nextSeq) state.rules.apply(line, closing.committed);
      state.replay.apply(line);
    } catch (error) {
      if (error instanceof Lie) throw error.in(place);
      if (!(error instanceof ReplayError || error instanceof FormatError)) throw error;
      throw new Lie("journal", place, error.message);
    }
    state.log.append(text);
  }

  #closeEpoch(epoch: bigint): ChangedPositions {
    try {
      return this.#parts.state.replay.closeEpoch(epoch);
    } catch (error) {
      if (!(error instanceof ReplayError)) throw error;
      throw new Lie("leaves", { epoch }, error.message);
    }
  }

  #compare(epoch: bigint, section: Section, changed: ChangedPositions): Promise<Hex> {
    const { api, state } = this.#parts;
    const expected = leavesOf(state, changed[section]);
    return comparePublished({ epoch, section }, api.leafFile(epoch, section), expected);
  }

  #checkRoot(header: Header, section: Section, changed: Uint32Array): void {
    const { state } = this.#parts;
    const { epoch } = header;
    const stated = header.sections[SECTIONS.indexOf(section)];
    const change = state.trees[section].begin(epoch);
    for (const page of pagesOf(leavesOf(state, changed))) change.add(page);
    const writing = change.write();
    let step = writing.next();
    while (!step.done) step = writing.next();
    const { root, sum, count } = step.value;
    const differs = [
      root === stated?.root ? "" : "root",
      sum === stated?.sum ? "" : `sum (${stated?.sum}, recomputed ${sum})`,
      count === stated?.count ? "" : `count (${stated?.count}, recomputed ${count})`,
    ].filter((what) => what !== "");
    if (differs.length === 0) return;
    const only = differs.length === 1 && root !== stated?.root;
    throw new Lie(
      "roots",
      { epoch, section },
      `the header has another ${differs.join(", ")}${only ? "; sum and count agree: another domain, or other leaves of the same sum" : ""}`,
    );
  }
}

function* leavesOf({ replay }: AuditState, positions: Uint32Array) {
  for (const position of positions) yield replay.leaf(position);
}
