/**
 * The five sum trees of a book, in memory: a cache of the table `leaf`, caught
 * up from the rows of newer epochs and filled again at the start. The last
 * hundred or so epochs stay readable through what each change overwrote; an
 * older one is built on demand (old-trees.ts).
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Log } from "#infra";
import {
  allocateTree,
  type Header,
  type Hex,
  headerSection,
  isSameSection,
  leafDomain,
  SECTIONS,
  type Section,
  SumTree,
  type TreeChange,
  type TreeMemory,
  type TreeView,
  toSafeInteger,
} from "#proof";
import { hashTree } from "./build-tree.ts";
import { sectionRecords } from "./leaf-records.ts";
import { leavesOfEpoch, sectionNumber } from "./leaf-rows.ts";
import type { BookRow } from "./model.ts";
import { Mutex } from "./mutex.ts";
import { OldTrees } from "./old-trees.ts";
import { firstRow, type Queryable, SQL } from "./sql.ts";
import { type HistoryParts, TreeHistory } from "./tree-history.ts";

const KEEP_EPOCHS = 100;
/** A section's at most; a hundred epochs that change 10,000 leaves each need 96 MB of these 101. */
const KEEP_BYTES = 96 * 2 ** 20;

const MOST_APPLIED = 50_000;

export interface SectionTreesParts {
  readonly book: BookRow;
  /** For what is read behind everything else. */
  readonly db: Queryable;
  readonly log?: Log | undefined;
  readonly keepEpochs?: number | undefined;
  /** Where more leaves changed in the epochs to keep, they are gone back to, not applied. Default some seconds of hashing. */
  readonly mostApplied?: number | undefined;
  readonly pagesAtOnce?: HistoryParts["pagesAtOnce"];
}

export class SectionTrees {
  readonly #book: BookRow;
  readonly #db: Queryable;
  readonly #log: Log | undefined;
  readonly #keepEpochs: number;
  readonly #mostApplied: number;
  readonly #pagesAtOnce: HistoryParts["pagesAtOnce"];
  readonly #domains: Readonly<Record<Section, Hex>>;
  readonly #mutex = new Mutex();
  readonly #old: OldTrees;
  #trees: Record<Section, SumTree> | undefined;
  #epoch = 0;
  #history: TreeHistory | undefined;

  constructor(parts: SectionTreesParts) {
    const { book, db, log, keepEpochs = KEEP_EPOCHS, mostApplied = MOST_APPLIED } = parts;
    this.#book = book;
    this.#domains = domainsOf(book);
    this.#db = db;
    this.#log = log;
    this.#keepEpochs = keepEpochs;
    this.#mostApplied = mostApplied;
    this.#pagesAtOnce = parts.pagesAtOnce;
    this.#old = new OldTrees(async (from, section, epoch) =>
      this.#treeOf(section, epoch, await this.#hash(from, section, epoch, true)),
    );
  }

  /**
   * Alone with the trees, which show the epoch of header `last` (null: none): `change` may apply one epoch
   * more and must take it back where that epoch does not come to be.
   * @throws Error where the leaves do not lead to that header
   */
  exclusively<T>(db: Queryable, last: Header | null, change: (trees: OpenTrees) => Promise<T>): Promise<T> {
    return this.#mutex.run(async () => {
      await this.#showing(db, last);
      return change({
        begin: (epoch) => this.#begin(epoch),
        rollback: () => this.#rollback(),
      });
    });
  }

  /**
   * A section as it was at a closed epoch, whose leaves are in the database. Use it before the next await.
   * @throws DomainError `unavailable` where too many epochs are waited for that are not kept
   */
  async at(db: Queryable, section: Section, epoch: number): Promise<TreeView> {
    if (epoch > this.#epoch) await this.#mutex.run(() => this.#catchUp(db, epoch));
    const view = this.#trees?.[section].at(BigInt(epoch));
    if (view) return view;
    await this.#history?.reached(epoch);
    const reached = this.#trees?.[section].at(BigInt(epoch));
    if (reached) return reached;
    const old = await this.#old.tree(db, section, epoch);
    return old.newest();
  }

  domain(section: Section): Hex {
    return this.#domains[section];
  }

  /** What is in memory is of another epoch with this number, where that one was vetoed and released meanwhile. */
  async #showing(db: Queryable, last: Header | null): Promise<void> {
    const number = last ? toSafeInteger(last.epoch, "epoch") : 0;
    if (this.#epoch > number) this.#forget();
    await this.#catchUp(db, number);
    if (!last || this.#leadTo(last)) return;
    this.#forget();
    await this.#catchUp(db, number);
    if (!this.#leadTo(last)) throw new Error(`the leaves do not lead to the header of epoch ${number}`);
  }

  #leadTo(header: Header): boolean {
    const trees = this.#trees;
    return (
      trees !== undefined &&
      SECTIONS.every((section) => isSameSection(trees[section].newest(), headerSection(header, section)))
    );
  }

  /** Ends what is done behind everything else. */
  stop(): void {
    this.#history?.stop();
    this.#history = undefined;
  }

  /** Lets go of all that is in memory; it is filled again from the database when it is asked for. */
  forget(): Promise<void> {
    return this.#mutex.run(async () => this.#forget());
  }

  async #catchUp(db: Queryable, last: number): Promise<void> {
    if (!this.#trees) await this.#fill(db, last);
    while (this.#epoch < last) {
      const change = this.#begin(this.#epoch + 1);
      const pages = leavesOfEpoch(db, this.#book.id, this.#epoch + 1);
      for await (const { section, leaves } of pages) change.changes[section].add(leaves);
      await change.write();
    }
  }

  /**
   * Few changes are applied to the state of some epochs ago, so that the epochs since stay readable. Where there were
   * many, the newest state is built at once, and the ones before it become readable behind it.
   */
  async #fill(db: Queryable, last: number): Promise<void> {
    const base = last > this.#keepEpochs ? last - this.#keepEpochs : 0;
    const since = await firstRow<{ leaves: number }>(db, SQL.changesSince, [this.#book.id, base, last]);
    const isMuch = (since?.leaves ?? 0) > this.#mostApplied;
    const epoch = isMuch ? last : base;
    const memories = {} as Record<Section, TreeMemory>;
    const trees = {} as Record<Section, SumTree>;
    for (const section of SECTIONS) {
      memories[section] = await this.#hash(db, section, epoch, false);
      trees[section] = this.#treeOf(section, epoch, memories[section]);
    }
    if (isMuch) await this.#goBack({ trees, newest: last, oldest: Math.max(base, 1) }, memories);
    this.#trees = trees;
    this.#epoch = epoch;
  }

  async #goBack(
    parts: Pick<HistoryParts, "trees" | "newest" | "oldest">,
    memories: Readonly<Record<Section, TreeMemory>>,
  ): Promise<void> {
    const history = await TreeHistory.begin(
      { ...parts, db: this.#db, book: this.#book, pagesAtOnce: this.#pagesAtOnce },
      memories,
    );
    this.#history = history;
    void history.ended().catch((error: unknown) => {
      this.#log?.warn({ err: error }, "trees of older epochs are built when they are asked for");
    });
  }

  async #hash(db: Queryable, section: Section, epoch: number, yielding: boolean): Promise<TreeMemory> {
    if (epoch === 0) return allocateTree(0);
    const of = { book: this.#book.id, section: sectionNumber(section), epoch };
    const row = await firstRow<{ count: number }>(db, SQL.sectionCountAtEpoch, [of.book, epoch, of.section]);
    if (!row) throw new Error(`there is no epoch ${epoch}`);
    const runs = sectionRecords(db, { ...of, ...row });
    return hashTree({ domain: this.#domains[section], count: row.count, runs, yielding });
  }

  #treeOf(section: Section, epoch: number, memory: TreeMemory): SumTree {
    const options = { epoch: BigInt(epoch), keepStates: this.#keepEpochs, keepBytes: KEEP_BYTES };
    return new SumTree(this.#domains[section], options, memory);
  }

  /** An epoch's changes of all five trees, which get all of them or none: hashed some at a time, so that requests are answered meanwhile. */
  #begin(epoch: number): TreesChange & { readonly changes: Readonly<Record<Section, TreeChange>> } {
    const trees = this.#trees;
    if (!trees) throw new Error("the trees are not filled");
    const changes = {} as Record<Section, TreeChange>;
    for (const section of SECTIONS) changes[section] = trees[section].begin(BigInt(epoch));
    return {
      changes,
      add: (section, records) => changes[section].addRecords(records),
      write: async () => {
        const views = await this.#write(trees, changes);
        this.#epoch = epoch;
        return views;
      },
    };
  }

  async #write(
    trees: Readonly<Record<Section, SumTree>>,
    changes: Readonly<Record<Section, TreeChange>>,
  ): Promise<Readonly<Record<Section, TreeView>>> {
    const views = {} as Record<Section, TreeView>;
    const written: Section[] = [];
    try {
      for (const section of SECTIONS) {
        views[section] = await byPieces(changes[section].write());
        written.push(section);
      }
    } catch (error) {
      // The one that failed took itself back; a tree that cannot go back is filled again.
      if (!written.every((section) => trees[section].rollback())) this.#forget();
      throw error;
    }
    return views;
  }

  #rollback(): void {
    const trees = this.#trees;
    const complete = trees && SECTIONS.every((section) => trees[section].rollback());
    if (complete) this.#epoch -= 1;
    else this.#forget();
  }

  #forget(): void {
    this.stop();
    this.#trees = undefined;
    this.#epoch = 0;
    this.#old.forget();
  }
}

/** A step at each turn of the event loop. */
async function byPieces<T>(steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await nextTurn();
  }
}

/** The trees while they are held for the closing of an epoch. */
export interface OpenTrees {
  begin(epoch: number): TreesChange;
  rollback(): void;
}

/** An epoch's changes on their way into the trees. Nothing of it is in any tree before `write` is through. */
export interface TreesChange {
  /**
   * In index order within a section, as the bytes that are hashed.
   * @returns of each whether it is another than it was; where not, it is left out
   */
  add(section: Section, records: Uint8Array): boolean[];
  /** Where it fails, the trees are as they were. */
  write(): Promise<Readonly<Record<Section, TreeView>>>;
}

export function custodianOf(book: BookRow, section: Section): Hex {
  return book.custodians[SECTIONS.indexOf(section)] ?? book.registry;
}

function domainsOf(book: BookRow): Readonly<Record<Section, Hex>> {
  const { token } = book;
  const domains = {} as Record<Section, Hex>;
  for (const section of SECTIONS) {
    const custodian = custodianOf(book, section);
    domains[section] = leafDomain({ chainId: BigInt(book.chainId), custodian, token, section });
  }
  return domains;
}
