/**
 * Watches the free space of the file system that a folder lies on, and says
 * below a watermark that nothing may be written any more. It exists because
 * Postgres itself ends when its log finds no room: stopped before that, reads
 * go on, and the end of the trouble is to make room.
 *
 * It asks the system a few times a second, never a request: a request asks only
 * what was seen last.
 */
import { statfs } from "node:fs/promises";
import { DomainError } from "#kernel";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics/index.ts";

export interface DiskGuard {
  /** Bytes that an ordinary user may still write, as last seen. */
  readonly freeBytes: number;
  readonly isLow: boolean;
  /** @throws DomainError `unavailable` while there is less than the watermark */
  assertRoom(): void;
  /** Looks for the first time, then on and on. Before it there is room. @throws where the folder cannot be asked about */
  start(): Promise<void>;
  close(): void;
}

export interface DiskGuardOptions {
  /** Must exist. */
  readonly folder: string;
  /** 0: never refuses, and still measures. */
  readonly watermarkBytes: number;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "diskFree" | "writesHalted">;
  readonly everyMs?: number;
}

const EVERY_MS = 250;
/** So much more than the watermark must be free before writes go on, so that they do not go on and off. */
const WAY_BACK = 1.05;
const RETRY_AFTER_SECONDS = 10;
const MIB = 2 ** 20;

export function createDiskGuard(options: DiskGuardOptions): DiskGuard {
  return new Guard(options);
}

class Guard implements DiskGuard {
  readonly #options: DiskGuardOptions;
  #timer: NodeJS.Timeout | undefined;
  freeBytes = 0;
  isLow = false;

  constructor(options: DiskGuardOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#look();
    const look = () => this.#look().catch((error: unknown) => this.#warn(error));
    this.#timer = setInterval(() => void look(), this.#options.everyMs ?? EVERY_MS);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const { folder, watermarkBytes, log, metrics } = this.#options;
    const { bavail, bsize } = await statfs(folder);
    this.freeBytes = bavail * bsize;
    const wasLow = this.isLow;
    this.isLow = this.freeBytes < watermarkBytes * (wasLow ? WAY_BACK : 1);
    metrics.diskFree.set(this.freeBytes);
    metrics.writesHalted.set(this.isLow ? 1 : 0);
    if (this.isLow === wasLow) return;
    const fields = { folder, free_bytes: this.freeBytes, watermark_bytes: watermarkBytes };
    if (this.isLow) log.error(fields, "the disk runs full: writes are refused until there is room");
    else log.info(fields, "there is room on the disk again: writes go on");
  }

  assertRoom(): void {
    if (this.isLow)
      throw new DomainError("unavailable", this.#sentence(), { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sentence(): string {
    const [free, watermark] = [this.freeBytes, this.#options.watermarkBytes].map((n) => Math.floor(n / MIB));
    return `The disk of the database is nearly full (${free} MiB are free, writes need ${watermark}); reads go on. Try again later`;
  }

  #warn(error: unknown): void {
    this.#options.log.warn({ err: error }, "the free space of the disk cannot be asked");
  }
}
