/**
 * The leaves of a book as its published leaf files add up to them, epoch by
 * epoch. A file counts if the header's data hash binds it, whichever copy has it;
 * where that hash cannot tell (a file is missing or wrong everywhere), one whose
 * leaves lead to the epoch's root. What is wrong or missing is remembered, and
 * reading goes on: other sections do not suffer, and later files may make up for
 * it. Whether all of it is right the root of the last epoch says, to who uses it.
 */
import type { DeploymentRecord } from "#infra";
import {
  dataHash,
  FormatError,
  type Header,
  type HeaderSection,
  type Hex,
  headerHash,
  headerSection,
  isSameSection,
  type Leaf,
  leafFileHash,
  SECTIONS,
  type Section,
  SumTree,
  ZERO_WORD,
} from "#proof";
import { domainOf, pagesOf } from "../audit/audit-state.ts";
import { LeafRecords } from "./leaf-records.ts";
import { leafFilePath, type PublishedCopy, type StagedFile, stageFile } from "./published-copy.ts";

/** A file that is not what was published, in one copy or in all. */
export interface FileFault {
  readonly epoch: bigint;
  readonly section: Section;
  /** Its place in a copy. */
  readonly path: string;
  /** By copy, what is wrong with it there. */
  readonly problems: readonly { readonly copy: string; readonly what: string }[];
  /** The copy that has the right one; null where none has. */
  readonly takenFrom: string | null;
}

type Staged = Extract<StagedFile, { hash: Hex }>;
type Candidates = ReadonlyMap<Section, readonly StagedFile[]>;

const NOTHING: HeaderSection = { root: ZERO_WORD, sum: 0n, count: 0n };
const EMPTY_FILE = leafFileHash("");

export class PublishedLeaves {
  readonly #record: DeploymentRecord;
  readonly #copies: readonly PublishedCopy[];
  readonly #leaves = {} as Record<Section, LeafRecords>;
  /** Of sections in doubt, as the epoch before left them. */
  readonly #trees = new Map<Section, SumTree>();
  /** Sections whose leaves did not lead to an epoch's root: files cannot be told by it any more. */
  readonly #lost = new Set<Section>();
  readonly faults: FileFault[] = [];
  #newest: Header | undefined;

  constructor(record: DeploymentRecord, copies: readonly PublishedCopy[]) {
    this.#record = record;
    this.#copies = copies;
    for (const section of SECTIONS) this.#leaves[section] = new LeafRecords();
  }

  /** Begins with all leaves of an epoch that are known otherwise. */
  begin(header: Header, leavesOf: (section: Section) => Iterable<Leaf>): void {
    this.#newest = header;
    for (const section of SECTIONS)
      for (const leaf of leavesOf(section)) this.#leaves[section].set(Number(leaf.index), leaf);
  }

  /** In index order; one that no file has is empty. */
  *leaves(section: Section): Generator<Leaf> {
    let index = 0n;
    for (const leaf of this.#leaves[section])
      yield leaf.index === index++ ? leaf : { ...leaf, index: index - 1n };
  }

  /** Reads the next epoch's files. */
  async add(header: Header): Promise<void> {
    const before = this.#newest;
    this.#newest = header;
    const changed = SECTIONS.filter(
      (section) => !isSameSection(sectionOf(before, section), sectionOf(header, section)),
    );
    const candidates = await this.#stage(header, changed);
    const bound = boundTogether(header, candidates);
    for (const [section, files] of candidates) {
      const chosen = bound?.get(section) ?? this.#leadingToRoot(section, files, header, before);
      this.#note(header, section, files, chosen);
      if (!chosen) continue;
      this.#leaves[section].putAll(chosen.leaves);
      // One that was asked for its root has taken the leaves in.
      if (bound) this.#trees.delete(section);
    }
  }

  /** Of each file the first copy that can be read; all copies where those do not fit together. */
  async #stage(header: Header, changed: readonly Section[]): Promise<Candidates> {
    const hash = headerHash(header);
    const staged = new Map(changed.map((section): [Section, StagedFile[]] => [section, []]));
    const stageNext = async (section: Section, files: StagedFile[]) => {
      const copy = this.#copies[files.length];
      const { count } = sectionOf(header, section);
      if (copy) files.push(await stageFile(copy, hash, section, count));
      return copy !== undefined;
    };
    const upToFirst = async ([section, files]: [Section, StagedFile[]]) => {
      while (await stageNext(section, files)) if (isReadable(files.at(-1))) return;
    };
    await Promise.all([...staged].map(upToFirst));
    if (boundTogether(header, staged)) return staged;
    for (const [section, files] of staged) while (await stageNext(section, files));
    return staged;
  }

  /** The first whose leaves lead to the section's root. */
  #leadingToRoot(
    section: Section,
    files: readonly StagedFile[],
    header: Header,
    before: Header | undefined,
  ): Staged | undefined {
    const readable = files.filter(isReadable);
    const tree = this.#treeOf(section, before);
    // Something is lost already, but what is later may make up for it.
    if (!tree) return readable[0];
    const found = readable.find((file) => leadsTo(tree, header, section, file.leaves));
    if (!found) this.#lose(section);
    return found;
  }

  /** As the epoch before left it; undefined where it is not known any more. */
  #treeOf(section: Section, before: Header | undefined): SumTree | undefined {
    if (this.#lost.has(section)) return undefined;
    const known = this.#trees.get(section);
    if (known) return known;
    const tree = new SumTree(domainOf(this.#record, section), { keepStates: 1, epoch: before?.epoch ?? 0n });
    const stated = sectionOf(before, section);
    const isLoaded = isTree(() => {
      for (const page of pagesOf(this.leaves(section))) tree.load(page);
    });
    if (isLoaded && isSameSection(tree.newest(), stated)) {
      this.#trees.set(section, tree);
      return tree;
    }
    this.#lose(section);
    return undefined;
  }

  #lose(section: Section): void {
    this.#lost.add(section);
    this.#trees.delete(section);
  }

  #note(header: Header, section: Section, files: readonly StagedFile[], chosen: Staged | undefined): void {
    const problems = files.flatMap((file) => {
      if (!isReadable(file)) return { copy: file.copy.name, what: file.problem };
      if (file === chosen || file.hash === chosen?.hash) return [];
      return { copy: file.copy.name, what: "is not the one that was published" };
    });
    if (problems.length === 0) return;
    const path = leafFilePath(headerHash(header), section);
    const takenFrom = chosen?.copy.name ?? null;
    this.faults.push({ epoch: header.epoch, section, path, problems, takenFrom });
  }
}

/** One of each section, so that the header's data hash binds them; null where there is no such choice. */
function boundTogether(header: Header, candidates: Candidates): Map<Section, Staged> | null {
  const sections = [...candidates];
  const hashes = {} as Record<Section, Hex>;
  // What did not change has an empty file.
  for (const section of SECTIONS) hashes[section] = EMPTY_FILE;
  const chosen = new Map<Section, Staged>();
  const fits = (next: number): boolean => {
    const [section, files] = sections[next] ?? [];
    if (!section || !files) return dataHash(hashes) === header.dataHash;
    const tried = new Set<Hex>();
    for (const file of files) {
      if (!isReadable(file) || tried.has(file.hash)) continue;
      tried.add(file.hash);
      hashes[section] = file.hash;
      chosen.set(section, file);
      if (fits(next + 1)) return true;
    }
    return false;
  };
  return fits(0) ? chosen : null;
}

function leadsTo(tree: SumTree, header: Header, section: Section, leaves: LeafRecords): boolean {
  const isWritten = isTree(() => {
    const change = tree.begin(header.epoch);
    for (const page of pagesOf(leaves)) change.add(page);
    for (const _piece of change.write());
  });
  if (!isWritten) return false;
  if (isSameSection(tree.newest(), sectionOf(header, section))) return true;
  tree.rollback();
  return false;
}

/** False where the leaves cannot be a tree's, which is then as it was. */
function isTree(write: () => void): boolean {
  try {
    write();
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function isReadable(file: StagedFile | undefined): file is Staged {
  return file !== undefined && "hash" in file;
}

function sectionOf(header: Header | undefined, section: Section): HeaderSection {
  return header ? headerSection(header, section) : NOTHING;
}
