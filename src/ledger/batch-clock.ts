/**
 * What time the database's clock shows now, as far as this process can tell
 * without asking: what it showed with the last head, and what has passed since.
 * Only a guess; a batch that was decided by it is refused where it is wrong.
 */
import type { UnixSeconds } from "#kernel";

export class BatchClock {
  readonly #monotonicMs: () => number;
  /** The database's clock less this process's; null before it was read. */
  #aheadMs: number | null = null;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** @param clockMs what the database's clock, moved by the ledger's offset, showed just now */
  note(clockMs: number): void {
    this.#aheadMs = clockMs - this.#monotonicMs();
  }

  /** Null where it was never read. */
  now(): UnixSeconds | null {
    if (this.#aheadMs === null) return null;
    return Math.floor((this.#monotonicMs() + this.#aheadMs) / 1000);
  }
}
