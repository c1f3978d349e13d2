/**
 * What a writer remembers from batch to batch, so that it need not read again
 * what it wrote or read itself: accounts, owners, positions and their counts,
 * assets. It holds for as long as nobody else wrote, which the head of the
 * journal tells (`last_batch`); only what is there is remembered, never that
 * something is missing. Bounded: what was not used for long is forgotten.
 */
import type { UnixSeconds } from "#kernel";
import type { Kind, Known, Layer } from "./layer.ts";

const KINDS = ["account", "owner", "position", "sectionCount", "asset"] as const satisfies readonly Kind[];
type RetainedKind = (typeof KINDS)[number];

/** Of each kind: two generations of so many. An account takes about half a kilobyte. */
const GENERATION = 100_000;

export interface LastBatch {
  readonly batchId: string;
  /** Where the journal goes on. */
  readonly nextSeq: number;
  readonly time: UnixSeconds;
}

export class Retained {
  readonly #kinds = new Map<Kind, Generations>(KINDS.map((kind) => [kind, new Generations()]));
  #last: LastBatch | null = null;
  #isAlone = false;

  /** Whether nobody else wrote between the last two batches: then it pays to decide the next one ahead. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  /** The last batch that is part of what is remembered. */
  get last(): LastBatch | null {
    return this.#last;
  }

  /** `undefined` where nothing is remembered. */
  find<K extends Kind>(kind: K, key: string): Known[K] | undefined {
    return this.#kinds.get(kind)?.get(key) as Known[K] | undefined;
  }

  /** @param batchId the head's last batch @returns whether what is remembered still holds; else all is forgotten */
  stillHolds(batchId: string | null, nextSeq: number): boolean {
    this.#isAlone = this.#last !== null && this.#last.batchId === batchId && this.#last.nextSeq === nextSeq;
    if (!this.#isAlone) this.#clear();
    return this.#isAlone;
  }

  /**
   * A batch of this writer is committed.
   * @param after the batch before it; what is remembered of another is too old (that one's answer may have been lost)
   */
  absorb(layer: Layer, last: LastBatch, after: string | null): void {
    if (this.#last?.batchId !== after) this.#clear();
    for (const kind of KINDS) this.#absorbKind(kind, layer);
    this.#last = last;
  }

  #absorbKind(kind: RetainedKind, layer: Layer): void {
    const generations = this.#kinds.get(kind);
    for (const [key, value] of layer.entries(kind)) {
      if (value === null) generations?.delete(key);
      else generations?.set(key, value);
    }
  }

  /** Somebody else wrote. */
  forget(): void {
    this.#isAlone = false;
    this.#clear();
  }

  #clear(): void {
    for (const generations of this.#kinds.values()) generations.clear();
    this.#last = null;
  }
}

/** The newer half and the older half; what is used moves to the newer, and the older is dropped when that is full. */
class Generations {
  #young = new Map<string, unknown>();
  #old = new Map<string, unknown>();

  get(key: string): unknown {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: unknown): void {
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
