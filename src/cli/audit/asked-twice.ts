/**
 * Whether a node says the same of the same blocks when it is asked another time. Who
 * asks one node alone has nobody else to hold it against, and one answer may leave
 * out what happened. Of the first answers nothing is kept but a digest each.
 */
import { createHash } from "node:crypto";
import type { ChainEvent } from "./chain-events.ts";
import { shown } from "./nodes.ts";

/** No lie of anybody's: who knows which answer was right. */
export class AnsweredDifferently extends Error {
  constructor(node: string, { from, to }: Piece) {
    super(
      `${node} answers differently for the same blocks: its events of blocks ${from} to ${to} are others when it is asked for them again`,
    );
    this.name = "AnsweredDifferently";
  }
}

interface Piece {
  readonly from: number;
  readonly to: number;
  readonly digest: string;
}

/** Of these blocks, or of the first of them where the node does not take all at once. */
type Ask = (
  from: number,
  to: number,
) => Promise<{ readonly to: number; readonly events: readonly ChainEvent[] }>;

export class AskedTwice {
  readonly #node: string;
  /** What was answered the first time, in the order of the chain. */
  readonly #pieces: Piece[] = [];

  constructor(node: string) {
    this.#node = node;
  }

  /** Behind what was added before. */
  add(from: number, to: number, events: readonly ChainEvent[]): void {
    const digest = new EventDigest();
    for (const event of events) digest.add(event);
    this.#pieces.push({ from, to, digest: digest.end() });
  }

  /**
   * Asks for all of it once more, by other ranges: what keeps answers gives none of those that were given before.
   * @throws AnsweredDifferently
   */
  async confirm(ask: Ask): Promise<void> {
    const [first] = this.#pieces;
    let digest = new EventDigest();
    let open = 0;
    const endBefore = (block: number) => {
      for (let piece = this.#pieces[open]; piece && piece.to < block; piece = this.#pieces[++open]) {
        if (digest.end() !== piece.digest) throw new AnsweredDifferently(this.#node, piece);
        digest = new EventDigest();
      }
    };
    // One block more, so that a single block is asked for by another range, too.
    let at = first ? Math.max(0, first.from - 1) : 0;
    for (const end of this.#ends())
      while (at <= end) {
        const { to, events } = await ask(at, end);
        for (const event of events) {
          if (event.block < (first?.from ?? 0)) continue;
          endBefore(event.block);
          digest.add(event);
        }
        at = to + 1;
        endBefore(at);
      }
  }

  /** The middle of each piece, so that a question reaches from one into the next; and the end. */
  *#ends(): Generator<number> {
    for (const { from, to } of this.#pieces) yield Math.floor((from + to) / 2);
    const last = this.#pieces.at(-1);
    if (last) yield last.to;
  }
}

class EventDigest {
  readonly #hash = createHash("sha256");

  add(event: ChainEvent): void {
    this.#hash.update(`${shown(event)}\n`);
  }

  end(): string {
    return this.#hash.digest("hex");
  }
}
