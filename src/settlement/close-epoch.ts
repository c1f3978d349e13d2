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
import type { PoolClient } from "pg";
import { type ChainHeader, commitCalldata, NO_HEADER } from "#infra";
import {
  HEADER_VERSION,
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
import { signCheckpoint } from "./checkpoints.ts";
import { ClosedText } from "./closed-text.ts";
import type { Faults } from "./faults.ts";
import { LeafFiles } from "./leaf-files.ts";
import { leavesOfEpoch } from "./leaf-rows.ts";
import type { LogSigner } from "./log-signer.ts";
import { appendToLog, logRootAt } from "./log-tiles.ts";
import type { BookRow } from "./model.ts";
import type { Publisher } from "./publisher.ts";
import type { OpenTrees, SectionTrees } from "./section-trees.ts";
import { HeldBack } from "./settling-errors.ts";
import { firstRow, rows, SQL } from "./sql.ts";
import { whyNotKnown } from "./waiting.ts";

export interface ClosingParts {
  readonly book: BookRow;
  readonly trees: SectionTrees;
  readonly logSigner: LogSigner;
  readonly publisher: Pick<Publisher, "remember">;
  /** Whether what happens on the chain has to be in the journal: somebody watches, and there are tokens. */
  readonly followed: boolean;
  readonly faults: Faults;
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

/**
 * Closing holds no lock that a request waits for, but hashing many leaves between two statements takes a while.
 * Every look is by an index: to a planner that knows `leaf` as a small table, reading all of it for each changed leaf
 * seems cheap, and it grows under that very statement.
 */
const SESSION = "SET LOCAL idle_in_transaction_session_timeout = '5min'; SET LOCAL enable_seqscan = off";

/**
 * @param client a connection of its own, with no transaction open; after another error than HeldBack it may still hold the log's lock
 * @returns null where the journal did not grow since the last epoch, and no demand waits for another
 * @throws HeldBack, with the lock given back
 */
export async function closeEpoch(client: PoolClient, parts: ClosingParts): Promise<ClosedEpoch | null> {
  // All books of a ledger share its log. Before any snapshot, which then sees what the holder before it wrote.
  await client.query(SQL.lockLog);
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

async function closeOverLog(client: PoolClient, parts: ClosingParts): Promise<ClosedEpoch | null> {
  const before = await firstRow<LastEpoch>(client, SQL.lastEpoch, [parts.book.id]);
  const head = await firstRow<Head>(client, SQL.head);
  if (
    !head ||
    (head.next_seq === (before?.journal_size ?? 0) && !(await demandWantsEpoch(client, parts.book)))
  )
    return null;
  const last = before ? parseHeader(before.header) : null;
  // Most lines are hashed before the snapshot is taken, so that it stays short.
  if (before && last) await assertLogContinues(client, last, before.journal_size);
  const text = new ClosedText();
  await appendToLog(client, head.next_seq, text);
  await parts.faults("before-closing", (before?.number ?? 0) + 1);
  return parts.trees.exclusively(client, last, async (trees) => {
    const attempt = new Attempt(client, parts, trees, text);
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
    try {
      await client.query(SESSION);
      const closed = await attempt.close(before?.number ?? 0);
      const { command } = await client.query("COMMIT");
      if (command !== "COMMIT") throw new Error(`closing an epoch ended in ${command}`);
      parts.publisher.remember(attempt.headerHash, text);
      return closed;
    } catch (error) {
      attempt.takeBack();
      await client.query("ROLLBACK").catch(() => {});
      throw error;
    }
  });
}

/** A demand is served by an epoch that was committed after it, which there may be no other reason to make. */
async function demandWantsEpoch(client: PoolClient, { id }: BookRow): Promise<boolean> {
  return (await firstRow<{ wanted: boolean }>(client, SQL.demandWantsEpoch, [id]))?.wanted === true;
}

/** The log must go on from what the last header says of it, whatever happened to its tiles since; lost ones are made anew. */
async function assertLogContinues(client: PoolClient, last: Header, size: number): Promise<void> {
  await appendToLog(client, size);
  if ((await logRootAt(client, last.journalSize)) !== last.journalRoot)
    throw new Error(`the stored log does not continue the log of epoch ${last.epoch}`);
}

class Attempt {
  readonly #client: PoolClient;
  readonly #parts: ClosingParts;
  readonly #trees: OpenTrees;
  readonly #text: ClosedText;
  #applied = false;
  /** Once it is closed. */
  headerHash: Hex = ZERO_WORD;

  constructor(client: PoolClient, parts: ClosingParts, trees: OpenTrees, text: ClosedText) {
    this.#client = client;
    this.#parts = parts;
    this.#trees = trees;
    this.#text = text;
  }

  /** Whether or not the database has it: catching up finds out. */
  takeBack(): void {
    if (this.#applied) this.#trees.rollback();
  }

  async close(expectedLast: number): Promise<ClosedEpoch> {
    const { book, faults, logSigner } = this.#parts;
    const head = await firstRow<Head>(this.#client, SQL.head);
    const last = await firstRow<LastEpoch>(this.#client, SQL.lastEpoch, [book.id]);
    if (!head || (last?.number ?? 0) !== expectedLast)
      throw new Error("another instance closed an epoch of this book without its lock");
    const number = expectedLast + 1;
    const size = head.next_seq;
    const changedLines = [last?.journal_size ?? 0, size, book.asset];
    await this.#client.query(SQL.insertChangedLeaves, [book.id, number, ...changedLines]);
    const files = new LeafFiles(this.#text);
    const views = await this.#trees.apply(
      number,
      files.through(leavesOfEpoch(this.#client, book.id, number)),
    );
    this.#applied = true;
    await this.#checkCounts(views);
    const previous = last ? parseHeader(last.header) : undefined;
    await appendToLog(this.#client, size, this.#text);
    const journalRoot = await logRootAt(this.#client, BigInt(size));
    const barred = await firstRow<{ closed_at: number | null }>(this.#client, SQL.vetoedClosing, [
      ...[book.id, number],
    ]);
    // Never the header that was vetoed, even in the second in which it closed.
    const now = Math.max(head.now, (barred?.closed_at ?? -1) + 1);
    const header = nextHeader(book, previous, {
      ...{ number, now, journalRoot, journalSize: BigInt(size), views },
      ...{ dataHash: files.dataHash(), depositSeq: await this.#lastEntry(size) },
    });
    const why = this.#parts.followed
      ? await whyNotKnown(this.#client, book, toSafeInteger(header.closedAt, "closing time"))
      : null;
    if (why !== null) throw new HeldBack(why);
    await this.#write(header, previous, files.leaves);
    await signCheckpoint(this.#client, logSigner, { size: BigInt(size), root: journalRoot, now: head.now });
    await faults("before-commit-of-transaction", number);
    return { epoch: number, leavesChanged: files.leaves };
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

interface NextHeaderParts {
  readonly number: number;
  readonly now: number;
  readonly journalRoot: Hex;
  readonly journalSize: bigint;
  readonly views: Readonly<Record<Section, TreeView>>;
  readonly dataHash: Hex;
  readonly depositSeq: bigint;
}

function nextHeader(book: BookRow, previous: Header | undefined, parts: NextHeaderParts): Header {
  const now = BigInt(parts.now);
  return {
    version: HEADER_VERSION,
    chainId: BigInt(book.chainId),
    registry: book.registry,
    epoch: BigInt(parts.number),
    previous: previous ? headerHash(previous) : ZERO_WORD,
    sections: SECTIONS.map((section) => {
      const { root, sum, count } = parts.views[section];
      return { root, sum, count };
    }),
    journalRoot: parts.journalRoot,
    journalSize: parts.journalSize,
    depositSeq: parts.depositSeq,
    dataHash: parts.dataHash,
    closedAt: previous && previous.closedAt > now ? previous.closedAt : now,
  };
}

/** The chain client types hex as a template; the values are the same. */
export function forChain(header: Header): ChainHeader {
  return header as ChainHeader;
}
