/**
 * Brings what is closed to the chain: commits, finalizes and serves, each by what the chain itself says just before. Nothing is
 * closed here, and nobody waits for a lock: the caller has the book's.
 */
import type { PoolClient } from "pg";
import { isChainUnavailable, type Log, type Metrics } from "#infra";
import type { Clock } from "#kernel";
import type { Hex } from "#proof";
import { nameOf, nextAction, type ReadyAction } from "./actions.ts";
import { type ChainState, lookAtChain, type ReconcileParts, reconcile, record } from "./chain-state.ts";
import type { Faults } from "./faults.ts";
import type { BookRow } from "./model.ts";
import type { Publisher } from "./publisher.ts";
import type { SectionTrees } from "./section-trees.ts";
import { NonceMoved, type Sender } from "./sender.ts";
import { isOfOneAction, NodeIsBehind, PublishFailed } from "./settling-errors.ts";
import { type Queryable, rows, SQL } from "./sql.ts";
import { whyFrozen } from "./waiting.ts";

export interface ToChainParts {
  readonly book: BookRow;
  readonly trees: SectionTrees;
  readonly sender: Sender;
  readonly publisher: Pick<Publisher, "publish">;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics | undefined;
  readonly faults: Faults;
  /** Epochs that may wait to become final. */
  readonly mostWaiting: number;
  /** Ends it between two actions, and any waiting. */
  readonly stop: AbortSignal;
}

/** The chain as it was while an epoch was closed. */
export interface Look {
  /** Null where the node was silent just before: that stays so for the run. */
  readonly atMs: number | null;
  readonly state: Promise<ChainState>;
}

/** An older one is none. */
const LOOK_KEEPS_MS = 1_000;
/** Another program that sends with this key takes nonces; one that never lets us through is for a person to find. */
const MOST_NONCES_A_RUN = 20;

export class ToChain {
  readonly #parts: ToChainParts;
  readonly #reconcile: ReconcileParts;

  constructor(parts: ToChainParts, reconciling: ReconcileParts) {
    this.#parts = parts;
    this.#reconcile = reconciling;
  }

  /** Begins to ask the chain. @param silent why the node is not to be asked again in this run, or null */
  look(silent: unknown): Look {
    const state = silent === null ? lookAtChain(this.#reconcile) : Promise.reject(silent);
    // Where closing fails, nobody asks what became of it.
    state.catch(() => {});
    return { atMs: silent === null ? this.#parts.clock.nowMs() : null, state };
  }

  #isStale({ atMs }: Look): boolean {
    return atMs !== null && Math.abs(this.#parts.clock.nowMs() - atMs) > LOOK_KEEPS_MS;
  }

  /**
   * One action at a time, and a fresh look at the chain before each: before the first, the one that was taken while the epoch
   * was closed, by which nothing is called failed, and no chain silent. One that fails by itself holds up no other.
   */
  async bring(client: PoolClient, closing: Look | null): Promise<void> {
    const failed = new Map<string, unknown>();
    const done = new Set<string>();
    let nonces = 0;
    let look = closing && !this.#isStale(closing) ? closing : null;
    while (!this.#parts.stop.aborted) {
      const state = await this.#reconciled(client, look);
      // Each action would be refused.
      if ((await whyFrozen(client, this.#parts.book)) !== null) break;
      const parts = { ...this.#parts, contracts: this.#reconcile.contracts };
      const action = await nextAction(client, parts, state, new Set(failed.keys()));
      const wasEarly = look !== null;
      look = null;
      if (!action) break;
      if (done.has(nameOf(action))) throw new NodeIsBehind(action);
      try {
        await this.#do(client, action);
        done.add(nameOf(action));
      } catch (error) {
        const moved = error instanceof NonceMoved && nonces < MOST_NONCES_A_RUN;
        const again = moved || wasEarly;
        if (!moved && !isOfOneAction(error)) throw error;
        if (moved) nonces += 1;
        else if (!wasEarly) failed.set(nameOf(action), error);
        this.#parts.log.warn({ err: error, again }, "an action was not done");
      }
    }
    for (const error of failed.values()) throw error;
  }

  /** Where the chain does not say again what it said while the epoch was closed, it may have gone back: it is asked anew. */
  async #reconciled(client: PoolClient, look: Look | null): Promise<ChainState> {
    const seen = await look?.state;
    try {
      return await reconcile(client, this.#reconcile, seen);
    } catch (error) {
      if (!seen || !isChainUnavailable(error)) throw error;
      return reconcile(client, this.#reconcile);
    }
  }

  async #do(client: PoolClient, { call, ...action }: ReadyAction): Promise<void> {
    const { faults, log, metrics, sender } = this.#parts;
    if (action.kind === "commit") await this.#publish(client, action.epoch);
    const mined = await sender.send(client, action, call);
    await faults(`${action.kind}-mined`, action.epoch);
    await record(client, this.#reconcile, action, mined);
    const gas = mined.gasUsed ?? 0n;
    metrics?.epochGasUsed.set({ call: action.kind }, Number.parseInt(`${gas}`, 10));
    log.info({ ...action, tx_hash: mined.hash, gas_used: `${gas}` }, "mined");
    await faults(`${action.kind}-recorded`, action.epoch);
  }

  async #publish(client: PoolClient, epoch: number): Promise<void> {
    const { book, publisher, faults } = this.#parts;
    const [before, own] = await epochAndBefore(client, book.id, epoch);
    const files = {
      ...{ book: book.id, epoch, headerHash: own.header_hash },
      ...{ journalFrom: before?.journal_size ?? 0, journalTo: own.journal_size },
    };
    try {
      await publisher.publish(client, files, () => faults("publishing", epoch));
    } catch (error) {
      throw new PublishFailed(epoch, error);
    }
    await faults("published", epoch);
  }
}

interface EpochSize {
  number: number;
  header_hash: Hex;
  journal_size: number;
}

async function epochAndBefore(
  db: Queryable,
  book: number,
  epoch: number,
): Promise<[EpochSize | undefined, EpochSize]> {
  const found = await rows<EpochSize>(db, SQL.epochsFrom, [book, epoch - 1, 2]);
  const own = found.find((row) => row.number === epoch);
  if (!own) throw new Error(`there is no epoch ${epoch}`);
  return [found.find((row) => row.number === epoch - 1), own];
}
