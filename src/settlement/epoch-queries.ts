/** Reading epochs, and how far single positions have come. Never sees what is not committed to Postgres. */
import { type Hex, parseHeader } from "#proof";
import type { EpochStatus, EpochView, LineSettlement, PositionSettlement } from "./model.ts";
import { firstRow, type Queryable, rows, SQL } from "./sql.ts";

interface EpochRow {
  number: number;
  status: EpochStatus;
  header: unknown;
  header_hash: Hex;
  journal_size: number;
  leaves_changed: number;
  closed_at: number;
  tx_hash: Hex | null;
  block_number: number | null;
  block_time: number | null;
  gas_used: number | null;
  finalize_tx_hash: Hex | null;
  finalize_gas_used: number | null;
  finalize_block: number | null;
  window_until: number | null;
  is_window_open: boolean | null;
  latest_block: number | null;
  attestations: number;
  threshold: number | null;
  attesters: number | null;
}

export async function latestEpoch(db: Queryable, book: number): Promise<EpochView | null> {
  return (await epochsBelow(db, book, null, 1))[0] ?? null;
}

export async function epochByNumber(db: Queryable, book: number, epoch: number): Promise<EpochView | null> {
  const [found] = await epochsBelow(db, book, epoch + 1, 1);
  return found?.epoch === epoch ? found : null;
}

/** Newest first; `below` null starts at the newest. */
export async function epochsBelow(
  db: Queryable,
  book: number,
  below: number | null,
  limit: number,
): Promise<EpochView[]> {
  return (await rows<EpochRow>(db, SQL.epochViews, [book, below, limit])).map(viewOf);
}

export interface CommittedEpoch {
  readonly epoch: number;
  readonly header: ReturnType<typeof parseHeader>;
  readonly headerHash: Hex;
  readonly txHash: Hex | null;
}

/** The newest epoch that is on the chain, or `epoch` where that one is. */
export async function committedEpoch(
  db: Queryable,
  book: number,
  epoch: number | null,
): Promise<CommittedEpoch | null> {
  const row = await firstRow<{ number: number; header: unknown; header_hash: Hex; tx_hash: Hex | null }>(
    db,
    SQL.newestCommitted,
    [book, epoch],
  );
  if (!row) return null;
  return {
    epoch: row.number,
    header: parseHeader(row.header),
    headerHash: row.header_hash,
    txHash: row.tx_hash,
  };
}

interface SettlementRow {
  account: string;
  epoch: number | null;
  status: EpochStatus | null;
  tx_hash: Hex | null;
}

/** For each account that has a position: the epoch that holds its last change. Others are left out. */
export async function settlementOf(
  db: Queryable,
  book: number,
  accounts: readonly string[],
): Promise<Map<string, PositionSettlement>> {
  if (accounts.length === 0) return new Map();
  const found = await rows<SettlementRow>(db, SQL.settlementOf, [book, accounts]);
  return new Map(
    found.map(({ account, epoch, status, tx_hash }) => [
      account,
      {
        status: status === "committed" || status === "final" ? status : "pending",
        epoch,
        txHash: tx_hash,
      },
    ]),
  );
}

interface LineRow {
  seq: number;
  epoch: number;
  status: EpochStatus;
  tx_hash: Hex | null;
  block_time: number | null;
}

/** For each journal line that an epoch holds: how far that epoch has come. Others are left out. */
export async function epochsOfLines(
  db: Queryable,
  book: number,
  seqs: readonly number[],
): Promise<Map<number, LineSettlement>> {
  if (seqs.length === 0) return new Map();
  const found = await rows<LineRow>(db, SQL.epochsOfLines, [book, seqs]);
  return new Map(
    found.map(({ seq, epoch, status, tx_hash, block_time }) => {
      const reached = status === "committed" || status === "final" ? status : "pending";
      return [seq, { status: reached, epoch, txHash: tx_hash, committedAt: block_time }];
    }),
  );
}

/** The newest epoch that is final, by number; null where none is. */
export async function newestFinal(db: Queryable, book: number): Promise<number | null> {
  return (await firstRow<{ number: number }>(db, SQL.newestFinal, [book]))?.number ?? null;
}

function viewOf(row: EpochRow): EpochView {
  return {
    epoch: row.number,
    status: row.status,
    header: parseHeader(row.header),
    headerHash: row.header_hash,
    journalSize: row.journal_size,
    leavesChanged: row.leaves_changed,
    closedAt: row.closed_at,
    txHash: row.tx_hash,
    blockNumber: row.block_number,
    blockTime: row.block_time,
    gasUsed: row.gas_used,
    finalizeTxHash: row.finalize_tx_hash,
    finalizeGasUsed: row.finalize_gas_used,
    finalizeBlock: row.finalize_block,
    windowUntil: row.window_until,
    isWindowOpen: row.is_window_open,
    latestBlock: row.latest_block,
    attestations: { given: row.attestations, needed: row.threshold, attesters: row.attesters },
  };
}
