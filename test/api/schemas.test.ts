import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineRoute, requireAgreement, requireOwner } from "#api";
import { canonicalJson } from "../../src/api/idempotency.ts";
import {
  amountIn,
  decodeCursor,
  encodeCursor,
  opaqueId,
  queryBoolean,
  text,
  timeIn,
  userId,
  uuid,
  walletAddress,
} from "../../src/api/schemas.ts";
import { parseStrictJson } from "../../src/api/strict-json.ts";

const accepts = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success;

describe("ids", () => {
  test.each(["agreement-1", "a:b", "ä", "_x", "-Nabc", "日本", "a".repeat(128), "5f@x.y", "A~b=c,d|e+f"])(
    "%s is an opaque id",
    (id) => expect(accepts(opaqueId, id)).toBe(true),
  );
  test.each([
    "",
    ".",
    "..",
    "a/b",
    "a\\b",
    "a b",
    "a\u0000",
    "a\nb",
    "a\u202eb",
    "a%b",
    "a?b",
    "a#b",
    "<a>",
    "a'b",
    "a\u0308",
    "a".repeat(129),
    "\ud800",
  ])("%j is not", (id) => expect(accepts(opaqueId, id)).toBe(false));
  test("user ids are ASCII and begin with a letter or digit", () => {
    for (const id of ["user_a", "auth0|1", "a@b.c", "1"]) expect(accepts(userId, id)).toBe(true);
    for (const id of ["", "ä", "_a", "a/b", "a b", "a\n", "a".repeat(129)])
      expect(accepts(userId, id)).toBe(false);
  });
  test("UUIDs are answered in lower case", () => {
    expect(uuid.parse("0190B4C2-7E2B-7D3A-8F00-AABBCCDDEEFF")).toBe("0190b4c2-7e2b-7d3a-8f00-aabbccddeeff");
    expect(accepts(uuid, "0190b4c27e2b7d3a8f00aabbccddeeff")).toBe(false);
  });
});

describe("values", () => {
  test("wallets are answered with their checksum; a wrong one and the zero address are refused", () => {
    const right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    expect(walletAddress.parse(right.toLowerCase())).toBe(right);
    expect(walletAddress.parse(right)).toBe(right);
    expect(accepts(walletAddress, right.replace("aA", "AA"))).toBe(false);
    expect(accepts(walletAddress, `0x${"0".repeat(40)}`)).toBe(false);
  });
  test("amounts of any asset pass as they came, zero too", () => {
    for (const value of [
      "0",
      0,
      "10",
      10,
      0.5,
      `0.${"0".repeat(37)}1`,
      "340282366920938463463374607431768211455",
    ])
      expect(amountIn.parse(value)).toBe(value);
    for (const value of [
      "340282366920938463463374607431768211456",
      Number.NaN,
      `0.${"0".repeat(38)}1`,
      {},
      "1,5",
    ])
      expect(accepts(amountIn, value)).toBe(false);
  });
  test("times are whole Unix seconds", () => {
    expect(timeIn.parse("1970-01-01T00:00:00Z")).toBe(0);
    for (const value of ["1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z", "2026-01-30", "2026-01-30T12:00:00"])
      expect(accepts(timeIn, value)).toBe(false);
  });
  test("text has no control characters and an end", () => {
    expect(accepts(text(5), "grüße")).toBe(true);
    for (const value of ["", "a\u0007", "toolong"]) expect(accepts(text(5), value)).toBe(false);
    expect(queryBoolean.parse("true")).toBe(true);
  });
  test("cursors come back as they were given, and made-up ones are refused", () => {
    expect(decodeCursor(encodeCursor("17", "lock-ä"), /^\d+$/, /./)).toEqual(["17", "lock-ä"]);
    for (const cursor of ["", "AAAA", encodeCursor("x", "y"), encodeCursor("1"), encodeCursor("1", "y", "z")])
      expect(() => decodeCursor(cursor, /^\d+$/, /./)).toThrow("cursor");
  });
});

describe("strict JSON", () => {
  const read = (json: string) => parseStrictJson(Buffer.from(json));

  test("reads what JSON.parse reads, whatever the value", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (json) => {
        const hostile = /__proto__|\\u0000|\\ud[89a-f]/i.test(json);
        fc.pre(!hostile);
        expect(read(json)).toEqual(JSON.parse(json));
      }),
    );
  });
  test("names the member, however deep", () => {
    expect(() => read('{"a":[{"b":1},{"b":1,"c":{"d":1,"d":2}}]}')).toThrow("a[1].c.d is given twice");
    expect(() => read('{"a":[1,{"b":["x","\\u0000"]}]}')).toThrow("a[1].b[1] must not contain U+0000");
    expect(() => read('{"a":[1,{"b":{"\\u0000":1}}]}')).toThrow("a[1].b must not contain U+0000 in a name");
    expect(() => read('{"\\ud800":1}')).toThrow("body must not contain lone surrogates in a name");
    expect(() => read('{"a":{"a":{"a":1}},"b":{"a":1}}')).not.toThrow();
    expect(() => read('{"\\u0061":1,"a":2}')).toThrow("a is given twice");
    expect(() => read(`${"[".repeat(33)}${"]".repeat(33)}`)).toThrow("nested deeper");
    expect(() => read(`${"[".repeat(32)}${"]".repeat(32)}`)).not.toThrow();
  });
  test("braces, quotes and commas inside strings are text", () => {
    expect(read('{"a":"}{\\"],\\\\","b":"\\\\\\""}')).toEqual({ a: '}{"],\\', b: '\\"' });
  });
  test("bytes that are not UTF-8 and a byte order mark are refused", () => {
    expect(() => parseStrictJson(new Uint8Array([0x22, 0xff, 0x22]))).toThrow("UTF-8");
    expect(() => parseStrictJson(new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d]))).toThrow("JSON");
  });
  test("canonical text does not depend on the order of members", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe("rules of ownership and agreement", () => {
  const alice = { sub: "alice", roles: ["user"] } as const;
  test("owners and excepted roles pass, others do not", () => {
    expect(requireOwner(alice, "alice")).toBe(alice);
    expect(requireOwner({ sub: "a", roles: ["auditor"] }, "alice", ["auditor"]).sub).toBe("a");
    expect(() => requireOwner(alice, "bob", ["auditor"])).toThrow("another user");
    expect(() => requireOwner(null, "alice")).toThrow("token");
  });
  test("what the path or token says may be repeated and must agree", () => {
    const expected = { user_id: "alice", agreement_id: "a-1" };
    expect(() => requireAgreement({ user_id: "alice", agreement_id: "a-1" }, expected)).not.toThrow();
    expect(() => requireAgreement({}, expected)).not.toThrow();
    expect(() => requireAgreement({ user_id: "bob" }, expected)).toThrow(
      expect.objectContaining({ code: "forbidden" }),
    );
    expect(() => requireAgreement({ agreement_id: "a-2" }, expected)).toThrow(
      expect.objectContaining({ code: "invalid_request", details: { member: "agreement_id" } }),
    );
  });
});

describe("a definition is refused", () => {
  const base = {
    method: "post",
    summary: "s",
    tags: ["t"],
    auth: { roles: ["user"] },
    handler: () => ({}),
  } as const;
  test("where a schema lets unknown members pass, however deep", () => {
    const body = z.strictObject({ list: z.array(z.object({ a: z.string() })).optional() });
    expect(() => defineRoute({ ...base, path: "/x", body })).toThrow("z.strictObject");
  });
  test("where path and params disagree, in any alias", () => {
    const params = z.strictObject({ a: z.string() });
    expect(() => defineRoute({ ...base, path: "/x/{a}" })).toThrow("path has {a}");
    expect(() => defineRoute({ ...base, path: ["/x/{a}", "/y/{b}"], params })).toThrow("path has {b}");
  });
  test("where ownUser names no path parameter", () => {
    const auth = { roles: ["user"], ownUser: { param: "user_id" } } as const;
    expect(() => defineRoute({ ...base, auth, path: "/x" })).toThrow("ownUser");
  });
});
