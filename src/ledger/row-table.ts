/**
 * A program's own table as the writer sees it. A unit of work reads and writes
 * its rows through the view, so that they are decided under the head lock, seen
 * by the units behind it in the batch, and written in the same transaction with
 * one statement a table.
 *
 * Both statements are SQL text from a `.sql` file. `loadSql` takes $1, a JSON
 * array of keys, and answers the rows found; `saveSql` takes $1, a JSON array of
 * encoded rows, and inserts or updates them all. Neither may name a schema.
 */
import type { Json } from "./json.ts";

export interface RowTable<Row extends object, Key extends Readonly<Record<string, Json>>> {
  readonly name: string;
  readonly loadSql: string;
  readonly saveSql: string;
  keyOf(row: Row): Key;
  /** A record as the driver gives it: int8 as number, numeric as bigint, bytea as Buffer. */
  decode(record: Readonly<Record<string, unknown>>): Row;
  /** What `saveSql` reads: amounts as decimal text, bytes as hex text (`\x…`). */
  encode(row: Row): Json;
}

/** Some program's table, where tables of different rows are handled alike; `View.row` and `View.putRow` type each use. */
export type AnyRowTable = RowTable<object, Readonly<Record<string, Json>>>;

const memberNames = new WeakMap<AnyRowTable, readonly string[]>();

/** One text for one row of one table, whatever the order of its key's members. On the hot path: no sorting, no JSON. */
export function rowKey(table: AnyRowTable, key: Readonly<Record<string, Json>>): string {
  let names = memberNames.get(table);
  if (!names) {
    names = Object.keys(key).sort();
    memberNames.set(table, names);
  }
  let text = table.name;
  // No text in the ledger holds a zero byte, so it cannot be mistaken for a part of a value.
  for (const name of names) text += `\0${key[name]}`;
  return text;
}
