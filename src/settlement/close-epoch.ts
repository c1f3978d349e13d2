/**
 * Closes an epoch: one Postgres transaction that reads one snapshot and writes
 * all that the epoch is (its leaves, header, number, and what is to be sent).
 * It never takes the journal's head lock, so writers go on meanwhile; whoever
 * calls holds the book's advisory lock, and the unique epoch number guards even
 * against somebody who does not.
 *
 * Every root comes from Postgres: amounts are the accounts' posted balances, and
 * what changed is what the journal's new lines touch.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Pool, PoolClient } from "pg";
import { commitCalldata, NO_HEADER } from "#infra";
import {
  type Header,
  type Hex,
  headerHash,
  headerToJson,
  parseHeader,
  SECTIONS,
  type Section,
  type TreeView,
  toSafeInteger,
  ZERO_WORD,
} from "#proof";
import { beside, connectionBeside } from "./beside.ts";
import { signCheckpoint } from "./checkpoints.ts";
import { ClosedText } from "./closed-text.ts";
import type { Faults } from "./faults.ts";
import { Flight } from "./flight.ts";
import { LeafFiles } from "./leaf-files.ts";
import type { LogSigner } from "./log-signer.ts";
import { LogAppender, logRootAt } from "./log-tiles.ts";
import type { BookRow } from "./model.ts";
import { forChain, nextHeader } from "./next-header.ts";
import type { Publisher } from "./publisher.ts";
import type { OpenTrees, SectionTrees, TreesChange } from "./section-trees.ts";
import { HeldBack } from "./settling-errors.ts";
import { firstRow, type Queryable, rows, SQL } from "./sql.ts";
import { insertLeaves, touchedLeaves } from "./touched-leaves.ts";
import { waitForLog } from "./wait-for-log.ts";
import { demandWantsEpoch, whyNotKnown } from "./waiting.ts";

export interface ClosingParts {
  readonly book: BookRow;
  /** For lines, beside the connection that closes. */
  readonly reads: Pool;
  readonly trees: SectionTrees;
  readonly logSigner: LogSigner;
  readonly publisher: Pick<Publisher, "writeAside" | "remember" | "discard">;
  /** Whether what happens on the chain has to be in the journal: somebody watches, and there are tokens. */
  readonly followed: boolean;
  readonly faults: Faults;
  /** Ends the waiting for another book of the ledger that is closing an epoch. */
  readonly stop: AbortSignal;
}

export interface ClosedEpoch {
  readonly epoch: number;
  readonly leavesChanged: number;
}

interface LastEpoch {
  number: number;
  header: unknown;
  header_hash: Hex;
  journal_size: number;
}

interface Head {
  next_seq: number;
  now: number;
}

/** Closing holds no lock that a request waits for, but hashing many leaves between two statements takes a while. */
const SESSION = "SET LOCAL idle_in_transaction_session_timeout = '5min'; SET LOCAL cursor_tuple_fraction = 1";
/**
 * Of few lines each account is looked up. To a planner that expects a few more, or does not know the tables yet, it seems
 * cheaper to read all positions there are.
 */
const FEW_LINES = 50_000;
const LOOK_UP =
  "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL max_parallel_workers_per_gather = 0";

/** So few are there before another connection is. */
const LINES_ALONE = 500;

/** Lines that are hashed while the snapshot is open, beside all else: an epoch that does not wait for its lines alone. */
const LINES_IN_SNAPSHOT = 16_384;

/**
 * @param client its own, with no transaction open; after another error than HeldBack it may still hold the log's lock
 * @returns null where the journal did not grow since the last epoch, and no demand waits for another
 * @throws HeldBack, with the lock given back; DomainError `unavailable` where it is told to stop while another book closes
 */
export async function closeEpoch(client: PoolClient, parts: ClosingParts): Promise<ClosedEpoch | null> {
  // All books of a ledger share its log. Before any snapshot, which then sees what the holder before it wrote.
  await waitForLog(client, parts.stop);
  try {
    const closed = await closeOverLog(client, parts);
    await client.query(SQL.unlockLog);
    return closed;
  } catch (error) {
    // Whoever holds back goes on with this connection; behind any other error it is closed, and the lock with it.
    if (error instanceof HeldBack) await client.query(SQL.unlockLog);
    throw error;
  }
}

async function closeOverLog(client: Queryable, parts: ClosingParts): Promise<ClosedEpoch | null> {
  const before = await firstRow<LastEpoch>(client, SQL.lastEpoch, [parts.book.id]);
  const head = await firstRow<Head>(client, SQL.head);
  if (
    !head ||
    (head.next_seq === (before?.journal_size ?? 0) && !(await demandWantsEpoch(client, parts.book)))
  )
    return null;
  const last = before ? parseHeader(before.header) : null;
  const text = new ClosedText();
  const log = await LogAppender.resume(client, text);
  if (before && last) await assertLogContinues(client, log, last, before.journal_size);
  // Of many lines most are hashed before the snapshot is taken, so that it stays short.
  await log.upTo(head.next_seq - LINES_IN_SNAPSHOT);
  await parts.faults("before-closing", (before?.number ?? 0) + 1);
  return parts.trees.exclusively(client, last, async (trees) => {
    // Meanwhile there may be many more.
    await log.upTo(((await firstRow<Head>(client, SQL.head))?.next_seq ?? 0) - LINES_IN_SNAPSHOT);
    const attempt = new Attempt(client, parts, { trees, log, text });
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
    try {
      await client.query(SESSION);
      const closed = await attempt.close(before?.number ?? 0);
      const { command } = await client.query("COMMIT");
      if (command !== "COMMIT") throw new Error(`closing an epoch ended in ${command}`);
      await parts.publisher.remember(attempt.headerHash, await attempt.aside);
      return closed;
    } catch (error) {
      attempt.takeBack();
      // Nothing of this attempt goes on behind it.
      await parts.publisher.discard(await attempt.aside);
      await client.query("ROLLBACK").catch(() => {});
      throw attempt.flight.causeOf(error);
    }
  });
}

/** The log must go on from what the last header says of it, whatever happened to its tiles since; lost ones are made anew. */
async function assertLogContinues(
  client: Queryable,
  log: LogAppender,
  last: Header,
  size: number,
): Promise<void> {
  await log.upTo(size);
  if ((await logRootAt(client, last.journalSize)) !== last.journalRoot)
    throw new Error(`the stored log does not continue the log of epoch ${last.epoch}`);
}

interface AttemptParts {
  readonly trees: OpenTrees;
  readonly log: LogAppender;
  /** Is told of all that is published. */
  readonly text: ClosedText;
}

class Attempt {
  readonly #client: Queryable;
  readonly #parts: ClosingParts;
  readonly #trees: OpenTrees;
  readonly #log: LogAppender;
  readonly #text: ClosedText;
  readonly #files: LeafFiles;
  readonly flight = new Flight();
  #written = false;
  /** Once it is closed. */
  headerHash: Hex = ZERO_WORD;
  /** The folder with what is to be published; null where there is none. */
  aside: Promise<string | null> = Promise.resolve(null);

  constructor(client: Queryable, parts: ClosingParts, { trees, log, text }: AttemptParts) {
    this.#client = client;
    this.#parts = parts;
    this.#trees = trees;
    this.#log = log;
    this.#text = text;
    this.#files = new LeafFiles(text);
  }

  /** Whether or not the database has it: catching up finds out. */
  takeBack(): void {
    if (this.#written) this.#trees.rollback();
  }

  async close(expectedLast: number): Promise<ClosedEpoch> {
    const { book, faults, logSigner } = this.#parts;
    const head = await firstRow<Head>(this.#client, SQL.head);
    const last = await firstRow<LastEpoch>(this.#client, SQL.lastEpoch, [book.id]);
    if (!head || (last?.number ?? 0) !== expectedLast)
      throw new Error("another instance closed an epoch of this book without its lock");
    const number = expectedLast + 1;
    const size = head.next_seq;
    const lines = { from: last?.journal_size ?? 0, to: size, asset: book.asset };
    if (lines.to - lines.from <= FEW_LINES) await this.#client.query(LOOK_UP);
    // The lines are hashed while Postgres looks for what they touched, and the leaves while it writes them.
    const addLines = this.#askForLines(size);
    const change = this.#trees.begin(number);
    await bothEnd(this.#addLeaves(change, number, lines), addLines());
    const files = this.#text.files(lines.from, lines.to);
    if (files) this.aside = this.#parts.publisher.writeAside(book.id, files);
    const views = await change.write();
    this.#written = true;
    await this.flight.landed();
    await this.#checkCounts(views);
    const previous = last ? parseHeader(last.header) : undefined;
    const journalRoot = await logRootAt(this.#client, BigInt(size));
    const barred = await firstRow<{ closed_at: number | null }>(this.#client, SQL.vetoedClosing, [
      ...[book.id, number],
    ]);
    // Never the header that was vetoed, even in the second in which it closed.
    const now = Math.max(head.now, (barred?.closed_at ?? -1) + 1);
    const header = nextHeader(book, previous, {
      ...{ number, now, journalRoot, journalSize: BigInt(size), views },
      ...{ dataHash: this.#files.dataHash(), depositSeq: await this.#lastEntry(size) },
    });
    const why = this.#parts.followed
      ? await whyNotKnown(this.#client, book, toSafeInteger(header.closedAt, "closing time"))
      : null;
    if (why !== null) throw new HeldBack(why);
    const leavesChanged = this.#files.leaves;
    await this.#write(header, previous, leavesChanged);
    await signCheckpoint(this.#client, logSigner, { size: BigInt(size), root: journalRoot, now: head.now });
    await faults("before-commit-of-transaction", number);
    return { epoch: number, leavesChanged };
  }

  /**
   * By another connection where one is free, so that Postgres looks for what the lines touched meanwhile; else before that.
   * @returns adds them to the log
   */
  #askForLines(size: number): () => Promise<void> {
    const other = size - this.#log.size > LINES_ALONE ? connectionBeside(this.#parts.reads) : null;
    if (!other) return this.#log.ask(size, this.flight);
    return () => beside(other, this.#client, (reader) => this.#log.ask(size, this.flight, reader)());
  }

  /** What the lines touched and left as it was is no change: the trees, which lead to the last header, tell. */
  async #addLeaves(
    change: TreesChange,
    epoch: number,
    lines: { readonly from: number; readonly to: number; readonly asset: string },
  ): Promise<void> {
    const of = { book: this.#parts.book.id, epoch };
    for await (const touched of touchedLeaves(this.#client, lines)) {
      const { section, records } = touched;
      const changed = change.add(section, records);
      if (!changed.includes(true)) continue;
      this.flight.add(insertLeaves(this.#client, of, touched, changed));
      await nextTurn();
      this.#files.add(section, records, changed);
    }
  }

  /** The last direct entry whose line is in this epoch: they are credited in their order, so all before it are too. */
  async #lastEntry(size: number): Promise<bigint> {
    const row = await firstRow<{ entry: number }>(this.#client, SQL.watchLastEntry, [
      this.#parts.book.id,
      size,
    ]);
    return BigInt(row?.entry ?? 0);
  }

  /** The trees and the ledger must agree on how many positions there are, or leaves were missed. */
  async #checkCounts(views: Readonly<Record<Section, TreeView>>): Promise<void> {
    const counts = await rows<{ section: number; count: number }>(this.#client, SQL.sectionCounts, [
      this.#parts.book.asset,
    ]);
    for (const [number, section] of SECTIONS.entries()) {
      const count = BigInt(counts.find((row) => row.section === number)?.count ?? 0);
      if (views[section].count !== count)
        throw new Error(`section ${section} has ${count} positions, but ${views[section].count} leaves`);
    }
  }

  async #write(header: Header, previous: Header | undefined, leavesChanged: number): Promise<void> {
    const { id } = this.#parts.book;
    const { epoch: number, journalSize, closedAt } = header;
    this.headerHash = headerHash(header);
    const values = [
      id,
      number,
      JSON.stringify(headerToJson(header)),
      this.headerHash,
      journalSize,
      leavesChanged,
      closedAt,
    ];
    await this.#client.query(SQL.insertEpoch, values);
    const commit = commitCalldata(previous ? forChain(previous) : NO_HEADER, forChain(header));
    await this.#client.query(SQL.insertOutbox, [id, number, commit]);
  }
}

/** Fails, once both have ended, with what failed first. */
async function bothEnd(one: Promise<void>, other: Promise<void>): Promise<void> {
  try {
    await Promise.all([one, other]);
  } catch (error) {
    await Promise.allSettled([one, other]);
    throw error;
  }
}
