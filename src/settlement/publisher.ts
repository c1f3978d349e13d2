/**
 * Published epochs: one folder each, named by the header hash, with the leaf
 * file of every section (the leaves that changed) and the journal lines that are
 * new. A folder appears whole or not at all (written aside, synced, renamed), and
 * it is there before the epoch's commit is sent. What is lost can be written
 * again from Postgres: the bytes are always the same.
 */
import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Hex, type Leaf, SECTIONS, type Section } from "#proof";
import { journalLines } from "./journal-lines.ts";
import { leafLines } from "./leaf-files.ts";
import { changedLeaves, sectionAtEpoch } from "./leaf-rows.ts";
import type { Queryable } from "./sql.ts";
import { type Pieces, writeSynced } from "./write-synced.ts";

export interface EpochToPublish {
  readonly book: number;
  readonly epoch: number;
  readonly headerHash: Hex;
  /** Journal lines of the epoch: from this one up to, not including, the other. */
  readonly journalFrom: number;
  readonly journalTo: number;
}

/** The files of an epoch, in pieces. */
export interface EpochText<P extends Pieces = Pieces> {
  readonly leaves: Readonly<Record<Section, P>>;
  readonly journal: P;
}

export class Publisher {
  readonly #folder: string;
  /** Of the epoch that was closed last here, until it is published: a folder that has all of it. */
  #closed: { headerHash: Hex; aside: string } | undefined;

  /** @param folder absolute; made where missing */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Removes what a process that died while it closed an epoch left behind. What is wrong with the folder, publishing tells. */
  async sweep(book: number): Promise<void> {
    const names = await readdir(this.#folder).catch(() => []);
    for (const name of names)
      if (name.startsWith(asideName(book))) await this.discard(join(this.#folder, name));
  }

  /**
   * Writes what closing an epoch has in its hands while the database still works on it: publishing then only gives it its
   * name. The folder is this call's own.
   * @returns null where it cannot be written: publishing tries again, and tells why
   */
  async writeAside(book: number, text: EpochText<Iterable<string>>): Promise<string | null> {
    const aside = join(this.#folder, `${asideName(book)}${randomUUID()}`);
    try {
      await mkdir(aside, { recursive: true });
      await writeAtOnce(aside, text);
      await syncFolder(aside);
      return aside;
    } catch {
      await this.discard(aside);
      return null;
    }
  }

  /** The epoch whose files were written aside is closed. */
  async remember(headerHash: Hex, aside: string | null): Promise<void> {
    await this.discard(this.#closed?.aside ?? null);
    this.#closed = aside === null ? undefined : { headerHash, aside };
  }

  /** What was written aside is of no epoch. */
  async discard(aside: string | null): Promise<void> {
    if (aside === null) return;
    // Another name first, in one step: whoever is about to publish it finds all of it or nothing.
    const gone = `${aside}.gone`;
    // What stays is in nobody's way, and is swept at the next start.
    await rename(aside, gone).then(
      () => remove(gone).catch(() => {}),
      () => {},
    );
  }

  /**
   * Only the holder of the book's lock publishes. Does nothing where it is done.
   * @param beforeNaming when all is written, but the folder has not got its name
   */
  async publish(
    db: Queryable,
    epoch: EpochToPublish,
    beforeNaming: () => void | Promise<void> = () => {},
  ): Promise<void> {
    const target = join(this.#folder, epoch.headerHash);
    const own = this.#closed?.headerHash === epoch.headerHash ? this.#closed.aside : null;
    if (own !== null) this.#closed = undefined;
    if (await exists(target)) return this.discard(own);
    const isThere = own !== null && (await exists(own));
    const aside = isThere ? own : await writeFromDatabase(db, epoch, `${target}.tmp`);
    await beforeNaming();
    await rename(aside, target);
    await syncFolder(this.#folder);
  }

  /** The leaf file of a section: the published one, else the same bytes from Postgres. */
  async leafFile(
    db: Queryable,
    epoch: Pick<EpochToPublish, "book" | "epoch" | "headerHash">,
    section: Section,
  ): Promise<AsyncIterable<string | Uint8Array>> {
    const file = join(this.#folder, epoch.headerHash, leafFileName(section));
    if (await exists(file)) return createReadStream(file);
    return leafText(changedLeaves(db, epoch.book, epoch.epoch, section));
  }

  /** All leaves of a section as they were at an epoch. */
  snapshot(db: Queryable, book: number, epoch: number, section: Section): AsyncIterable<string> {
    return leafText(sectionAtEpoch(db, book, section, epoch));
  }
}

/** Nothing has to be asked for it: the files are written side by side, since each waits for the disk. */
async function writeAtOnce(folder: string, text: EpochText): Promise<void> {
  const files = filesOf(text).map(({ name, pieces }) => writeSynced(join(folder, name), pieces));
  // All are at their end before anything else is done in the folder.
  for (const file of await Promise.allSettled(files)) if (file.status === "rejected") throw file.reason;
}

async function writeFromDatabase(db: Queryable, epoch: EpochToPublish, aside: string): Promise<string> {
  await remove(aside);
  await mkdir(aside, { recursive: true });
  for (const { name, pieces } of filesOf(textFromDatabase(db, epoch)))
    await writeSynced(join(aside, name), pieces);
  await syncFolder(aside);
  return aside;
}

function filesOf({ leaves, journal }: EpochText): { name: string; pieces: Pieces }[] {
  return [
    ...SECTIONS.map((section) => ({ name: leafFileName(section), pieces: leaves[section] })),
    { name: "journal.ndjson", pieces: journal },
  ];
}

function textFromDatabase(db: Queryable, epoch: EpochToPublish): EpochText {
  const leaves = {} as Record<Section, AsyncIterable<string>>;
  for (const section of SECTIONS)
    leaves[section] = leafText(changedLeaves(db, epoch.book, epoch.epoch, section));
  return { leaves, journal: lineText(journalLines(db, epoch.journalFrom, epoch.journalTo)) };
}

/** Pages of journal lines as text, a newline after each line. */
export async function* lineText(pages: AsyncIterable<string[]>): AsyncGenerator<string> {
  for await (const lines of pages) yield `${lines.join("\n")}\n`;
}

async function* leafText(pages: AsyncIterable<Leaf[]>): AsyncGenerator<string> {
  for await (const leaves of pages) yield leafLines(leaves);
}

function leafFileName(section: Section): string {
  return `leaves-${section}.ndjson`;
}

/** What follows it is random. */
function asideName(book: number): string {
  return `closing-${book}-`;
}

async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
