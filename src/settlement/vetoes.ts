/**
 * Epochs that the chain dropped: somebody vetoed one, or showed that it is false.
 * It and all after it, which continue it, end as `vetoed`, and nothing is closed
 * or committed any more until an operator has looked and releases the numbers.
 * The next epoch of that number is closed over the journal as it is by then,
 * which only ever grew.
 */
import type { PoolClient } from "pg";
import { Book, type Chain, type Log } from "#infra";
import { DomainError } from "#kernel";
import { type Hex, toSafeInteger } from "#proof";
import type { Faults } from "./faults.ts";
import type { BookRow, EpochStatus } from "./model.ts";
import { firstRow, rows, SQL } from "./sql.ts";
import { seenFreeze } from "./waiting.ts";

export interface VetoParts {
  readonly contracts: Book;
  readonly book: BookRow;
  readonly log: Log;
  readonly faults: Faults;
  /** Blocks on top of a transaction before nothing takes it back. */
  readonly finalityDepth: number;
}

interface EpochRow {
  readonly number: number;
  readonly header_hash: Hex;
  readonly status: EpochStatus;
}

/** @param lastCommitted on the chain */
export async function followVetoes(
  client: PoolClient,
  { contracts, book, log, faults }: VetoParts,
  lastCommitted: number,
): Promise<void> {
  const stopped = await firstVetoed(client, book);
  if (stopped && !(await contracts.isVetoed(stopped.header_hash))) {
    await client.query(SQL.restoreVetoed, [book.id]);
    log.warn({ epoch: stopped.number }, "the chain took a veto back: the epoch is sent again");
  }
  const next = await firstRow<EpochRow>(client, SQL.epochsFrom, [book.id, lastCommitted + 1, 1]);
  if (!next || next.status === "vetoed" || !(await contracts.isVetoed(next.header_hash))) return;
  const epochs = await rows<{ number: number }>(client, SQL.markVetoed, [book.id, next.number]);
  log.error(
    { alarm: true, epoch: next.number, header_hash: next.header_hash, epochs: epochs.length },
    "an epoch was vetoed: settlement stops until an operator has looked and releases its number",
  );
  await faults("vetoed", next.number);
}

/**
 * Once a freeze is final, the epochs that it cancelled are at their end, for good: a node that has not come so far must not
 * say which ones they are.
 * @param head the newest block
 */
export async function followFreeze(
  client: PoolClient,
  { book, chain, contracts, log }: Pick<VetoParts, "book" | "contracts" | "log"> & { readonly chain: Chain },
  head: number,
): Promise<void> {
  const freeze = await seenFreeze(client, book);
  if (!freeze?.final || head < freeze.block) return;
  const lastFinal = toSafeInteger(await new Book(chain, contracts.record, head).lastFinal(), "epoch");
  const ended = await rows<{ number: number }>(client, SQL.cancelEpochs, [book.id, lastFinal]);
  if (ended.length > 0)
    log.warn({ epochs: ended.map(({ number }) => number) }, "the book is frozen: these epochs are cancelled");
}

/** The oldest vetoed epoch that was not released. */
export function firstVetoed(
  client: PoolClient,
  book: BookRow,
): Promise<Pick<EpochRow, "number" | "header_hash"> | undefined> {
  return firstRow(client, SQL.firstVetoed, [book.id]);
}

export interface Release {
  /** The number that is built again. */
  readonly epoch: number;
  /** How many epochs are given up. */
  readonly released: number;
}

/**
 * Gives the vetoed epochs up, so that their numbers are built again. Whoever calls holds the book's lock.
 * @param head the newest block: the veto must be so deep below it that no reorg brings the epochs back afterwards
 * @returns null where nothing is vetoed
 * @throws DomainError `unavailable` where the veto is too fresh
 */
export async function releaseVetoed(
  client: PoolClient,
  { contracts, book, log, faults, finalityDepth }: VetoParts,
  head: number,
): Promise<Release | null> {
  const first = await firstVetoed(client, book);
  if (!first) return null;
  const veto = await contracts.readVetoed(BigInt(first.number), first.header_hash);
  if (!veto)
    throw new DomainError("unavailable", `The node does not show the event of epoch ${first.number}'s veto`, {
      retryAfterSeconds: 10,
    });
  const depth = Math.max(0, head - veto.blockNumber);
  if (depth < finalityDepth)
    throw new DomainError(
      "unavailable",
      `Epoch ${first.number} was vetoed in block ${veto.blockNumber}, which is ${depth} of ${finalityDepth} blocks deep: the chain might take the veto back. Try again at block ${veto.blockNumber + finalityDepth}`,
      { retryAfterSeconds: 60 },
    );
  await client.query("BEGIN");
  const values = [book.id, first.number, first.header_hash];
  const row = await firstRow<{ released: number }>(client, SQL.releaseVetoed, values);
  await faults("releasing", first.number);
  await client.query("COMMIT");
  await faults("released", first.number);
  const release = { epoch: first.number, released: row?.released ?? 0 };
  log.warn({ ...release, header_hash: first.header_hash, by: veto.by }, "vetoed epochs were released");
  return release;
}
