/**
 * Brings committed states to Redis, one at a time for each quota: while one is on
 * its way only the newest of the next ones waits, so a hot quota costs no more
 * than a round trip at a time. A state that does not arrive is not sent again;
 * a counter that stays behind can only make a denial be confirmed.
 */
import { isNewer, type QuotaState, type QuotaTarget, targetText } from "./model.ts";
import type { Counter, RedisGate } from "./redis-gate.ts";

const RECENT_TARGETS = 1_000;

interface Publication {
  readonly state: QuotaState;
  readonly replaces: Counter | undefined;
  readonly urgent: boolean;
}

interface Line {
  next: Publication | null;
  done: Promise<void>;
}

export class Publisher {
  readonly #gate: RedisGate;
  readonly #lines = new Map<string, Line>();
  readonly #recent = new Map<string, QuotaTarget>();

  constructor(gate: RedisGate) {
    this.#gate = gate;
  }

  /**
   * Settles when this state or a newer one was sent; never rejects.
   *
   * @param options.replaces a counter that is wrong even where it seems newer
   * @param options.urgent try even where Redis failed a moment ago
   */
  publish(state: QuotaState, options: { replaces?: Counter; urgent?: boolean } = {}): Promise<void> {
    const text = targetText(state);
    this.#remember(text, state);
    const publication = { state, replaces: options.replaces, urgent: options.urgent ?? false };
    const line = this.#lines.get(text);
    if (line) {
      if (!line.next || isNewer(state, line.next.state)) line.next = publication;
      return line.done;
    }
    const begun: Line = { next: publication, done: Promise.resolve() };
    this.#lines.set(text, begun);
    begun.done = this.#send(text, begun);
    return begun.done;
  }

  /** Settles when all that is under way now was sent. */
  async settled(): Promise<void> {
    await Promise.all([...this.#lines.values()].map((line) => line.done));
  }

  /** Quotas published last, the newest first. */
  recent(count: number): QuotaTarget[] {
    return [...this.#recent.values()].reverse().slice(0, count);
  }

  async #send(text: string, line: Line): Promise<void> {
    while (line.next) {
      const { state, replaces, urgent } = line.next;
      line.next = null;
      await this.#gate.publish(state, { replaces, urgent });
    }
    this.#lines.delete(text);
  }

  #remember(text: string, { userId, entityType }: QuotaTarget): void {
    this.#recent.delete(text);
    this.#recent.set(text, { userId, entityType });
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > RECENT_TARGETS && oldest !== undefined) this.#recent.delete(oldest);
  }
}
