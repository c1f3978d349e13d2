/**
 * Trees of epochs that are too old for the trees in memory. Anybody may ask for
 * any proof, and each such tree reads a whole section, so they are built one
 * after the other, few are waited for, and the ones asked for last are kept.
 */
import { DomainError } from "#kernel";
import type { Section, SumTree } from "#proof";
import { Mutex } from "./mutex.ts";
import type { Queryable } from "./sql.ts";

/** 96 bytes a leaf each. */
const KEPT_TREES = 4;
/** Builds under way and waiting; who asks for one more is told to come back. */
const MOST_BUILDS = 8;
const RETRY_AFTER_SECONDS = 5;

export class OldTrees {
  readonly #build: (db: Queryable, section: Section, epoch: number) => Promise<SumTree>;
  /** The one asked for last comes last. */
  readonly #kept = new Map<string, SumTree>();
  readonly #builds = new Map<string, Promise<SumTree>>();
  readonly #oneByOne = new Mutex();

  constructor(build: (db: Queryable, section: Section, epoch: number) => Promise<SumTree>) {
    this.#build = build;
  }

  /** @throws DomainError `unavailable` where too many others are waited for */
  async tree(db: Queryable, section: Section, epoch: number): Promise<SumTree> {
    const name = `${section} ${epoch}`;
    const kept = this.#kept.get(name);
    if (kept) {
      this.#keep(name, kept);
      return kept;
    }
    const underWay = this.#builds.get(name);
    if (underWay) return underWay;
    if (this.#builds.size >= MOST_BUILDS)
      throw new DomainError("unavailable", "Many proofs of older epochs are being made; try again shortly", {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    const built = this.#oneByOne
      .run(() => this.#build(db, section, epoch))
      .then((tree) => {
        this.#keep(name, tree);
        return tree;
      })
      .finally(() => this.#builds.delete(name));
    this.#builds.set(name, built);
    return built;
  }

  forget(): void {
    this.#kept.clear();
  }

  #keep(name: string, tree: SumTree): void {
    this.#kept.delete(name);
    this.#kept.set(name, tree);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_TREES) break;
      this.#kept.delete(oldest);
    }
  }
}
