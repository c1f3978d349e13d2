import { describe, expect, test } from "vitest";
import {
  encodeLeafFile,
  encodeLeafLine,
  FormatError,
  KeccakStream,
  keccak256,
  leafFileHash,
  parseLeafFile,
  parseLeafLine,
  toHex,
} from "#proof";
import { vectorLeaf, vectorTree } from "../support/settlement-vectors.ts";

const leaves = vectorTree("compute", 33).leaves.map(vectorLeaf);
const file = encodeLeafFile(leaves);

describe("a leaf file", () => {
  test("hashes alike whole, line by line, and in pieces of any size", () => {
    const whole = toHex(keccak256(new TextEncoder().encode(file)));
    expect(leafFileHash(file)).toBe(whole);
    expect(leafFileHash(leaves.map((leaf) => `${encodeLeafLine(leaf)}\n`))).toBe(whole);
    const bytes = new TextEncoder().encode(file.repeat(9));
    expect(bytes.length).toBeGreaterThan(4 * 16_384);
    for (const size of [1, 135, 136, 16_383, 16_384, 40_000]) {
      const stream = new KeccakStream();
      const other = new KeccakStream().update(Uint8Array.of(1));
      for (let from = 0; from < bytes.length; from += size) {
        stream.update(bytes.subarray(from, from + size));
        if (from % 7 === 0) keccak256(bytes.subarray(0, 5));
      }
      expect(toHex(stream.digest())).toBe(toHex(keccak256(bytes)));
      expect(toHex(other.digest())).toBe(toHex(keccak256(Uint8Array.of(1))));
    }
  });

  test("may be empty, and then hashes as the empty string", () => {
    expect(parseLeafFile("")).toEqual([]);
    expect(leafFileHash([])).toBe("0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
  });

  const [first = "", second = ""] = file.split("\n");
  test.each<[string, string]>([
    ["no newline at its end", `${first}\n${second}`],
    ["an empty line", `${first}\n\n${second}\n`],
    ["a newline too many", `${first}\n\n`],
    ["carriage returns", `${first}\r\n`],
    ["the lines in another order", `${second}\n${first}\n`],
    ["an index twice", `${first}\n${first}\n`],
    ["a byte order mark", `\ufeff${first}\n`],
  ])("is refused with %s", (_, text) => {
    expect(() => parseLeafFile(text)).toThrow(FormatError);
  });

  test("is never written out of order", () => {
    expect(() => encodeLeafFile([...leaves].reverse())).toThrow(/order/);
  });
});

describe("a leaf line", () => {
  const line = encodeLeafLine(leaves[1] as (typeof leaves)[number]);
  test("is read only in its canonical bytes", () => {
    expect(parseLeafLine(line)).toEqual(leaves[1]);
    for (const other of [
      line.replace(":", ": "),
      line.replace(/"owner":"0x[0-9a-f]+"/, (member) =>
        member.toUpperCase().replace("OWNER", "owner").replace("X", "x"),
      ),
      line.replace(`"index":"1"`, `"index":1`),
      line.replace(`"index":"1"`, `"index":"01"`),
      line.replace(`,"kind"`, `,"note":"","kind"`),
      JSON.stringify({ index: "1", ...JSON.parse(line) }),
    ]) {
      expect(other).not.toBe(line);
      expect(() => parseLeafLine(other)).toThrow(FormatError);
    }
  });

  test("is never written with hex in upper case", () => {
    const leaf = leaves[2] as (typeof leaves)[number];
    expect(() =>
      encodeLeafLine({ ...leaf, key: leaf.key.toUpperCase().replace("0X", "0x") as `0x${string}` }),
    ).toThrow(FormatError);
  });
});
