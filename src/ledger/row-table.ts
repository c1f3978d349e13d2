/**
 * A program's own table as the writer sees it. A unit of work reads and writes
 * its rows through the view, so that they are decided under the head lock, seen
 * by the units behind it in the batch, and written in the same transaction with
 * one statement a table.
 *
 * Both statements are SQL text from a `.sql` file. Their parameters are columns, as
 * binary arrays: of the keys wanted, or of the rows to insert or update. Neither may
 * name a schema.
 */
import { booleanArray, int8Array, jsonbArray, numericArray, textArray, uuidArray } from "#infra";
import type { Amount } from "#kernel";
import type { Json } from "./json.ts";

/** One member of many rows, as one parameter. */
export type Column<Row> = (rows: readonly Row[]) => Buffer;

/** A column of each type, from what it takes of a row; the statement says the type (`$1::text[]`). */
export const column = {
  text:
    <Row>(of: (row: Row) => string | null): Column<Row> =>
    (rows) =>
      textArray(rows.map(of)),
  uuid:
    <Row>(of: (row: Row) => string | null): Column<Row> =>
    (rows) =>
      uuidArray(rows.map(of)),
  /** `bigint[]`; for smaller integers too, which Postgres casts as it stores them. */
  int:
    <Row>(of: (row: Row) => number | null): Column<Row> =>
    (rows) =>
      int8Array(rows.map(of)),
  /** `numeric[]`, of amounts in base units. */
  amount:
    <Row>(of: (row: Row) => Amount | null): Column<Row> =>
    (rows) =>
      numericArray(rows.map(of)),
  boolean:
    <Row>(of: (row: Row) => boolean | null): Column<Row> =>
    (rows) =>
      booleanArray(rows.map(of)),
  jsonb:
    <Row>(of: (row: Row) => Json): Column<Row> =>
    (rows) =>
      jsonbArray(rows.map((row) => jsonText(of(row)))),
};

/** The parameters of a statement: a column each, in the order of `$1`, `$2`, …. */
export function columns<Row>(...all: readonly Column<Row>[]): (rows: readonly Row[]) => Buffer[] {
  return (rows) => all.map((one) => one(rows));
}

export interface RowTable<Row extends object, Key extends Readonly<Record<string, Json>>> {
  readonly name: string;
  /** Answers the rows found of the keys in its parameters. */
  readonly load: { readonly sql: string; parameters(keys: readonly Key[]): Buffer[] };
  /** Inserts or updates the rows in its parameters. Null: they follow from other tables and are never written. */
  readonly save: { readonly sql: string; parameters(rows: readonly Row[]): Buffer[] } | null;
  keyOf(row: Row): Key;
  /** A record as the driver gives it: int8 as number, numeric as bigint, bytea as Buffer. */
  decode(record: Readonly<Record<string, unknown>>): Row;
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

function jsonText(value: Json): string | null {
  return value === null ? null : JSON.stringify(value);
}
