/**
 * The five sum trees of a book, in memory: a cache of the table `leaf`, caught
 * up from the rows of newer epochs and filled again at the start. The last
 * hundred or so epochs stay readable through what each change overwrote; an
 * older one is built on demand (old-trees.ts).
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type Header,
  type Hex,
  headerSection,
  leafDomain,
  SECTIONS,
  type Section,
  SumTree,
  type TreeChange,
  type TreeView,
  toSafeInteger,
} from "#proof";
import { buildTree } from "./build-tree.ts";
import { sectionRecords } from "./leaf-records.ts";
import { type LeafPage, leavesOfEpoch, sectionNumber } from "./leaf-rows.ts";
import type { BookRow } from "./model.ts";
import { Mutex } from "./mutex.ts";
import { OldTrees } from "./old-trees.ts";
import { firstRow, type Queryable, SQL } from "./sql.ts";

const KEEP_EPOCHS = 100;
/** A section's at most; a hundred epochs that change 10,000 leaves each need 71 MB. */
const KEEP_BYTES = 96 * 2 ** 20;

export class SectionTrees {
  readonly #book: BookRow;
  readonly #keepEpochs: number;
  readonly #mutex = new Mutex();
  readonly #old: OldTrees;
  #trees: Record<Section, SumTree> | undefined;
  #epoch = 0;

  constructor(book: BookRow, options: { keepEpochs?: number | undefined } = {}) {
    this.#book = book;
    this.#keepEpochs = options.keepEpochs ?? KEEP_EPOCHS;
    this.#old = new OldTrees((db, section, epoch) => this.#build(db, section, epoch));
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
        apply: (epoch, pages) => this.#apply(epoch, pages),
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
    const old = await this.#old.tree(db, section, epoch);
    return old.newest();
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
    return SECTIONS.every((section) => {
      const [is, wanted] = [this.#trees?.[section].newest(), headerSection(header, section)];
      return is?.root === wanted.root && is.sum === wanted.sum && is.count === wanted.count;
    });
  }

  /** Lets go of all that is in memory; it is filled again from the database when it is asked for. */
  forget(): Promise<void> {
    return this.#mutex.run(async () => this.#forget());
  }

  async #catchUp(db: Queryable, last: number): Promise<void> {
    if (!this.#trees) await this.#fill(db, last);
    while (this.#epoch < last)
      await this.#apply(this.#epoch + 1, leavesOfEpoch(db, this.#book.id, this.#epoch + 1));
  }

  /** From the whole state of some epochs ago, so that the epochs since stay readable. */
  async #fill(db: Queryable, last: number): Promise<void> {
    const base = last > this.#keepEpochs ? last - this.#keepEpochs : 0;
    const trees = {} as Record<Section, SumTree>;
    for (const section of SECTIONS) trees[section] = await this.#build(db, section, base);
    this.#trees = trees;
    this.#epoch = base;
  }

  async #build(db: Queryable, section: Section, epoch: number): Promise<SumTree> {
    const domain = domainOf(this.#book, section);
    const options = { epoch: BigInt(epoch), keepStates: this.#keepEpochs, keepBytes: KEEP_BYTES };
    if (epoch === 0) return new SumTree(domain, options);
    const of = { book: this.#book.id, section: sectionNumber(section), epoch };
    const row = await firstRow<{ count: number }>(db, SQL.sectionCountAtEpoch, [of.book, epoch, of.section]);
    if (!row) throw new Error(`there is no epoch ${epoch}`);
    return buildTree({ domain, count: row.count, options, runs: sectionRecords(db, { ...of, ...row }) });
  }

  /** All five trees or none: hashed a page at a time, so that requests are answered meanwhile. */
  async #apply(epoch: number, pages: AsyncIterable<LeafPage>): Promise<Readonly<Record<Section, TreeView>>> {
    const trees = this.#trees;
    if (!trees) throw new Error("the trees are not filled");
    const changes = {} as Record<Section, TreeChange>;
    for (const section of SECTIONS) changes[section] = trees[section].begin(BigInt(epoch));
    for await (const { section, leaves } of pages) changes[section].add(leaves);
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
    this.#epoch = epoch;
    return views;
  }

  #rollback(): void {
    const trees = this.#trees;
    const complete = trees && SECTIONS.every((section) => trees[section].rollback());
    if (complete) this.#epoch -= 1;
    else this.#forget();
  }

  #forget(): void {
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
  /** @param pages section by section, each in index order. Where it fails, the trees are as they were. */
  apply(epoch: number, pages: AsyncIterable<LeafPage>): Promise<Readonly<Record<Section, TreeView>>>;
  rollback(): void;
}

export function custodianOf(book: BookRow, section: Section): Hex {
  return book.custodians[SECTIONS.indexOf(section)] ?? book.registry;
}

export function domainOf(book: BookRow, section: Section): Hex {
  return leafDomain({
    chainId: BigInt(book.chainId),
    custodian: custodianOf(book, section),
    token: book.token,
    section,
  });
}
