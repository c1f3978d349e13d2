/**
 * How Postgres values become JavaScript values: decided here, once, for every
 * connection of the product. int8 holds counts, sequence numbers and Unix
 * seconds, all far below 2^53, and becomes `number`; a larger one is an error,
 * never a rounded number. numeric holds amounts in base units, always whole, and
 * becomes `bigint`.
 */
import pg from "pg";

const INT8 = 20;
const NUMERIC = 1700;

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`int8 ${text} is beyond 2^53`);
  return value;
}

export const postgresTypes: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: "text" | "binary") {
    if (format !== "binary") {
      if (oid === INT8) return parseInt8;
      if (oid === NUMERIC) return (text: string) => BigInt(text);
    }
    return pg.types.getTypeParser(oid, format ?? "text");
  },
} as pg.CustomTypesConfig;
