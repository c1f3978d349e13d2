/**
 * The settlement job: closes an epoch where the journal grew, publishes it,
 * and brings every epoch that is not final to the chain, in order. It may be
 * killed between any two statements and run by several instances: the holder of
 * a Postgres advisory lock works, everybody else waits or leaves it to them, and
 * each step begins by asking the chain what is already there.
 *
 * Where the chain is down an epoch is closed all the same, and the next run
 * sends it. No request of a user ever waits for any of this.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Pool, PoolClient } from "pg";
import { isChainUnavailable, type Log, type Metrics } from "#infra";
import { type Clock, DomainError } from "#kernel";
import { type ChainState, ForeignEpoch, type ReconcileParts, reconcile, record } from "./chain-state.ts";
import { type ClosingParts, closeEpoch } from "./close-epoch.ts";
import { latestEpoch } from "./epoch-queries.ts";
import type { Action, BookRow, EpochView } from "./model.ts";
import { observeProgress } from "./progress.ts";
import type { Publisher } from "./publisher.ts";
import { ActionRefused, calldataOf, NotMinedInTime, type Sender } from "./sender.ts";
import { firstRow, type Queryable, rows, SQL } from "./sql.ts";

export interface SettlerParts extends ClosingParts {
  readonly pool: Pool;
  readonly book: BookRow;
  readonly chain: Omit<ReconcileParts, "book" | "sender" | "log">;
  readonly sender: Sender;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics | undefined;
  /** How long a caller waits for another instance that is settling. */
  readonly lockTimeoutMs: number;
  /** Ends a run between two actions, and any waiting. */
  readonly stop: AbortSignal;
}

export interface RunOutcome {
  /** `unchanged`: the journal did not grow since the last epoch. */
  readonly outcome: "settled" | "unchanged";
  /** Null where nothing was ever written. */
  readonly epoch: EpochView | null;
}

/** What a run does when another instance is at it. */
type IfBusy = "wait" | "skip";

interface Run {
  readonly number: number;
  /** It closes an epoch, and waits for the lock to do so. */
  readonly complete: boolean;
  readonly ended: Promise<void>;
}

const LOCK_POLL_MS = 50;

export class Settler {
  readonly #parts: SettlerParts;
  readonly #reconcile: ReconcileParts;
  #running: Run | undefined;
  #started = 0;

  constructor(parts: SettlerParts) {
    this.#parts = parts;
    this.#reconcile = { ...parts.chain, book: parts.book, sender: parts.sender, log: parts.log };
  }

  /**
   * Settles all that was written before this call, and answers when it is on the
   * chain. Calls at the same time share an epoch.
   * @throws DomainError `unavailable` where the chain does not answer or another instance does not finish
   */
  async run(): Promise<RunOutcome> {
    const { pool, book } = this.#parts;
    const before = await latestEpoch(pool, book.id);
    const wanted = (await firstRow<{ next_seq: number }>(pool, SQL.head))?.next_seq ?? 0;
    // Only after that: a run that began meanwhile may have taken its snapshot before the last of those lines.
    const calledAt = this.#started;
    await this.#runSince(calledAt);
    const epoch = await latestEpoch(pool, book.id);
    if ((epoch?.journalSize ?? 0) < wanted) throw new Error(`line ${wanted} is in no epoch`);
    const unchanged = before?.epoch === epoch?.epoch && before?.status === epoch?.status;
    return { outcome: unchanged ? "unchanged" : "settled", epoch };
  }

  /** The scheduled run: leaves the work to whoever is at it already. */
  async settle(): Promise<void> {
    await (this.#running ?? this.#start("skip", true)).ended;
  }

  /** Brings closed epochs to the chain without closing one. */
  async advance(): Promise<void> {
    await (this.#running ?? this.#start("skip", false)).ended;
  }

  /** Answers when no run is under way; one that was told to stop ends soon, and the next one goes on from there. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running.ended.catch(() => {});
  }

  /** A run that was under way may have read the journal before the caller's newest lines: it does not count. */
  async #runSince(calledAt: number): Promise<void> {
    for (;;) {
      const running = this.#running ?? this.#start("wait", true);
      if (running.number > calledAt && running.complete) return running.ended;
      await running.ended.catch(() => {});
    }
  }

  #start(ifBusy: IfBusy, close: boolean): Run {
    this.#started += 1;
    const ended = this.#work(ifBusy, close).finally(() => {
      this.#running = undefined;
    });
    this.#running = { number: this.#started, complete: close && ifBusy === "wait", ended };
    return this.#running;
  }

  async #work(ifBusy: IfBusy, close: boolean): Promise<void> {
    const { pool, metrics, stop } = this.#parts;
    if (stop.aborted) throw new DomainError("unavailable", "The server is stopping");
    let stage = "lock";
    const client = await pool.connect();
    let broken = true;
    try {
      if (!(await this.#lock(client, ifBusy))) {
        broken = false;
        return;
      }
      if (close) {
        stage = "close";
        await this.#close(client);
      }
      stage = "send";
      await this.#bringToChain(client);
      metrics?.dependencyUp.set({ dependency: "chain" }, 1);
      await rows(client, SQL.unlockBook, [this.#parts.book.id]);
      broken = false;
    } catch (error) {
      metrics?.settlementFailures.inc({ stage });
      throw this.#explained(error);
    } finally {
      // A connection that may still hold the lock, or a transaction, is closed, which lets go of both.
      client.release(broken);
      await this.#observe(pool);
    }
  }

  async #lock(client: PoolClient, ifBusy: IfBusy): Promise<boolean> {
    const { book, clock, lockTimeoutMs, stop } = this.#parts;
    const started = clock.nowMs();
    for (;;) {
      const row = await firstRow<{ locked: boolean }>(client, SQL.lockBook, [book.id]);
      if (row?.locked) return true;
      if (ifBusy === "skip") return false;
      if (stop.aborted || clock.nowMs() - started > lockTimeoutMs)
        throw new DomainError("unavailable", "Another instance is settling and does not finish", {
          retryAfterSeconds: 10,
        });
      await wait(LOCK_POLL_MS);
    }
  }

  async #close(client: PoolClient): Promise<void> {
    const closed = await closeEpoch(client, this.#parts);
    if (!closed) return;
    this.#parts.metrics?.epochLeavesChanged.observe(closed.leavesChanged);
    this.#parts.log.info(closed, "closed an epoch");
    await this.#parts.faults("closed", closed.epoch);
  }

  /** One action at a time, and a fresh look at the chain before each. */
  async #bringToChain(client: PoolClient): Promise<void> {
    while (!this.#parts.stop.aborted) {
      const state = await reconcile(client, this.#reconcile);
      const action = await this.#nextAction(client, state);
      if (!action) return;
      if (action.kind === "commit") await this.#publish(client, action.epoch);
      const calldata = await calldataOf(client, this.#parts.book, action);
      const mined = await this.#parts.sender.send(client, action, calldata);
      await this.#parts.faults("mined", action.epoch);
      await record(client, this.#reconcile, action, mined);
      this.#parts.metrics?.epochGasUsed.set({ call: action.kind }, Number.parseInt(`${mined.gasUsed}`, 10));
      this.#parts.log.info({ ...action, tx_hash: mined.hash, gas_used: `${mined.gasUsed}` }, "mined");
      await this.#parts.faults("recorded", action.epoch);
    }
  }

  /** An epoch is made final before the next is committed: so a chain that lost both gets the same nonces again. */
  async #nextAction(client: PoolClient, { lastCommitted, lastFinal }: ChainState): Promise<Action | null> {
    if (lastFinal < lastCommitted) return { epoch: lastFinal + 1, kind: "finalize" };
    const next = await firstRow(client, SQL.epochsFrom, [this.#parts.book.id, lastCommitted + 1, 1]);
    return next ? { epoch: lastCommitted + 1, kind: "commit" } : null;
  }

  async #publish(client: PoolClient, epoch: number): Promise<void> {
    const { book, publisher, faults } = this.#parts;
    const [before, own] = await epochAndBefore(client, book.id, epoch);
    await publisher.publish(client, {
      book: book.id,
      epoch,
      headerHash: own.header_hash,
      journalFrom: before?.journal_size ?? 0,
      journalTo: own.journal_size,
    });
    await faults("published", epoch);
  }

  #explained(error: unknown): unknown {
    const { log, metrics } = this.#parts;
    if (isChainUnavailable(error)) {
      metrics?.dependencyUp.set({ dependency: "chain" }, 0);
      log.warn({ err: error }, "the chain does not answer; epochs wait and are sent later");
      return new DomainError(
        "unavailable",
        "The chain does not answer; the epoch will be sent when it does",
        {
          retryAfterSeconds: 10,
          cause: error,
        },
      );
    }
    if (error instanceof NotMinedInTime)
      return new DomainError("unavailable", `${error.message}; it goes on by itself`, {
        retryAfterSeconds: 30,
        cause: error,
      });
    if (error instanceof ForeignEpoch || error instanceof ActionRefused) {
      log.error({ err: error, alarm: true }, "settlement has stopped and needs a person");
      return new DomainError("unavailable", `Settlement has stopped: ${error.message}`, { cause: error });
    }
    return error;
  }

  async #observe(pool: Pool): Promise<void> {
    const { metrics, book, log } = this.#parts;
    if (!metrics) return;
    await observeProgress(pool, book.id, metrics).catch((error: unknown) =>
      log.warn({ err: error }, "the settlement's metrics could not be read"),
    );
  }
}

interface EpochSize {
  number: number;
  header_hash: `0x${string}`;
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
