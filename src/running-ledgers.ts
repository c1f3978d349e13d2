/**
 * The ledgers of this process beside the default one. They are opened as they
 * appear in the list and closed as they leave it, while the server runs; one that
 * cannot be opened keeps no other from being served. Which ledger a request
 * means is asked here, by name alone.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Log } from "#infra";
import type { RegisteredLedger } from "./ledger-registry.ts";

export interface RunningLedger {
  /** Whether it would open otherwise now: something it was opened without has come into being. */
  outdated?(): boolean;
  /** Ends its schedule and closes what it opened. */
  stop(): Promise<void>;
}

export interface RunningLedgersOptions<L extends RunningLedger> {
  list(): Promise<readonly RegisteredLedger[]>;
  /** Opens, and starts what works by itself where `started`. */
  open(ledger: RegisteredLedger): Promise<L>;
  log: Log;
}

/** How often the list is read while nobody asks for a ledger that is not there. */
const LOOK_EVERY_MS = 5_000;
/** Requests for unknown names make the list be read no more often than this. */
const LOOK_AT_MOST_EVERY_MS = 250;

export class RunningLedgers<L extends RunningLedger> {
  readonly #options: RunningLedgersOptions<L>;
  readonly #open = new Map<string, L>();
  readonly #failed = new Set<string>();
  #looking: Promise<void> | undefined;
  /** A look that has not begun. */
  #next: Promise<void> | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: RunningLedgersOptions<L>) {
    this.#options = options;
  }

  get(name: string): L | undefined {
    return this.#open.get(name);
  }

  all(): ReadonlyMap<string, L> {
    return this.#open;
  }

  /** Registered, but it cannot be opened here now. */
  failed(): ReadonlySet<string> {
    return this.#failed;
  }

  /** Answers after a look that began after the call: a ledger that was made a moment ago is found. */
  async find(name: string): Promise<L | "failed" | undefined> {
    this.#next ??= this.#lookLater();
    await this.#next;
    return this.#open.get(name) ?? (this.#failed.has(name) ? "failed" : undefined);
  }

  /** Opens and closes until what runs is what the list says. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
      this.#lookedAtMs = performance.now();
    });
    return this.#looking;
  }

  /** Looks again and again from now on. */
  watch(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.look().finally(() => this.watch()), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
    for (const [name, ledger] of [...this.#open].toReversed()) {
      this.#open.delete(name);
      await ledger.stop();
    }
  }

  async #lookLater(): Promise<void> {
    await this.#looking;
    await pause(Math.max(0, this.#lookedAtMs + LOOK_AT_MOST_EVERY_MS - performance.now()));
    this.#next = undefined;
    await this.look();
  }

  async #look(): Promise<void> {
    const { list, log } = this.#options;
    let listed: readonly RegisteredLedger[];
    try {
      listed = (await list()).filter(({ state }) => state === "open");
    } catch (error) {
      // Without the database nothing is known: what runs goes on.
      log.warn({ err: error }, "the list of ledgers cannot be read");
      return;
    }
    for (const [name, ledger] of [...this.#open])
      if (!listed.some((known) => known.name === name)) await this.#close(name, ledger);
    for (const known of listed) {
      const running = this.#open.get(known.name);
      if (this.#stopped || (running && !running.outdated?.())) continue;
      await this.#openOne(known);
      // The new one has its place by now; where it could not be opened, the old one goes on.
      if (running && this.#open.get(known.name) !== running) await this.#end(known.name, running);
    }
    for (const name of this.#failed)
      if (!listed.some((known) => known.name === name)) this.#failed.delete(name);
  }

  async #openOne(known: RegisteredLedger): Promise<void> {
    const { open, log } = this.#options;
    try {
      this.#open.set(known.name, await open(known));
      this.#failed.delete(known.name);
      log.info({ ledger: known.name, schema: known.schema }, "a ledger is open");
    } catch (error) {
      if (!this.#open.has(known.name)) this.#failed.add(known.name);
      log.error({ err: error, ledger: known.name }, "a ledger cannot be opened; it is tried again");
    }
  }

  async #close(name: string, ledger: L): Promise<void> {
    this.#open.delete(name);
    await this.#end(name, ledger);
    this.#options.log.info({ ledger: name }, "a ledger left the list and is closed");
  }

  async #end(name: string, ledger: L): Promise<void> {
    try {
      await ledger.stop();
    } catch (error) {
      this.#options.log.error({ err: error, ledger: name }, "a ledger did not close cleanly");
    }
  }
}
