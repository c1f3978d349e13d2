/**
 * The leaves of an epoch that is being closed: what its lines touched, read from one
 * snapshot in order, and written as they were read. Their columns travel as arrays
 * both ways, and none becomes an object: ten thousand of them cost both sides more
 * than what is hashed of them.
 */
import { booleanArray } from "#infra";
import { LEAF_RECORD, LEAF_RECORD_BYTES, SECTIONS, type Section } from "#proof";
import { writeAmount } from "./leaf-packing.ts";
import { firstRow, type Queryable, SQL } from "./sql.ts";

/** Leaves of one section, in index order. */
export interface TouchedLeaves {
  readonly section: Section;
  readonly count: number;
  /** The bytes that are hashed. */
  readonly records: Uint8Array;
  /** As Postgres sent them. */
  readonly columns: TouchedRow;
}

/** Arrays as they are sent: a head, then each element after its length. */
export interface TouchedRow {
  readonly section: number;
  readonly index: Buffer;
  readonly owner: Buffer;
  readonly key: Buffer;
  readonly amount: Buffer;
  readonly valid_until: Buffer;
  readonly kind: Buffer;
  readonly quantity: Buffer;
}

const ARRAY_HEAD_BYTES = 20;
const COUNT_IN_HEAD = 12;
const LENGTH_BYTES = 4;
/** A thousand leaves each: Postgres has given out an epoch of ten thousand before it is asked to write any. */
const PAGES_AHEAD = 12;

/**
 * Section by section, each in index order. In a transaction whose snapshot has the lines; the next are asked for before
 * some are given out.
 * @param to not included
 */
export async function* touchedLeaves(
  db: Queryable,
  { from, to, asset }: { readonly from: number; readonly to: number; readonly asset: string },
): AsyncGenerator<TouchedLeaves> {
  const declared = db.query(SQL.touchedLeaves, [from, to, asset]);
  const asked: Promise<TouchedRow | undefined>[] = [];
  for (;;) {
    while (asked.length < PAGES_AHEAD) {
      const page = firstRow<TouchedRow>(db, SQL.fetchTouched);
      // Where the reader stops before it, nobody else looks at it.
      page.catch(() => {});
      asked.push(page);
    }
    await declared;
    const row = await asked.shift();
    if (!row) return;
    yield touchedOf(row);
  }
}

/** @throws Error where the columns are not those of leaves */
export function touchedOf(row: TouchedRow): TouchedLeaves {
  const section = SECTIONS[row.section];
  if (!section) throw new Error(`there is no section ${row.section}`);
  const count = row.index.readUInt32BE(COUNT_IN_HEAD);
  const records = Buffer.alloc(count * LEAF_RECORD_BYTES);
  copyElements(row.index, records, { at: LEAF_RECORD.index, sent: 8, skip: 0 });
  copyElements(row.owner, records, { at: LEAF_RECORD.owner, sent: 20, skip: 0 });
  copyElements(row.key, records, { at: LEAF_RECORD.key, sent: 32, skip: 0 });
  copyElements(row.valid_until, records, { at: LEAF_RECORD.validUntil, sent: 8, skip: 0 });
  copyElements(row.kind, records, { at: LEAF_RECORD.kind, sent: 8, skip: 4 });
  copyElements(row.quantity, records, { at: LEAF_RECORD.quantity, sent: 8, skip: 4 });
  writeAmounts(row.amount, records);
  return { section, count, records, columns: row };
}

/** @param skip so many bytes of what was sent have to be zero, and are left out */
function copyElements(
  column: Buffer,
  records: Buffer,
  { at, sent, skip }: { readonly at: number; readonly sent: number; readonly skip: number },
): void {
  const width = LENGTH_BYTES + sent;
  const count = records.length / LEAF_RECORD_BYTES;
  if (column.length !== ARRAY_HEAD_BYTES + count * width)
    throw new Error("a column of leaves has another length");
  for (let place = 0; place < count; place++) {
    const from = ARRAY_HEAD_BYTES + place * width + LENGTH_BYTES;
    if (skip > 0 && column.readUInt32BE(from) !== 0)
      throw new Error("a leaf's kind or quantity does not fit 32 bits");
    column.copy(records, place * LEAF_RECORD_BYTES + at, from + skip, from + sent);
  }
}

function writeAmounts(column: Buffer, records: Buffer): void {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  let from = ARRAY_HEAD_BYTES;
  for (let to = LEAF_RECORD.amount; to < records.length; to += LEAF_RECORD_BYTES)
    from = writeAmount(column, from + LENGTH_BYTES, view, to);
  if (from !== column.length) throw new Error("a column of leaves has another length");
}

/** Leaves of the epoch that is being closed. @param changed which of them are */
export async function insertLeaves(
  db: Queryable,
  { book, epoch }: { readonly book: number; readonly epoch: number },
  { columns }: TouchedLeaves,
  changed: readonly boolean[],
): Promise<void> {
  await db.query(SQL.insertLeaves, [
    ...[book, epoch, columns.section],
    ...[columns.index, columns.owner, columns.key, columns.amount],
    ...[columns.valid_until, columns.kind, columns.quantity, booleanArray(changed)],
  ]);
}
