/** SHA-256 is Node's own where there is Node, and WebAssembly's in a browser: the same bytes. */
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { sha256 } from "../../src/proof/hash.ts";

const inNode = process.getBuiltinModule;
let inBrowser: typeof sha256;

beforeAll(async () => {
  process.getBuiltinModule = undefined as never;
  vi.resetModules();
  try {
    ({ sha256: inBrowser } = await import("../../src/proof/hash.ts"));
  } finally {
    process.getBuiltinModule = inNode;
  }
});

afterAll(() => {
  vi.resetModules();
});

test("Node and WebAssembly hash bytes of every length up to some blocks alike", () => {
  expect(inBrowser).not.toBe(sha256);
  for (let length = 0; length <= 200; length++) {
    const bytes = new Uint8Array(randomBytes(length));
    const expected = new Uint8Array(createHash("sha256").update(bytes).digest());
    expect(sha256(bytes)).toEqual(expected);
    expect(inBrowser(bytes)).toEqual(expected);
  }
});

test("and text as its UTF-8, where half a surrogate pair is no character", () => {
  for (const text of ["", "a", "\0{}", "é", "日本", "🙂", "\ud83d", "a\ude42b", "x".repeat(5_000)]) {
    const expected = inBrowser(new TextEncoder().encode(text));
    expect(sha256(text)).toEqual(expected);
    expect(inBrowser(text)).toEqual(expected);
  }
});
