/**
 * The five sum trees of a book, in memory: a cache of the table `leaf`, caught
 * up from the rows of newer epochs and filled again at the start. The last
 * hundred or so epochs stay readable through what each change overwrote; an
 * older one is built on demand and kept while it is asked for.
 */
import {
  type Hex,
  leafDomain,
  SECTIONS,
  type Section,
  type SectionLeaves,
  SumTree,
  type TreeView,
} from "#proof";
import { leavesOfEpoch, sectionAtEpoch } from "./leaf-rows.ts";
import type { BookRow } from "./model.ts";
import { Mutex } from "./mutex.ts";
import type { Queryable } from "./sql.ts";

const KEEP_EPOCHS = 100;
/** Trees of older epochs: 96 bytes a leaf each. */
const KEEP_OLD_TREES = 4;

export class SectionTrees {
  readonly #book: BookRow;
  readonly #keepEpochs: number;
  readonly #mutex = new Mutex();
  #trees: Record<Section, SumTree> | undefined;
  #epoch = 0;
  readonly #old = new Map<string, Promise<SumTree>>();

  constructor(book: BookRow, options: { keepEpochs?: number | undefined } = {}) {
    this.#book = book;
    this.#keepEpochs = options.keepEpochs ?? KEEP_EPOCHS;
  }

  /**
   * Alone with the trees, which show epoch `last`: `change` may apply one epoch
   * more and must take it back where that epoch does not come to be.
   */
  exclusively<T>(db: Queryable, last: number, change: (trees: OpenTrees) => Promise<T>): Promise<T> {
    return this.#mutex.run(async () => {
      await this.#catchUp(db, last);
      return change({
        apply: (epoch, leaves) => this.#apply(epoch, leaves),
        rollback: () => this.#rollback(),
      });
    });
  }

  /** A section as it was at a closed epoch, whose leaves are in the database. Use it before the next await. */
  async at(db: Queryable, section: Section, epoch: number): Promise<TreeView> {
    if (epoch > this.#epoch) await this.#mutex.run(() => this.#catchUp(db, epoch));
    const view = this.#trees?.[section].at(BigInt(epoch));
    if (view) return view;
    const old = await this.#oldTree(db, section, epoch);
    return old.newest();
  }

  async #catchUp(db: Queryable, last: number): Promise<void> {
    if (!this.#trees) await this.#fill(db, last);
    while (this.#epoch < last)
      this.#apply(this.#epoch + 1, await leavesOfEpoch(db, this.#book.id, this.#epoch + 1));
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
    const tree = new SumTree(this.#domain(section), { epoch: BigInt(epoch), keepStates: this.#keepEpochs });
    if (epoch === 0) return tree;
    for await (const leaves of sectionAtEpoch(db, this.#book.id, section, epoch)) tree.load(leaves);
    return tree;
  }

  #apply(epoch: number, leaves: SectionLeaves): Readonly<Record<Section, TreeView>> {
    const trees = this.#trees;
    if (!trees) throw new Error("the trees are not filled");
    const views = {} as Record<Section, TreeView>;
    try {
      for (const section of SECTIONS) views[section] = trees[section].apply(BigInt(epoch), leaves[section]);
    } catch (error) {
      // Some of the trees may be one epoch ahead of the others: fill them again.
      this.#trees = undefined;
      this.#epoch = 0;
      throw error;
    }
    this.#epoch = epoch;
    return views;
  }

  #rollback(): void {
    const complete = this.#trees && SECTIONS.every((section) => this.#trees?.[section].rollback());
    if (!complete) this.#trees = undefined;
    this.#epoch = complete ? this.#epoch - 1 : 0;
  }

  #oldTree(db: Queryable, section: Section, epoch: number): Promise<SumTree> {
    const name = `${section} ${epoch}`;
    const known = this.#old.get(name);
    if (known) return known;
    const built = this.#build(db, section, epoch);
    this.#old.set(name, built);
    built.catch(() => this.#old.delete(name));
    for (const oldest of this.#old.keys()) {
      if (this.#old.size <= KEEP_OLD_TREES) break;
      this.#old.delete(oldest);
    }
    return built;
  }

  #domain(section: Section): Hex {
    return domainOf(this.#book, section);
  }
}

/** The trees while they are held for the closing of an epoch. */
export interface OpenTrees {
  apply(epoch: number, leaves: SectionLeaves): Readonly<Record<Section, TreeView>>;
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
