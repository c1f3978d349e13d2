/** Leaves out of their table: one epoch's changes, a whole section at an epoch, one leaf. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Leaf, SECTIONS, type Section, toHex } from "#proof";
import { firstRow, type Queryable, rows, SQL } from "./sql.ts";

export interface LeafRow {
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
  readonly leaves: Leaf[];
}

/** Exactly the leaves that the epoch changed: section by section, each in index order, some at a time. */
export async function* leavesOfEpoch(db: Queryable, book: number, epoch: number): AsyncGenerator<LeafPage> {
  yield* pagesOfEpoch(db, book, epoch, 0);
}

/** One section's changed leaves of an epoch, page by page. */
export async function* changedLeaves(
  db: Queryable,
  book: number,
  epoch: number,
  section: Section,
): AsyncGenerator<Leaf[]> {
  for await (const page of pagesOfEpoch(db, book, epoch, sectionNumber(section))) {
    if (page.section !== section) return;
    yield page.leaves;
  }
}

/** From this section on. A page is what was written at once: a thousand leaves at most. */
async function* pagesOfEpoch(
  db: Queryable,
  book: number,
  epoch: number,
  from: number,
): AsyncGenerator<LeafPage> {
  let after: [section: number, first: number] = [from, -1];
  for (;;) {
    const page = await rows<LeafRow>(db, SQL.leavesOfEpoch, [book, epoch, ...after]);
    const [first] = page;
    if (!first) return;
    const section = SECTIONS[first.section] as Section;
    for (let at = 0; at < page.length; at += PAGE) {
      if (at > 0) await nextTurn();
      yield { section, leaves: page.slice(at, at + PAGE).map(leafOf) };
    }
    after = [first.section, first.index];
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

export function leafOf(row: LeafRow): Leaf {
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
