/**
 * Published epochs: one folder each, named by the header hash, with the leaf
 * file of every section (the leaves that changed) and the journal lines that are
 * new. A folder appears whole or not at all (written aside, synced, renamed), and
 * it is there before the epoch's commit is sent. What is lost can be written
 * again from Postgres: the bytes are always the same.
 */
import { createReadStream } from "node:fs";
import { access, mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Hex, type Leaf, SECTIONS, type Section } from "#proof";
import type { ClosedText } from "./closed-text.ts";
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
interface EpochText {
  readonly leaves: Readonly<Record<Section, Pieces>>;
  readonly journal: Pieces;
  /** Nothing has to be asked for it: the files can be written side by side, since each waits for the disk. */
  readonly atOnce: boolean;
}

export class Publisher {
  readonly #folder: string;
  /** Of the epoch that was closed last here, until it is published. */
  #closed: { headerHash: Hex; text: ClosedText } | undefined;

  /** @param folder absolute; made where missing */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What closing an epoch had in its hands. */
  remember(headerHash: Hex, text: ClosedText): void {
    this.#closed = { headerHash, text };
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
    if (await exists(target)) return;
    const aside = `${target}.tmp`;
    await rm(aside, { recursive: true, force: true });
    await mkdir(aside, { recursive: true });
    await writeFiles(aside, this.#textOf(epoch) ?? textFromDatabase(db, epoch));
    await syncFolder(aside);
    await beforeNaming();
    await rename(aside, target);
    await syncFolder(this.#folder);
    this.#closed = undefined;
  }

  #textOf(epoch: EpochToPublish): EpochText | null {
    if (this.#closed?.headerHash !== epoch.headerHash) return null;
    const files = this.#closed.text.files(epoch.journalFrom, epoch.journalTo);
    return files && { ...files, atOnce: true };
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

async function writeFiles(folder: string, { leaves, journal, atOnce }: EpochText): Promise<void> {
  const files = [
    ...SECTIONS.map((section) => ({ name: leafFileName(section), text: leaves[section] })),
    { name: "journal.ndjson", text: journal },
  ];
  const write = ({ name, text }: (typeof files)[number]) => writeSynced(join(folder, name), text);
  if (!atOnce) {
    for (const file of files) await write(file);
    return;
  }
  // All are at their end before anything else is done in the folder.
  const written = await Promise.allSettled(files.map(write));
  for (const file of written) if (file.status === "rejected") throw file.reason;
}

function textFromDatabase(db: Queryable, epoch: EpochToPublish): EpochText {
  const leaves = {} as Record<Section, AsyncIterable<string>>;
  for (const section of SECTIONS)
    leaves[section] = leafText(changedLeaves(db, epoch.book, epoch.epoch, section));
  return { leaves, journal: lineText(journalLines(db, epoch.journalFrom, epoch.journalTo)), atOnce: false };
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
