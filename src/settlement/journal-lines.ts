/** The journal as text: canonical lines, made from the tables that hold it, always the same bytes. */
import { encodeJournalLine, type Hex, SECTIONS, type Section, toHex } from "#proof";
import { type Queryable, rows, SQL } from "./sql.ts";

interface TransferRow {
  seq: number;
  time: number;
  id: string;
  phase: "single" | "pending" | "post" | "void" | "expire";
  debit_account: string;
  credit_account: string;
  asset: string;
  amount: bigint;
  code: string;
  pending_id: string | null;
  effective_at: number;
}

interface PositionRow {
  seq: number;
  time: number;
  account: string;
  asset: string;
  section: number;
  index: number;
  key: Uint8Array;
  owner: Uint8Array;
  valid_until: number;
  kind: number;
  quantity: number;
  signatures: Hex[] | null;
}

interface ChainRow {
  seq: number;
  time: number;
  chain_id: number;
  registry: Uint8Array;
  block: number;
  tx_hash: Uint8Array;
  log_index: number;
  event: string;
}

interface ClosingRow {
  seq: number;
  time: number;
  account: string;
}

/** Fetched, written as text and hashed in one go: some 20 ms, for which nothing else runs. */
const PAGE = 1_000;

/**
 * Lines `from` up to, not including, `to`, in pages, without their newlines.
 * @throws Error where a line is missing: the journal is gapless, so that would be damage
 */
export async function* journalLines(db: Queryable, from: number, to: number): AsyncGenerator<string[]> {
  for (let first = from; first < to; first += PAGE) {
    const end = Math.min(first + PAGE, to);
    yield await page(db, first, end);
  }
}

async function page(db: Queryable, first: number, end: number): Promise<string[]> {
  const transfers = await rows<TransferRow>(db, SQL.transferLines, [first, end]);
  const positions = await rows<PositionRow>(db, SQL.positionLines, [first, end]);
  const closings = await rows<ClosingRow>(db, SQL.closingLines, [first, end]);
  const events = await rows<ChainRow>(db, SQL.chainLines, [first, end]);
  const lines = new Array<string | undefined>(end - first);
  for (const row of transfers) lines[row.seq - first] = transferLine(row);
  for (const row of positions) lines[row.seq - first] = positionLine(row);
  for (const row of closings) lines[row.seq - first] = encodeJournalLine({ kind: "closing", ...row });
  for (const row of events) lines[row.seq - first] = chainLine(row);
  const missing = lines.indexOf(undefined);
  if (missing !== -1) throw new Error(`journal line ${first + missing} is missing`);
  return lines as string[];
}

function transferLine(row: TransferRow): string {
  return encodeJournalLine({
    kind: "transfer",
    seq: row.seq,
    time: row.time,
    id: row.id,
    phase: row.phase,
    debit: row.debit_account,
    credit: row.credit_account,
    asset: row.asset,
    amount: row.amount,
    code: row.code,
    pendingId: row.pending_id ?? undefined,
    effectiveAt: row.effective_at,
  });
}

function chainLine({ seq, time, chain_id, registry, block, tx_hash, log_index, event }: ChainRow): string {
  return encodeJournalLine({
    ...{ kind: "chain", seq, time, block, event, txHash: toHex(tx_hash), logIndex: log_index },
    book: { chainId: chain_id, registry: toHex(registry) },
  });
}

function positionLine(row: PositionRow): string {
  return encodeJournalLine({
    kind: "position",
    seq: row.seq,
    time: row.time,
    account: row.account,
    asset: row.asset,
    section: SECTIONS[row.section] as Section,
    index: row.index,
    key: toHex(row.key),
    owner: toHex(row.owner),
    validUntil: row.valid_until,
    positionKind: row.kind,
    quantity: row.quantity,
    signatures: row.signatures ?? undefined,
  });
}
