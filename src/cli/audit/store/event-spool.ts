/**
 * The chain's events that journal lines are held against, in the chain's order,
 * for as long as one run needs them. What does not fit in a small piece of memory
 * stands in a file that has no name any more as soon as it is open: it goes with
 * the process, however that ends.
 */
import { randomUUID } from "node:crypto";
import { closeSync, ftruncateSync, mkdirSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { ChainEvent } from "../chain-events.ts";

const PIECE_BYTES = 256 * 1_024;
const NEWLINE = 10;

/** How far it was written at some time, in bytes. */
export type SpoolMark = number;

/** Read as often as wanted, from the first event on; not while it is written. */
export class EventSpool implements Iterable<ChainEvent> {
  readonly #folder: string;
  #file: number | undefined;
  /** Bytes in the file. */
  #written = 0;
  /** What follows there; one event a line. */
  #rest: Buffer[] = [];
  #restBytes = 0;

  /** @param folder on a disk with some room; nothing is left in it */
  constructor(folder: string) {
    this.#folder = folder;
  }

  append(event: ChainEvent): void {
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    this.#rest.push(line);
    this.#restBytes += line.length;
    if (this.#restBytes >= PIECE_BYTES) this.#flush();
  }

  mark(): SpoolMark {
    return this.#written + this.#restBytes;
  }

  /** Forgets what was appended since; without a mark all of it. */
  rewind(mark: SpoolMark = 0): void {
    if (mark === this.mark()) return;
    if (mark > this.#written) this.#flush();
    if (this.#file !== undefined) ftruncateSync(this.#file, mark);
    this.#written = mark;
    this.#rest = [];
    this.#restBytes = 0;
  }

  *[Symbol.iterator](): Generator<ChainEvent> {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    let begun = Buffer.alloc(0);
    for (let at = 0; at < this.#written; ) {
      const read = readSync(this.#open(), piece, 0, Math.min(PIECE_BYTES, this.#written - at), at);
      if (read === 0) throw new Error(`the file of the chain's events in ${this.#folder} was cut off`);
      at += read;
      let from = 0;
      for (let end = piece.indexOf(NEWLINE); end >= 0 && end < read; end = piece.indexOf(NEWLINE, from)) {
        const text = Buffer.concat([begun, piece.subarray(from, end)]).toString();
        begun = Buffer.alloc(0);
        from = end + 1;
        yield JSON.parse(text) as ChainEvent;
      }
      begun = Buffer.concat([begun, piece.subarray(from, read)]);
    }
    for (const rest of this.#rest) yield JSON.parse(rest.toString()) as ChainEvent;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    this.#written = 0;
    this.#rest = [];
    this.#restBytes = 0;
  }

  #flush(): void {
    const file = this.#open();
    const bytes = Buffer.concat(this.#rest);
    for (let done = 0; done < bytes.length; )
      done += writeSync(file, bytes, done, bytes.length - done, this.#written + done);
    this.#written += bytes.length;
    this.#rest = [];
    this.#restBytes = 0;
  }

  #open(): number {
    if (this.#file !== undefined) return this.#file;
    mkdirSync(this.#folder, { recursive: true });
    const path = join(this.#folder, `chain-events-${randomUUID()}`);
    this.#file = openSync(path, "wx+", 0o600);
    rmSync(path);
    return this.#file;
  }
}
