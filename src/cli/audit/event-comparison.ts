/** Two lists of events that come in pieces, until the first place where they differ. Nothing is kept of them but that. */
import type { ChainEvent } from "./chain-events.ts";
import { shown } from "./nodes.ts";

export interface Difference {
  /** From 0. */
  readonly place: number;
  /** Undefined where the list ends before. */
  readonly one: ChainEvent | undefined;
  readonly other: ChainEvent | undefined;
}

export class EventComparison {
  #count: number;
  #difference: Difference | undefined;

  /** @param count how many are known to be the same */
  constructor(count = 0) {
    this.#count = count;
  }

  get count(): number {
    return this.#count;
  }

  get difference(): Difference | undefined {
    return this.#difference;
  }

  /** What both say of the same blocks. */
  add(ones: readonly ChainEvent[], others: readonly ChainEvent[]): void {
    if (this.#difference) {
      // Whose list had ended before those blocks may have its next one here.
      const { place, one = ones[0], other = others[0] } = this.#difference;
      this.#difference = { place, one, other };
      return;
    }
    const length = Math.max(ones.length, others.length);
    for (let at = 0; at < length; at++) {
      const [one, other] = [ones[at], others[at]];
      if (one && other && shown(one) === shown(other)) continue;
      this.#difference = { place: this.#count + at, one, other };
      return;
    }
    this.#count += length;
  }
}
