/**
 * The chain watcher of one book. Each look sees what is new, takes back what the chain took back, and gives every event
 * that is final its line with all that follows from it. Promises: nothing counts before its block is final; everything
 * counts once, in the order of the chain, whoever looks and however often it is killed; what the node leaves out is
 * found when it is asked again, or missed in the registry's own counts. It sends nothing to the chain.
 *
 * Several instances may run: the holder of a Postgres advisory lock looks, the others leave it to it; and where two
 * believed that they hold it, the rules of the database and of the ledger let each event count once.
 */
import type { Pool, PoolClient } from "pg";
import {
  type Chain,
  ChainInconsistent,
  type ChainReader,
  createChainReader,
  type DeploymentRecord,
  isChainSilent,
  isChainUnavailable,
  type Log,
  type Metrics,
} from "#infra";
import { type Clock, DomainError, type Ids } from "#kernel";
import { letGo } from "../let-go.ts";
import type { BookRow } from "../model.ts";
import { firstRow, rows, SQL } from "../sql.ts";
import { seenFreeze } from "../waiting.ts";
import { type WatcherStatus, watcherStatus } from "./chain-reads.ts";
import { type Confirmed, Confirming } from "./confirm-blocks.ts";
import { demandUnit, servedUnit, sweepDueDemands } from "./demands.ts";
import type { ChainEffects } from "./effects.ts";
import { LogReading } from "./read-logs.ts";
import {
  cancellationUnit,
  claimUnit,
  DoubtfulEvent,
  entryUnit,
  type FinalEvent,
  type KnownPosition,
  RECORDED,
  type RecordingParts,
} from "./record-events.ts";
import { cursorOf, type Finality, Seeing } from "./see-blocks.ts";

export interface WatcherOptions {
  /** Connections of the ledger's schema, as the application's role; one is held while a look lasts. */
  readonly pool: Pool;
  readonly chain: Chain;
  readonly record: DeploymentRecord;
  readonly book: BookRow;
  readonly effects: () => ChainEffects;
  readonly finality: Finality;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
  readonly widestRange?: number | undefined;
  /** Called between the steps; tests die here. */
  readonly faults?: ((point: WatcherFault) => void | Promise<void>) | undefined;
}

/** Between any two of these something is written. */
export const WATCHER_FAULTS = [
  "looked",
  "seen",
  "confirmed",
  "noted",
  "recorded",
  "checked",
  "swept",
] as const;
export type WatcherFault = (typeof WATCHER_FAULTS)[number];

export interface ChainWatcher {
  /** One look; joins the one under way, leaves it to another instance that is at it. @throws DomainError `unavailable` */
  look(): Promise<void>;
  /** For the schedule: a look, but not so soon after some that failed. */
  follow(): Promise<void>;
  /** Moves what every due demand asks for into its owner's payouts; what fails of it is logged. */
  sweepDue(): Promise<void>;
  /**
   * Looks and sweeps; what fails of it is logged. Whether an epoch may be closed then is asked of the database.
   * @returns what `isChainSilent` knows, where a silent node was waited for; otherwise null
   */
  beforeClosing(): Promise<unknown>;
  /** Null before the first look. */
  status(): Promise<WatcherStatus | null>;
  /** Ends when no look is under way, and begins none again. */
  stop(): Promise<void>;
}

const PAGE = 200;
/** Units that are under way together. */
const AT_ONCE = 50;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;
const PAYOUTS = 4;

export function createWatcher(options: WatcherOptions): ChainWatcher {
  const watcher = new Watcher(options);
  return {
    look: () => watcher.look(),
    follow: () => watcher.follow(),
    sweepDue: () => watcher.sweepDue(),
    beforeClosing: () => watcher.beforeClosing(),
    status: () => watcher.status(),
    stop: () => watcher.stop(),
  };
}

class Watcher {
  readonly #options: WatcherOptions;
  readonly #reader: ChainReader;
  readonly #reading: LogReading;
  readonly #seeing: Seeing;
  readonly #confirming: Confirming;
  readonly #parts: () => RecordingParts;
  #running: Promise<void> | undefined;
  #stopped = false;
  #failures = 0;
  /** Until then the schedule leaves a node alone that failed. */
  #notBeforeMs = 0;

  constructor(options: WatcherOptions) {
    const { book, chain, clock, effects, finality, ids, log, metrics, record, widestRange } = options;
    this.#options = options;
    this.#reader = createChainReader(chain.rpc);
    this.#reading = new LogReading(this.#reader, book.id, record, widestRange);
    const parts = { reading: this.#reading, book, finality, clock, log, metrics };
    this.#seeing = new Seeing({ reader: this.#reader, ...parts });
    this.#confirming = new Confirming(parts);
    this.#parts = () => ({ book, ids, effects: effects() });
  }

  async look(): Promise<void> {
    if (this.#stopped) return;
    this.#running ??= this.#look().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async follow(): Promise<void> {
    if (this.#options.clock.nowMs() >= this.#notBeforeMs) await this.look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running?.catch(() => {});
  }

  async #look(): Promise<void> {
    const { book, metrics, pool } = this.#options;
    const client = await pool.connect();
    let broken = true;
    try {
      const lock = await firstRow<{ locked: boolean }>(client, SQL.watchLock, [book.id]);
      if (lock?.locked) {
        await this.#lookAlone(client);
        await rows(client, SQL.watchUnlock, [book.id]);
      }
      broken = false;
      this.#failures = 0;
    } catch (error) {
      metrics?.watcherFailures.inc();
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
      this.#notBeforeMs = this.#options.clock.nowMs() + pauseMs;
      this.#failures += 1;
      throw this.#explained(error);
    } finally {
      if (broken) await letGo(client);
      else client.release();
      await this.#observe();
    }
  }

  async #lookAlone(client: PoolClient): Promise<void> {
    const { book, metrics } = this.#options;
    await this.#fault("looked");
    const seen = await this.#seeing.look(client);
    metrics?.watcherEvents.inc(seen.events);
    await this.#fault("seen");
    const confirmed = await this.#confirming.confirm(client, seen);
    const { final, completeTime } = confirmed;
    await this.#fault("confirmed");
    await rows(client, SQL.watchAdopt, [book.id, final]);
    await rows(client, SQL.watchNoteFinal, [book.id, final, [...RECORDED]]);
    await this.#fault("noted");
    if ((await this.#recordFinal(client, confirmed)) && (await this.#check(client, confirmed))) {
      await rows(client, SQL.watchChecked, [book.id, final, completeTime]);
      await this.#fault("checked");
    }
  }

  /** @returns false where an event is missing before the next one */
  async #recordFinal(client: PoolClient, { final }: Confirmed): Promise<boolean> {
    const { book } = this.#options;
    const frozen = (await seenFreeze(client, book))?.final === true;
    for (;;) {
      const page = await rows<FinalEvent>(client, SQL.watchToRecord, [book.id, final, PAGE]);
      for (let at = 0; at < page.length; ) {
        if (this.#stopped) return false;
        const cancelled = cancellationsOf(page, at);
        if (cancelled.length > 0) await this.#recordCancelled(cancelled);
        else if (!(await this.#record(client, page[at] as FinalEvent, frozen))) return false;
        at += Math.max(1, cancelled.length);
        await this.#fault("recorded");
      }
      if (page.length < PAGE) return true;
    }
  }

  /** Together, in their order: nothing has to be asked before each, and a stranger may send them by the thousand. */
  async #recordCancelled(events: readonly FinalEvent[]): Promise<void> {
    const parts = this.#parts();
    const submitted = events.map((event) => parts.effects.submit(cancellationUnit(parts, event)));
    const failed = (await Promise.allSettled(submitted)).find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
  }

  async #record(client: PoolClient, event: FinalEvent, frozen: boolean): Promise<boolean> {
    const { book } = this.#options;
    const parts = this.#parts();
    const { effects } = parts;
    switch (event.event) {
      case "EntryMade": {
        const last = await firstRow<{ entry: number }>(client, SQL.watchLastEntry, [book.id, null]);
        const next = (last?.entry ?? 0) + 1;
        if (event.entry > BigInt(next)) {
          await this.#missed(client, `entry ${next}`);
          return false;
        }
        if (event.entry < BigInt(next))
          throw new DoubtfulEvent(event, `entry ${event.entry} was credited before`);
        await effects.submit(entryUnit(parts, event, next, frozen));
        return true;
      }
      case "Claimed": {
        const payouts = await this.#position(client, event, PAYOUTS);
        const before = event.total - event.amount;
        if (payouts.debited < before) {
          await this.#missed(client, `claims before ${event.tx_hash}`);
          return false;
        }
        if (payouts.debited > before)
          throw new DoubtfulEvent(event, `${payouts.debited} were claimed before, not ${before}`);
        await effects.submit(claimUnit(parts, event, payouts));
        return true;
      }
      case "ExitDemanded":
        await effects.submit(demandUnit(parts, event, await this.#position(client, event, event.section)));
        return true;
      case "DemandServed":
        await effects.submit(servedUnit(parts, event, await this.#position(client, event, event.section)));
        return true;
      case "WalletCancelled":
        await this.#recordCancelled([event]);
        return true;
    }
  }

  /** What the contracts were made to do with a position was proven to them, so this ledger has it. */
  async #position(client: PoolClient, event: FinalEvent, section: number): Promise<KnownPosition> {
    const { book } = this.#options;
    const values = [book.asset, section, event.index, event.index === null ? event.key : null];
    const found = await firstRow<KnownPosition>(client, SQL.watchPosition, values);
    if (!found) throw new DoubtfulEvent(event, `this ledger has no position ${event.key}`);
    return found;
  }

  /**
   * Holds what was seen against what the contracts count, as of the newest final block.
   * @returns false where an event is missing
   */
  async #check(client: PoolClient, { final }: Confirmed): Promise<boolean> {
    const { book, log, record } = this.#options;
    const cursor = await cursorOf(client, book.id);
    if (cursor.checked_block >= final || final < book.deployedBlock) return true;
    if (book.custodians[0] !== undefined && BigInt(book.token) !== 0n) {
      const counted = await firstRow<{ last_entry: bigint; paid: bigint }>(client, SQL.watchCounts, [
        book.id,
      ]);
      const vault = record.custodians.balances.toLowerCase() as `0x${string}`;
      const entries = await this.#reader.askUint(book.registry, "lastEntry()", final);
      const paid = await this.#reader.askUint(vault, "totalPaid()", final);
      if (entries === null || paid === null)
        log.debug({ final }, "the node has no state of that block any more");
      else if (entries !== counted?.last_entry || paid !== counted.paid) {
        await this.#missed(client, `entries up to ${entries} or claims of ${paid} in all`);
        return false;
      }
    }
    this.#reading.widen();
    return true;
  }

  async #missed(client: PoolClient, what: string): Promise<void> {
    const { book, log, metrics } = this.#options;
    metrics?.watcherMissed.inc();
    log.error({ book: book.id, what, alarm: true }, "the node left out events; they are looked for again");
    this.#reading.narrow();
    await rows(client, SQL.watchLookAgain, [book.id]);
  }

  async beforeClosing(): Promise<unknown> {
    // The log has said why already.
    const failed: unknown = await this.look().then(
      () => null,
      (error: unknown) => error,
    );
    await this.sweepDue();
    const cause = failed instanceof DomainError ? failed.cause : null;
    return isChainSilent(cause) ? cause : null;
  }

  async sweepDue(): Promise<void> {
    const { pool, log } = this.#options;
    const parts = { pool, log, recording: this.#parts(), swept: () => this.#fault("swept") };
    await sweepDueDemands(parts).catch((err: unknown) =>
      log.error({ err }, "due demands could not be swept"),
    );
  }

  status(): Promise<WatcherStatus | null> {
    return watcherStatus(this.#options.pool, this.#options.book.id);
  }

  #explained(error: unknown): unknown {
    const { log } = this.#options;
    if (isChainUnavailable(error) || error instanceof ChainInconsistent) {
      log.warn({ err: error }, "the chain could not be looked at; the next look goes on from there");
      return new DomainError("unavailable", "The chain does not answer as it should; the next look goes on", {
        ...{ retryAfterSeconds: 10, cause: error },
      });
    }
    if (error instanceof DoubtfulEvent)
      log.error({ err: error, alarm: true }, "the chain watcher has stopped and needs a person");
    return error;
  }

  async #observe(): Promise<void> {
    const { metrics, log } = this.#options;
    if (!metrics) return;
    try {
      const status = await this.status();
      if (!status) return;
      metrics.watcherLagBlocks.set(status.latestBlock - status.seenBlock);
      metrics.watcherFinalBlock.set(status.finalBlock);
      metrics.watcherWaiting.set(status.waiting);
      metrics.watcherLost.set(status.lost);
      metrics.watcherCompleteTime.set(status.completeTime);
      metrics.exitDemandsOpen.set(status.openDemands);
    } catch (error) {
      log.warn({ err: error }, "the watcher's metrics could not be read");
    }
  }

  async #fault(point: WatcherFault): Promise<void> {
    await this.#options.faults?.(point);
  }
}

/** Those that follow each other from there on. */
function cancellationsOf(page: readonly FinalEvent[], from: number): readonly FinalEvent[] {
  const isOther = ({ event }: FinalEvent, place: number) => place >= from && event !== "WalletCancelled";
  const end = page.findIndex(isOther);
  return page.slice(from, end < 0 ? undefined : end).slice(0, AT_ONCE);
}
