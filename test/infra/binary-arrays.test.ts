/** Columns as binary array parameters arrive in a real Postgres as what they are. */
import type { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  booleanArray,
  byteaArray,
  createClient,
  int2Array,
  int8Array,
  jsonArray,
  jsonbArray,
  numericArray,
  textArray,
  uuidArray,
} from "#infra";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = createClient({ url: database.appUrl, applicationName: "binary-arrays" });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

/** What Postgres understood, as its own text. */
async function understood(type: string, parameter: Buffer): Promise<(string | null)[]> {
  const { rows } = await client.query<{ one: string | null }>(
    `SELECT one::text FROM unnest($1::${type}[]) WITH ORDINALITY AS t (one, place) ORDER BY place`,
    [parameter],
  );
  return rows.map((row) => row.one);
}

describe("binary array parameters", () => {
  it("carry ids", async () => {
    const id = "0190a3c4-5d6e-7f80-91a2-b3c4d5e6f708";
    expect(await understood("uuid", uuidArray([id, null, id.toUpperCase()]))).toEqual([id, null, id]);
    for (const wrong of ["", "0190a3c4", `${id}0`, id.replace("f", "g"), `${id.slice(0, -1)}-`])
      expect(() => uuidArray([wrong])).toThrow(RangeError);
  });

  it("carry whole numbers, also negative and beyond 32 bits", async () => {
    const numbers = [0, 1, -1, 4_294_967_295, 4_294_967_296, -4_294_967_297, 2 ** 53 - 1, -(2 ** 53) + 1];
    expect(await understood("bigint", int8Array([...numbers, null]))).toEqual([...numbers.map(String), null]);
    for (const wrong of [1.5, 2 ** 53, Number.NaN]) expect(() => int8Array([wrong])).toThrow(RangeError);
    expect(await understood("smallint", int2Array([0, -1, 32_767, null]))).toEqual([
      "0",
      "-1",
      "32767",
      null,
    ]);
    expect(() => int2Array([32_768])).toThrow(RangeError);
  });

  it("carry yes and no", async () => {
    expect(await understood("boolean", booleanArray([true, null, false]))).toEqual(["true", null, "false"]);
  });

  it("carry amounts of any size", async () => {
    const amounts = [
      0n,
      1n,
      9_999n,
      10_000n,
      10_001n,
      100_000_000n,
      123_456_789_012_345_678_901n,
      2n ** 128n - 1n,
    ];
    expect(await understood("numeric", numericArray([...amounts, null]))).toEqual([
      ...amounts.map(String),
      null,
    ]);
    for (let digits = 1n; digits <= 39n; digits++) {
      const around = [10n ** digits - 1n, 10n ** digits, 10n ** digits + 1n];
      expect(await understood("numeric", numericArray(around))).toEqual(around.map(String));
    }
    expect(() => numericArray([-1n])).toThrow(RangeError);
  });

  it("carry text and JSON byte for byte, and bytes", async () => {
    const texts = ["", "a", "NULL", '"{}\\,', "grüße 你好 🎈", "\n\t", null];
    expect(await understood("text", textArray(texts))).toEqual(texts);
    const json = ['{"b": 1,  "a":[null]}', null];
    expect(await understood("json", jsonArray(json))).toEqual(json);
    expect(await understood("jsonb", jsonbArray(json))).toEqual(['{"a": [null], "b": 1}', null]);
    expect(await understood("bytea", byteaArray([Uint8Array.of(0, 255), Uint8Array.of(), null]))).toEqual([
      "\\x00ff",
      "\\x",
      null,
    ]);
  });

  it("may be empty, and are refused where the statement says another type", async () => {
    expect(await understood("uuid", uuidArray([]))).toEqual([]);
    await expect(understood("text", int8Array([1]))).rejects.toThrow(/type/);
  });
});
