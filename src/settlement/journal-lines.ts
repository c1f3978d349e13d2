/** The journal as text: canonical lines, made from the tables that hold it, always the same bytes. */
import { setImmediate as nextTurn } from "node:timers/promises";
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

/** The driver reads an answer in one go where Postgres is faster: some 4 ms. */
const PAGE = 1_000;
/** Written as text, and hashed by whoever reads them, in one go: some 3 ms, for which nothing else runs. */
const PIECE = 256;

/** Lines as their tables have them. */
interface LineRows {
  readonly from: number;
  readonly to: number;
  readonly transfers: readonly TransferRow[];
  readonly positions: readonly PositionRow[];
  readonly closings: readonly ClosingRow[];
  readonly events: readonly ChainRow[];
}

/**
 * Lines `from` up to, not including, `to`, some at a time, without their newlines; the next page is asked for while one is
 * being read.
 * @throws Error where a line is missing: the journal is gapless, so that would be damage
 */
export async function* journalLines(db: Queryable, from: number, to: number): AsyncGenerator<string[]> {
  const fetch = (first: number) =>
    first < to ? fetchLines(db, first, Math.min(first + PAGE, to)) : undefined;
  let next = fetch(from);
  for (let first = from; first < to; first += PAGE) {
    const page = await next;
    next = fetch(first + PAGE);
    // Where the reader stops before the end, nobody else looks at it.
    next?.catch(() => {});
    if (page) yield* encodedLines(page);
  }
}

/** As `journalLines`, all of them asked for when this answers: for some ten thousand at most. */
export function linesAskedFor(db: Queryable, from: number, to: number): AsyncGenerator<string[]> {
  const pages: Promise<LineRows>[] = [];
  for (let first = from; first < to; first += PAGE) {
    const page = fetchLines(db, first, Math.min(first + PAGE, to));
    // Where the reader stops before it, nobody else looks at it.
    page.catch(() => {});
    pages.push(page);
  }
  return encodedPages(pages);
}

async function* encodedPages(pages: readonly Promise<LineRows>[]): AsyncGenerator<string[]> {
  for (const page of pages) yield* encodedLines(await page);
}

async function fetchLines(db: Queryable, from: number, to: number): Promise<LineRows> {
  const [transfers, positions, closings, events] = await Promise.all([
    rows<TransferRow>(db, SQL.transferLines, [from, to]),
    rows<PositionRow>(db, SQL.positionLines, [from, to]),
    rows<ClosingRow>(db, SQL.closingLines, [from, to]),
    rows<ChainRow>(db, SQL.chainLines, [from, to]),
  ]);
  return { from, to, transfers, positions, closings, events };
}

async function* encodedLines({ from, to, ...kinds }: LineRows): AsyncGenerator<string[]> {
  const [transfers, positions, closings, events] = [
    inOrder(kinds.transfers, transferLine),
    inOrder(kinds.positions, positionLine),
    inOrder(kinds.closings, (row) => encodeJournalLine({ kind: "closing", ...row })),
    inOrder(kinds.events, chainLine),
  ];
  for (let first = from; first < to; first += PIECE) {
    await nextTurn();
    const lines: string[] = [];
    for (let seq = first; seq < Math.min(first + PIECE, to); seq++) {
      const line = transfers(seq) ?? positions(seq) ?? closings(seq) ?? events(seq);
      if (line === undefined) throw new Error(`journal line ${seq} is missing`);
      lines.push(line);
    }
    yield lines;
  }
}

/** The line of a place, asked for in ascending order, where it is of this kind. */
function inOrder<Row extends { seq: number }>(found: readonly Row[], encode: (row: Row) => string) {
  let at = 0;
  return (seq: number): string | undefined => {
    const row = found[at];
    if (row?.seq !== seq) return undefined;
    at += 1;
    return encode(row);
  };
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
