/** Leaves out of their table: one epoch's changes, a whole section at an epoch, one leaf. */
import { type Leaf, SECTIONS, type Section, toHex } from "#proof";
import { firstRow, type Queryable, rows, SQL } from "./sql.ts";

interface LeafRow {
  section: number;
  index: number;
  owner: Uint8Array;
  key: Uint8Array;
  amount: bigint;
  valid_until: number;
  kind: number;
  quantity: number;
}

/** Turned into leaves and hashed in one go: some 3 ms, for which nothing else runs. */
const PAGE = 500;

export function sectionNumber(section: Section): number {
  return SECTIONS.indexOf(section);
}

/** Leaves of one section, in index order. */
export interface LeafPage {
  readonly section: Section;
  readonly leaves: readonly Leaf[];
}

/** Exactly the leaves that the epoch changed: section by section, each in index order, some at a time. */
export async function* leavesOfEpoch(db: Queryable, book: number, epoch: number): AsyncGenerator<LeafPage> {
  let after: [section: number, index: number] = [-1, -1];
  for (;;) {
    const page = await rows<LeafRow>(db, SQL.leavesOfEpoch, [book, epoch, ...after, PAGE]);
    for (const [number, section] of SECTIONS.entries()) {
      const ours = page.filter((row) => row.section === number);
      if (ours.length > 0) yield { section, leaves: ours.map(leafOf) };
    }
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    after = [last.section, last.index];
  }
}

/** One section's changed leaves of an epoch, page by page. */
export async function* changedLeaves(
  db: Queryable,
  book: number,
  epoch: number,
  section: Section,
): AsyncGenerator<Leaf[]> {
  const wanted = sectionNumber(section);
  let after: [section: number, index: number] = [wanted, -1];
  for (;;) {
    const page = await rows<LeafRow>(db, SQL.leavesOfEpoch, [book, epoch, ...after, PAGE]);
    const ours = page.filter((row) => row.section === wanted);
    if (ours.length > 0) yield ours.map(leafOf);
    const last = ours.at(-1);
    if (!last || ours.length < PAGE) return;
    after = [wanted, last.index];
  }
}

/** All leaves of a section as they were at an epoch, page by page, from index 0. */
export async function* sectionAtEpoch(
  db: Queryable,
  book: number,
  section: Section,
  epoch: number,
): AsyncGenerator<Leaf[]> {
  for (let from = 0; ; from += PAGE) {
    const values = [book, sectionNumber(section), epoch, from, from + PAGE];
    const page = await rows<LeafRow>(db, SQL.sectionAtEpoch, values);
    if (page.length > 0) yield page.map(leafOf);
    if (page.length < PAGE) return;
  }
}

export async function leafAtEpoch(
  db: Queryable,
  book: number,
  section: Section,
  index: number,
  epoch: number,
): Promise<Leaf | undefined> {
  const row = await firstRow<LeafRow>(db, SQL.leafAtEpoch, [book, sectionNumber(section), index, epoch]);
  return row && leafOf(row);
}

function leafOf(row: LeafRow): Leaf {
  return {
    index: BigInt(row.index),
    owner: toHex(row.owner),
    key: toHex(row.key),
    amount: row.amount,
    validUntil: BigInt(row.valid_until),
    kind: row.kind,
    quantity: row.quantity,
  };
}
