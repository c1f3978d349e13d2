/** A whole section's leaves out of Postgres, packed, a run of a tree's leaves at a time. */
import { RUN_LEAVES } from "#proof";
import type { PackedRun } from "./leaf-packing.ts";
import { firstRow, type Queryable, SQL } from "./sql.ts";

/** Taken from the driver in one go: some 2 ms, for which nothing else runs. */
const LEAVES_A_VALUE = 4_096;

/** From index 0 to `count` - 1, RUN_LEAVES at a time; the next are asked for while some are being hashed. */
export async function* sectionRecords(
  db: Queryable,
  wanted: { readonly book: number; readonly section: number; readonly epoch: number; readonly count: number },
): AsyncGenerator<PackedRun> {
  const { book, section, epoch, count } = wanted;
  const ask = (from: number) =>
    from < count
      ? firstRow<{ records: Buffer | null }>(db, SQL.leafRecords, [
          ...[book, section, epoch, from],
          Math.min(from + LEAVES_A_VALUE, count),
        ])
      : undefined;
  let next = ask(0);
  for (let first = 0; first < count; first += RUN_LEAVES) {
    const end = Math.min(first + RUN_LEAVES, count);
    const packed: Buffer[] = [];
    for (let from = first; from < end; from += LEAVES_A_VALUE) {
      const row = await next;
      next = ask(from + LEAVES_A_VALUE);
      // Where the reader stops before the end, nobody else looks at it.
      next?.catch(() => {});
      if (row?.records) packed.push(row.records);
    }
    yield { count: end - first, packed: Buffer.concat(packed) };
  }
}
