/**
 * The settlement job: closes an epoch where the journal grew, publishes it,
 * and brings every epoch that is not final to the chain, in order. It may be
 * killed between any two statements and run by several instances: the holder of
 * a Postgres advisory lock works, everybody else waits or leaves it to them, and
 * each step begins by asking the chain what is already there.
 * Where the chain is down epochs wait and are sent later; none is closed over a
 * chain that nobody has seen for long. No request of a user ever waits for any
 * of this.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Pool, PoolClient } from "pg";
import { isChainUnavailable } from "#infra";
import { DomainError } from "#kernel";
import type { Hex } from "#proof";
import { type ReconcileParts, reconcile } from "./chain-state.ts";
import { type ClosedEpoch, type ClosingParts, closeEpoch } from "./close-epoch.ts";
import { latestEpoch } from "./epoch-queries.ts";
import { letGo } from "./let-go.ts";
import type { BookRow, EpochStatus, EpochView } from "./model.ts";
import { observeProgress } from "./progress.ts";
import type { Publisher } from "./publisher.ts";
import { explained, HeldBack, needsPerson, notClosed, withReason } from "./settling-errors.ts";
import { firstRow, type Queryable, rows, SQL } from "./sql.ts";
import { type Look, ToChain, type ToChainParts } from "./to-chain.ts";
import { type Release, releaseVetoed } from "./vetoes.ts";
import { seenFreeze, whyFrozen, whyLeft, whyNotClosing, whyNotKnown, whyNotSwept } from "./waiting.ts";

export interface SettlerParts extends ClosingParts, ToChainParts {
  readonly pool: Pool;
  readonly publisher: Publisher;
  readonly chain: Pick<ReconcileParts, "chain" | "contracts" | "finalityDepth">;
  /** How long a caller waits for another instance that is settling. */
  readonly lockTimeoutMs: number;
  /**
   * Sees to it that the journal has what an epoch may not be closed without.
   * @returns why the node is not to be asked again in this run, or null
   */
  readonly beforeClosing: () => Promise<unknown>;
  /** The part of it that needs no node. */
  readonly sweepDue: () => Promise<void>;
}

export interface RunOutcome {
  /** `unchanged`: the journal did not grow since the last epoch, and nothing was mined for one. */
  readonly outcome: "settled" | "unchanged";
  /** Null where nothing was ever written; never one that the chain dropped. */
  readonly epoch: (EpochView & { readonly status: RunStatus }) | null;
}

type RunStatus = Exclude<EpochStatus, "vetoed" | "cancelled">;

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
  readonly #toChain: ToChain;
  #running: Run | undefined;
  #started = 0;
  /** Why the last run that may close closed nothing. */
  #heldBack: string | null = null;

  constructor(parts: SettlerParts) {
    this.#parts = parts;
    const { book, sender, log, faults } = parts;
    this.#reconcile = { ...parts.chain, book, sender, log, faults };
    this.#toChain = new ToChain(parts, this.#reconcile);
  }

  /**
   * Settles all that was written before this call, and answers when it is on the
   * chain. Calls at the same time share an epoch.
   * @throws DomainError `unavailable` where the chain does not answer, another instance does not finish, or what was
   * written is held back: it says why
   */
  async run(): Promise<RunOutcome> {
    const { pool, book, mostWaiting, stop } = this.#parts;
    const before = await latestEpoch(pool, book.id);
    const minedBefore = await newestMined(pool, book);
    const lines = (await firstRow<{ next_seq: number }>(pool, SQL.head))?.next_seq ?? 0;
    // Only after that: a run that began meanwhile may have taken its snapshot before the last of those lines.
    const calledAt = this.#started;
    await this.#runSince(calledAt).catch((error: unknown) => {
      throw withReason(error, this.#heldBack);
    });
    const heldBack = this.#heldBack;
    const epoch = await latestEpoch(pool, book.id);
    const isSame = before?.epoch === epoch?.epoch && before?.status === epoch?.status;
    const after = { epoch, isSame, lines, heldBack, isStopping: stop.aborted };
    const left = await whyLeft(pool, book, after, mostWaiting);
    if (left) throw notClosed(lines - 1, left.why);
    // An epoch that it made final in the registry may count as final some blocks later.
    const isUnchanged = isSame && (await newestMined(pool, book)) === minedBefore;
    return { outcome: isUnchanged ? "unchanged" : "settled", epoch: epoch as RunOutcome["epoch"] };
  }

  /** The scheduled run: leaves the work to whoever is at it already. */
  async settle(): Promise<void> {
    await (this.#running ?? this.#start("skip", true)).ended;
  }

  /** Brings closed epochs to the chain without closing one. */
  async advance(): Promise<void> {
    await (this.#running ?? this.#start("skip", false)).ended;
  }

  /**
   * Gives vetoed epochs up, so that the next run builds their numbers again; null where nothing is vetoed.
   * @throws DomainError `unavailable` where the chain does not answer, or the veto is not deep enough
   */
  async release(): Promise<Release | null> {
    let release: Release | null = null;
    await this.#locked("wait", async (client) => {
      const { head } = await reconcile(client, this.#reconcile);
      release = await releaseVetoed(client, this.#reconcile, head.number);
    });
    return release;
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
    const { metrics } = this.#parts;
    let stage = "lock";
    try {
      await this.#locked(ifBusy, async (client) => {
        let look: Look | null = null;
        if (close) {
          stage = "close";
          look = await this.#close(client);
        }
        stage = "send";
        await this.#toChain.bring(client, look);
        metrics?.dependencyUp.set({ dependency: "chain" }, 1);
      });
    } catch (error) {
      metrics?.settlementFailures.inc({ stage });
      throw error;
    }
  }

  /** Alone with the book, on one connection; does nothing where another instance is and `ifBusy` says so. */
  async #locked(ifBusy: IfBusy, task: (client: PoolClient) => Promise<void>): Promise<void> {
    const { book, pool, stop } = this.#parts;
    if (stop.aborted) throw new DomainError("unavailable", "The server is stopping");
    const client = await pool.connect();
    let broken = true;
    try {
      if (await this.#lock(client, ifBusy)) {
        await task(client);
        await rows(client, SQL.unlockBook, [book.id]);
      }
      broken = false;
    } catch (error) {
      throw this.#explained(error);
    } finally {
      if (broken) await letGo(client);
      else client.release();
      this.#parts.metrics?.settlementHeldBack.set(this.#heldBack === null ? 0 : 1);
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

  /** @returns the chain, where it was asked meanwhile */
  async #close(client: PoolClient): Promise<Look | null> {
    const { book, log, metrics, faults, mostWaiting } = this.#parts;
    // The chain may have taken it back: only a look shows that.
    if ((await seenFreeze(client, book))?.final === false) await this.#parts.beforeClosing();
    this.#heldBack = await whyNotClosing(client, book, mostWaiting);
    if (this.#heldBack !== null) {
      log.warn({ why: this.#heldBack }, "no epoch is closed; what is written comes into the next one");
      return null;
    }
    const silent = await this.#parts.beforeClosing();
    // What came in behind the sweep is swept now, so that nobody holds epochs up by small amounts.
    if ((await whyNotSwept(client, book)) !== null) await this.#parts.sweepDue();
    const look = this.#toChain.look(silent);
    const closed = await this.#closeOrHoldBack(client);
    if (!closed) return look;
    metrics?.epochLeavesChanged.observe(closed.leavesChanged);
    log.info(closed, "closed an epoch");
    await faults("closed", closed.epoch);
    return look;
  }

  async #closeOrHoldBack(client: PoolClient): Promise<ClosedEpoch | null> {
    const { book, followed, log } = this.#parts;
    try {
      const now = (await firstRow<{ now: number }>(client, SQL.head))?.now ?? 0;
      const why =
        (await whyFrozen(client, book)) ??
        (await whyNotSwept(client, book)) ??
        (followed ? await whyNotKnown(client, book, now) : null);
      if (why !== null) throw new HeldBack(why);
      return await closeEpoch(client, this.#parts);
    } catch (error) {
      if (!(error instanceof HeldBack)) throw error;
      this.#heldBack = error.message;
      log.error(
        { why: error.message, alarm: true },
        "no epoch is closed; what is written comes into the next one",
      );
      return null;
    }
  }

  #explained(error: unknown): unknown {
    const { log, metrics } = this.#parts;
    if (isChainUnavailable(error)) {
      metrics?.dependencyUp.set({ dependency: "chain" }, 0);
      log.warn({ err: error }, "the chain does not answer; epochs wait and are sent later");
    } else if (needsPerson(error)) {
      log.error({ err: error, alarm: true }, "settlement has stopped and needs a person");
    }
    return explained(error);
  }

  async #observe(pool: Pool): Promise<void> {
    const { metrics, book, log } = this.#parts;
    if (!metrics) return;
    await observeProgress(pool, book.id, metrics).catch((error: unknown) =>
      log.warn({ err: error }, "the settlement's metrics could not be read"),
    );
  }
}

/** Of the commits and finalizes that are known. */
async function newestMined(db: Queryable, { id }: BookRow): Promise<Hex | undefined> {
  return (await firstRow<{ tx_hash: Hex }>(db, SQL.newestRecorded, [id]))?.tx_hash;
}
