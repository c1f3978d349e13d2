import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ACCOUNT_CODES, TRANSFER_CODES } from "#ledger";
import { TRANSIENT_CODES } from "../../src/ledger/result-codes.ts";

/** Rows of the tables of codes in docs/ledger.md: code, and whether its id is burnt. */
const rows = readFileSync(new URL("../../docs/ledger.md", import.meta.url), "utf8")
  .split("\n")
  .map((line) => /^\| `([a-z_]+)` \|[^|]*\|(?: (stays )?\|)?$/.exec(line))
  .flatMap((match) => (match?.[1] ? [{ code: match[1], stays: match[2] !== undefined }] : []));
const transfers = rows.slice(0, TRANSFER_CODES.length);

describe("docs/ledger.md", () => {
  test("lists every code of a transfer and of an account, in the order in which they are checked", () => {
    expect(rows.map(({ code }) => code)).toEqual([...TRANSFER_CODES, ...ACCOUNT_CODES]);
  });

  test("marks exactly the codes that burn an id", () => {
    const marked = transfers.filter(({ stays }) => stays).map(({ code }) => code);
    expect(new Set(marked)).toEqual(new Set(TRANSIENT_CODES));
  });
});
