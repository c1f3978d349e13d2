/** The journal's log tree against RFC 6962's definition, written here once more with Node's own SHA-256. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EMPTY_LOG_ROOT,
  FormatError,
  LogFrontier,
  LogTree,
  planConsistency,
  planInclusion,
  verifyConsistency,
  verifyInclusion,
} from "#proof";

const sha = (...parts: Uint8Array[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();

/** MTH of RFC 6962, 2.1. */
function definedRoot(lines: readonly string[]): Buffer {
  if (lines.length === 0) return sha();
  if (lines.length === 1) return sha(Buffer.of(0), Buffer.from(lines[0] ?? ""));
  const split = 2 ** Math.floor(Math.log2(lines.length - 1));
  return sha(Buffer.of(1), definedRoot(lines.slice(0, split)), definedRoot(lines.slice(split)));
}

/** PATH of RFC 6962, 2.1.1. */
function definedPath(index: number, lines: readonly string[]): Buffer[] {
  if (lines.length <= 1) return [];
  const split = 2 ** Math.floor(Math.log2(lines.length - 1));
  return index < split
    ? [...definedPath(index, lines.slice(0, split)), definedRoot(lines.slice(split))]
    : [...definedPath(index - split, lines.slice(split)), definedRoot(lines.slice(0, split))];
}

/** SUBPROOF of RFC 6962, 2.1.2. */
function definedSubproof(old: number, lines: readonly string[], isWhole: boolean): Buffer[] {
  if (old === lines.length) return isWhole ? [] : [definedRoot(lines)];
  const split = 2 ** Math.floor(Math.log2(lines.length - 1));
  return old <= split
    ? [...definedSubproof(old, lines.slice(0, split), isWhole), definedRoot(lines.slice(split))]
    : [...definedSubproof(old - split, lines.slice(split), false), definedRoot(lines.slice(0, split))];
}

const hex = (bytes: Buffer): string => `0x${bytes.toString("hex")}`;
const lines = Array.from({ length: 70 }, (_, number) => `{"line":"${number}","text":"ä"}`);
const tree = new LogTree();
for (const line of lines) tree.append(line);

describe("roots", () => {
  test("of every size are the defined ones, by frontier and by tree", () => {
    const frontier = LogFrontier.empty();
    expect(frontier.root()).toBe(EMPTY_LOG_ROOT);
    for (let size = 0; size <= lines.length; size++) {
      expect(tree.rootAt(BigInt(size))).toBe(hex(definedRoot(lines.slice(0, size))));
      expect(frontier.root()).toBe(tree.rootAt(BigInt(size)));
      expect(frontier.size).toBe(BigInt(size));
      const line = lines[size];
      if (line !== undefined) frontier.append(line);
    }
  });

  test("a frontier kept as JSON goes on where it stopped, and a copy goes its own way", () => {
    fc.assert(
      fc.property(fc.nat(70), (size) => {
        const begun = LogFrontier.empty();
        for (const line of lines.slice(0, size)) begun.append(line);
        const resumed = LogFrontier.fromJson(JSON.parse(JSON.stringify(begun.toJson())));
        const copy = begun.copy();
        copy.append("another line");
        for (const line of lines.slice(size)) resumed.append(line);
        expect(resumed.root()).toBe(tree.rootAt(70n));
        expect(begun.root()).toBe(tree.rootAt(BigInt(size)));
      }),
    );
  });

  test("a frontier with a hash too few or too many is refused", () => {
    const { size, hashes } = { size: "6", hashes: [EMPTY_LOG_ROOT, EMPTY_LOG_ROOT] };
    expect(LogFrontier.fromJson({ size, hashes }).size).toBe(6n);
    expect(() => LogFrontier.fromJson({ size, hashes: hashes.slice(1) })).toThrow(FormatError);
    expect(() => LogFrontier.fromJson({ size: "7", hashes })).toThrow(FormatError);
    expect(() => LogFrontier.fromJson({ size, hashes, more: [] })).toThrow(FormatError);
  });
});

describe("inclusion proofs", () => {
  test("of every line in every size are the defined ones and hold", () => {
    for (let size = 1; size <= lines.length; size++)
      for (let index = 0; index < size; index++) {
        const proof = tree.inclusionProof(BigInt(index), BigInt(size));
        expect(proof).toEqual(definedPath(index, lines.slice(0, size)).map(hex));
        const root = tree.rootAt(BigInt(size));
        expect(verifyInclusion(lines[index] ?? "", BigInt(index), BigInt(size), proof, root)).toBe(true);
      }
  });

  test("hold for no other line, index, size, length or root", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(), fc.nat(), (size, number, other) => {
        const index = BigInt(number % size);
        const proof = tree.inclusionProof(index, BigInt(size));
        const root = tree.rootAt(BigInt(size));
        const line = lines[number % size] ?? "";
        const elsewhere = BigInt(other % size);
        if (elsewhere !== index)
          expect(verifyInclusion(line, elsewhere, BigInt(size), proof, root)).toBe(false);
        expect(verifyInclusion(`${line} `, index, BigInt(size), proof, root)).toBe(false);
        expect(verifyInclusion(line, index, BigInt(size), proof.slice(1), root)).toBe(false);
        expect(verifyInclusion(line, index, BigInt(size), [...proof, EMPTY_LOG_ROOT], root)).toBe(false);
        expect(verifyInclusion(line, index, BigInt(size), proof, EMPTY_LOG_ROOT)).toBe(false);
        expect(verifyInclusion(line, BigInt(size), BigInt(size), proof, root)).toBe(false);
        expect(verifyInclusion(line, -1n, BigInt(size), proof, root)).toBe(false);
      }),
    );
  });

  test("are planned for known lines only", () => {
    expect(() => planInclusion(3n, 3n)).toThrow(/below the size/);
    expect(() => tree.inclusionProof(0n, 71n)).toThrow(FormatError);
    expect(() => tree.rootAt(71n)).toThrow(/at most 70/);
  });
});

describe("consistency proofs", () => {
  test("between all sizes are the defined ones and hold", () => {
    for (let size = 1; size <= 40; size++)
      for (let old = 1; old <= size; old++) {
        const proof = tree.consistencyProof(BigInt(old), BigInt(size));
        expect(proof).toEqual(definedSubproof(old, lines.slice(0, size), true).map(hex));
        const roots = [tree.rootAt(BigInt(old)), tree.rootAt(BigInt(size))] as const;
        expect(verifyConsistency(BigInt(old), BigInt(size), proof, ...roots)).toBe(true);
      }
  });

  test("begin with an empty log, whatever follows", () => {
    expect(verifyConsistency(0n, 7n, [], EMPTY_LOG_ROOT, tree.rootAt(7n))).toBe(true);
    expect(verifyConsistency(0n, 7n, [], tree.rootAt(1n), tree.rootAt(7n))).toBe(false);
    expect(() => planConsistency(0n, 7n)).toThrow(/1 to 7/);
    expect(() => planConsistency(8n, 7n)).toThrow(/1 to 7/);
  });

  test("do not hold where history was rewritten, cut or reordered", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(), fc.nat(), (size, number, at) => {
        const old = 1 + (number % (size - 1));
        const rewritten = lines.with(at % old, "rewritten");
        const forged = new LogTree();
        for (const line of rewritten.slice(0, size)) forged.append(line);
        const proof = forged.consistencyProof(BigInt(old), BigInt(size));
        const root = forged.rootAt(BigInt(size));
        expect(verifyConsistency(BigInt(old), BigInt(size), proof, forged.rootAt(BigInt(old)), root)).toBe(
          true,
        );
        expect(verifyConsistency(BigInt(old), BigInt(size), proof, tree.rootAt(BigInt(old)), root)).toBe(
          false,
        );
        expect(verifyConsistency(BigInt(size), BigInt(old), proof, root, root)).toBe(false);
        expect(
          verifyConsistency(BigInt(old), BigInt(size), proof.slice(1), tree.rootAt(BigInt(old)), root),
        ).toBe(false);
      }),
    );
  });
});
