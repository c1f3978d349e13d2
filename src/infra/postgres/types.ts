/**
 * How values leave Postgres, decided in this one place for every client, pool
 * and TypeORM data source:
 *
 * | column            | JavaScript                                                  |
 * |-------------------|-------------------------------------------------------------|
 * | int8              | `number`, and an error beyond 2^53: sequence numbers, Unix seconds, counts |
 * | numeric           | `bigint`: amounts in base units; a value with a fraction is an error |
 * | int8[], numeric[] | arrays of the same                                          |
 * | date              | its text, "2026-01-30", because a day has no time zone       |
 * | bytea             | `Buffer`                                                    |
 *
 * An amount is therefore never a `number`, and an int8 column must never hold one.
 */
import { type CustomTypesConfig, types } from "pg";

const INT8 = 20;
const INT8_ARRAY = 1016;
const NUMERIC = 1700;
const NUMERIC_ARRAY = 1231;
const DATE = 1082;
const TEXT_ARRAY = 1009;

type TextParser = (text: string) => unknown;

/** @throws RangeError where the column holds more than a `number` does exactly */
export function parseInt8(text: string): number {
  const value = Number.parseInt(text, 10);
  if (!Number.isSafeInteger(value))
    throw new RangeError(`int8 ${text} is beyond 2^53; a column for such values must be numeric`);
  return value;
}

/** @throws RangeError for a fraction or NaN; a statement that averages must cast to text or double precision */
export function parseNumeric(text: string): bigint {
  if (!/^-?\d+$/.test(text)) throw new RangeError(`numeric ${text} is not a whole number of base units`);
  return BigInt(text);
}

const parsers = new Map<number, TextParser>([
  [INT8, parseInt8],
  [NUMERIC, parseNumeric],
  [INT8_ARRAY, (text) => eachElement(text, parseInt8)],
  [NUMERIC_ARRAY, (text) => eachElement(text, parseNumeric)],
  [DATE, (text) => text],
]);

/** The parsers of pg itself; its types know no array's oid. */
const builtInParser = types.getTypeParser as (oid: number, format: "text" | "binary") => TextParser;

/** Give it to pg as `types`, to TypeORM as `extra.types`. */
export const postgresTypes: CustomTypesConfig = {
  getTypeParser: ((oid: number, format: "text" | "binary" = "text") =>
    (format === "text" ? parsers.get(oid) : undefined) ??
    builtInParser(oid, format)) as CustomTypesConfig["getTypeParser"],
};

function eachElement(text: string, parse: TextParser): unknown[] {
  const texts = builtInParser(TEXT_ARRAY, "text")(text) as (string | null)[];
  return texts.map((element) => (element === null ? null : parse(element)));
}
