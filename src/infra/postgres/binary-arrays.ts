/**
 * Columns as binary array parameters. The driver would write an array as text,
 * quoting every element, and Postgres would read it again, element by element;
 * for thousands of rows that is a good part of what a batch costs on both sides.
 *
 * Each function answers a Buffer, which the driver sends as it is, marked binary.
 * The statement has to say the type (`$1::uuid[]`): Postgres takes the bytes for
 * what the statement says they are, and refuses them where they are not.
 *
 * Format: the `array_recv`, `uuid_recv`, `numeric_recv` … of Postgres; an array is
 * int32 dimensions, int32 has-null flag, int32 element type, then int32 length and
 * int32 lower bound of the one dimension, then int32 byte length (-1: null) and
 * bytes of each element. All integers big-endian.
 */
const HEADER_BYTES = 20;
const OID = {
  boolean: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  text: 25,
  json: 114,
  numeric: 1700,
  uuid: 2950,
  jsonb: 3802,
} as const;

const NULL_LENGTH = -1;
const JSONB_VERSION = 1;
const NUMERIC_BASE = 10_000;
const NUMERIC_BASE_DIGITS = 4;
const UUID_BYTES = 16;
const INT8_BYTES = 8;
const INT2_BYTES = 2;
const TWO_TO_32 = 4_294_967_296;

type Values<T> = readonly (T | null)[];

/** `uuid[]` from their text; upper or lower case, with or without hyphens. */
export function uuidArray(values: Values<string>): Buffer {
  return fixedArray(values, OID.uuid, UUID_BYTES, (buffer, text, at) => {
    const written = buffer.write(text.replaceAll("-", ""), at, UUID_BYTES, "hex");
    if (written !== UUID_BYTES || text.length > 36) throw new RangeError(`"${text}" is no UUID`);
  });
}

/** `bigint[]` from whole numbers within 2^53. */
export function int8Array(values: Values<number>): Buffer {
  return fixedArray(values, OID.int8, INT8_BYTES, (buffer, value, at) => {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no whole number that fits`);
    const high = Math.floor(value / TWO_TO_32);
    buffer.writeInt32BE(high, at);
    buffer.writeUInt32BE(value - high * TWO_TO_32, at + 4);
  });
}

/** `smallint[]`. */
export function int2Array(values: Values<number>): Buffer {
  return fixedArray(values, OID.int2, INT2_BYTES, (buffer, value, at) => buffer.writeInt16BE(value, at));
}

/** `boolean[]`. */
export function booleanArray(values: Values<boolean>): Buffer {
  return fixedArray(values, OID.boolean, 1, (buffer, value, at) => buffer.writeUInt8(value ? 1 : 0, at));
}

/** `text[]`, in UTF-8. */
export function textArray(values: Values<string>): Buffer {
  return variableArray(values, OID.text, (text) => Buffer.byteLength(text), writeText);
}

/** `json[]` from JSON text: kept byte for byte. */
export function jsonArray(values: Values<string>): Buffer {
  return variableArray(values, OID.json, (text) => Buffer.byteLength(text), writeText);
}

/** `jsonb[]` from JSON text. */
export function jsonbArray(values: Values<string>): Buffer {
  return variableArray(
    values,
    OID.jsonb,
    (text) => 1 + Buffer.byteLength(text),
    (buffer, text, at) => writeText(buffer, text, buffer.writeUInt8(JSONB_VERSION, at)),
  );
}

/** `bytea[]`. */
export function byteaArray(values: Values<Uint8Array>): Buffer {
  return variableArray(
    values,
    OID.bytea,
    (bytes) => bytes.length,
    (buffer, bytes, at) => buffer.set(bytes, at),
  );
}

/** `numeric[]` from whole amounts of at least 0. */
export function numericArray(values: Values<bigint>): Buffer {
  const digits = values.map((value) => (value === null ? null : numericDigits(value)));
  return variableArray(digits, OID.numeric, (one) => 8 + one.length * 2, writeNumeric);
}

/** Most significant first, in base 10,000; none for zero. */
function numericDigits(value: bigint): readonly number[] {
  if (value < 0n) throw new RangeError(`the amount ${value} is below 0`);
  const text = value.toString();
  const digits: number[] = [];
  if (value === 0n) return digits;
  const first = text.length % NUMERIC_BASE_DIGITS || NUMERIC_BASE_DIGITS;
  digits.push(Number.parseInt(text.slice(0, first), 10));
  for (let at = first; at < text.length; at += NUMERIC_BASE_DIGITS)
    digits.push(Number.parseInt(text.slice(at, at + NUMERIC_BASE_DIGITS), 10));
  return digits;
}

function writeNumeric(buffer: Buffer, digits: readonly number[], start: number): void {
  let at = buffer.writeInt16BE(digits.length, start);
  at = buffer.writeInt16BE(Math.max(0, digits.length - 1), at); // weight of the first digit
  at = buffer.writeUInt16BE(0, at); // sign: not negative
  at = buffer.writeUInt16BE(0, at); // no digits behind the point
  for (const digit of digits) {
    if (digit >= NUMERIC_BASE) throw new RangeError("a digit in base 10,000 is below 10,000");
    at = buffer.writeUInt16BE(digit, at);
  }
}

function writeText(buffer: Buffer, text: string, at: number): void {
  buffer.write(text, at, "utf8");
}

function fixedArray<T>(
  values: Values<T>,
  oid: number,
  width: number,
  write: (buffer: Buffer, value: T, at: number) => void,
): Buffer {
  return variableArray(values, oid, () => width, write);
}

function variableArray<T>(
  values: Values<T>,
  oid: number,
  sizeOf: (value: T) => number,
  write: (buffer: Buffer, value: T, at: number) => void,
): Buffer {
  let size = HEADER_BYTES;
  let nulls = 0;
  for (const value of values) {
    size += 4;
    if (value === null) nulls = 1;
    else size += sizeOf(value);
  }
  const buffer = Buffer.allocUnsafe(size);
  // An empty array has no dimension.
  let at = buffer.writeInt32BE(values.length === 0 ? 0 : 1, 0);
  at = buffer.writeInt32BE(nulls, at);
  at = buffer.writeInt32BE(oid, at);
  if (values.length === 0) return buffer.subarray(0, at);
  at = buffer.writeInt32BE(values.length, at);
  at = buffer.writeInt32BE(1, at);
  for (const value of values) {
    if (value === null) {
      at = buffer.writeInt32BE(NULL_LENGTH, at);
      continue;
    }
    const length = sizeOf(value);
    at = buffer.writeInt32BE(length, at);
    write(buffer, value, at);
    at += length;
  }
  return buffer;
}
