/** Public vectors of logs, signed notes and witnesses: figures that other implementations are held to as well. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  cosignatureTime,
  EMPTY_LOG_ROOT,
  FormatError,
  formatNote,
  formatVerifierKey,
  type Hex,
  isKeyOf,
  LogTree,
  lastTiles,
  logLeafHash,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseSignatureLine,
  parseVerifierKey,
  TILE_WIDTH,
  tileIndexPath,
  toHex,
  verifyConsistency,
  verifyInclusion,
  verifyNoteSignature,
} from "#proof";
import { createLogSigner } from "#settlement";

interface Vectors {
  hashes: { what: string; leaf?: string; hash: string }[];
  leaves: string[];
  roots: string[];
  inclusion: { index: number; size: number; proof: string[] }[];
  consistency: { from: number; to: number; proof: string[] }[];
  tiles: { size: number; full: number[]; partial: number[]; path: { index: number; path: string } };
  notes: {
    text: string;
    signers: { private_key?: string; verifier_key: string; line: string }[];
    refused_keys: string[];
  };
  witnessed: { note: string; origin: string; size: string; root: Hex; time: string; witnesses: string[] };
}

const vectors: Vectors = JSON.parse(readFileSync(new URL("../vectors/log.json", import.meta.url), "utf8"));
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (text: string): Hex => `0x${text}`;
const rootOf = (size: number) => hex(vectors.roots[size - 1] ?? "");

describe("the tree", () => {
  const tree = new LogTree();
  for (const leaf of vectors.leaves) tree.append(bytes(leaf));

  test("hashes of leaves, and the root of nothing", () => {
    for (const { leaf, hash } of vectors.hashes)
      expect(leaf === undefined ? EMPTY_LOG_ROOT : toHex(logLeafHash(bytes(leaf)))).toBe(hex(hash));
  });

  test("roots", () => {
    expect(vectors.roots.length).toBe(8);
    expect(vectors.roots.map((_, at) => tree.rootAt(BigInt(at + 1)))).toEqual(vectors.roots.map(hex));
  });

  test.each(vectors.inclusion)("inclusion of $index in $size", ({ index, size, proof }) => {
    const [at, of] = [BigInt(index), BigInt(size)];
    expect(tree.inclusionProof(at, of)).toEqual(proof.map(hex));
    expect(verifyInclusion(bytes(vectors.leaves[index] ?? ""), at, of, proof.map(hex), rootOf(size))).toBe(
      true,
    );
  });

  test.each(vectors.consistency)("consistency of $from with $to", ({ from, to, proof }) => {
    const [old, now] = [BigInt(from), BigInt(to)];
    expect(tree.consistencyProof(old, now)).toEqual(proof.map(hex));
    expect(verifyConsistency(old, now, proof.map(hex), rootOf(from), rootOf(to))).toBe(true);
  });
});

/** What those tests change in each of their proofs, and expect to fail. */
describe("the tree's proofs, changed as others' tests change them", () => {
  const some = hex("abacaba000000000000000000000000000000000000000000060061e00123456");

  test.each(vectors.inclusion.filter(({ proof }) => proof.length > 0))(
    "inclusion of $index in $size",
    ({ index, size, proof }) => {
      const [at, of, root, path] = [BigInt(index), BigInt(size), rootOf(size), proof.map(hex)];
      const line = bytes(vectors.leaves[index] ?? "");
      const holds = [
        verifyInclusion(line, at - 1n, of, path, root),
        verifyInclusion(line, at + 1n, of, path, root),
        verifyInclusion(line, at ^ 2n, of, path, root),
        verifyInclusion(line, at, of * 2n, path, root),
        verifyInclusion(line, at, of / 2n, path, root),
        verifyInclusion(bytes("ff"), at, of, path, root),
        verifyInclusion(line, at, of, path, EMPTY_LOG_ROOT),
        verifyInclusion(line, at, of, path, some),
        verifyInclusion(line, at, of, [...path, root], root),
        verifyInclusion(line, at, of, [root, ...path], root),
        verifyInclusion(line, at, of, path.slice(0, -1), root),
        verifyInclusion(line, at, of, [path[0] ?? root, some, ...path.slice(1)], root),
      ];
      expect(holds.indexOf(true)).toBe(-1);
      expect(() => verifyInclusion(line, at, of, ["0x", ...path], root)).toThrow(FormatError);
    },
  );

  test.each(vectors.consistency.filter(({ proof }) => proof.length > 0))(
    "consistency of $from with $to",
    ({ from, to, proof }) => {
      const [old, now, path] = [BigInt(from), BigInt(to), proof.map(hex)];
      const [before, after] = [rootOf(from), rootOf(to)];
      const holds = [
        verifyConsistency(old - 1n, now, path, before, after),
        verifyConsistency(old + 1n, now, path, before, after),
        verifyConsistency(old ^ 2n, now, path, before, after),
        verifyConsistency(old, now * 2n, path, before, after),
        verifyConsistency(old, now / 2n, path, before, after),
        verifyConsistency(old, now, path, some, after),
        verifyConsistency(old, now, path, before, some),
        verifyConsistency(old, now, path, after, before),
        verifyConsistency(old, now, [], before, after),
        verifyConsistency(old, now, path.slice(0, -1), before, after),
        ...[before, after].flatMap((root) => [
          verifyConsistency(old, now, [...path, root], before, after),
          verifyConsistency(old, now, [root, ...path], before, after),
        ]),
        verifyConsistency(old, now, [path[0] ?? some, ...path], before, after),
      ];
      expect(holds.indexOf(true)).toBe(-1);
    },
  );

  test("sizes without a proof", () => {
    const [one, two] = [rootOf(1), rootOf(2)];
    expect(verifyConsistency(1n, 1n, [], two, two)).toBe(true);
    const holds = [
      verifyConsistency(0n, 0n, [], one, two),
      verifyConsistency(1n, 1n, [], one, two),
      verifyConsistency(1n, 0n, [], one, two),
      verifyConsistency(2n, 1n, [], one, two),
      verifyConsistency(1n, 2n, [], one, two),
      verifyConsistency(0n, 0n, [EMPTY_LOG_ROOT], EMPTY_LOG_ROOT, EMPTY_LOG_ROOT),
      verifyConsistency(0n, 1n, [EMPTY_LOG_ROOT], EMPTY_LOG_ROOT, EMPTY_LOG_ROOT),
      verifyConsistency(1n, 1n, [EMPTY_LOG_ROOT], EMPTY_LOG_ROOT, EMPTY_LOG_ROOT),
      // Others take any root for that of no lines; here it is the one that it is.
      verifyConsistency(0n, 1n, [], one, two),
      verifyInclusion("", 0n, 0n, [], EMPTY_LOG_ROOT),
      verifyInclusion("", 1n, 0n, [], one),
      verifyInclusion("", 2n, 1n, [], one),
    ];
    expect(holds.indexOf(true)).toBe(-1);
  });
});

describe("tiles", () => {
  const { size, full, partial, path } = vectors.tiles;

  test("how many a log has, and how wide the last ones are", () => {
    const last = lastTiles(BigInt(size));
    expect(last.map(({ width }) => width)).toEqual(partial);
    expect(last.map(({ index }) => Number(index))).toEqual(full);
    expect(lastTiles(BigInt(TILE_WIDTH)).map(({ width }) => width)).toEqual([TILE_WIDTH, 1]);
    expect(lastTiles(0n)).toEqual([]);
  });

  test("where one is", () => {
    expect(tileIndexPath(BigInt(path.index))).toBe(path.path);
    expect([0n, 67n, 1000n].map(tileIndexPath)).toEqual(["000", "067", "x001/000"]);
  });
});

describe("signed notes", () => {
  const { text, signers, refused_keys } = vectors.notes;
  const note = `${text}\n${signers.map(({ line }) => `${line}\n`).join("")}`;

  test("are read and written again as they were", () => {
    const parsed = parseNote(note);
    expect(parsed.text).toBe(text);
    expect(parsed.signatures.map(({ name }) => name)).toEqual(["PeterNeumann", "EnochRoot"]);
    expect(formatNote(parsed)).toBe(note);
  });

  test.each(signers)("of $verifier_key hold, for that text alone", async ({ verifier_key, line }) => {
    const key = parseVerifierKey(verifier_key);
    expect(formatVerifierKey(key)).toBe(verifier_key);
    const signature = parseSignatureLine(line);
    expect(isKeyOf(key, signature)).toBe(true);
    expect(await verifyNoteSignature(text, key, signature)).toBe(true);
    expect(await verifyNoteSignature(`${text}\n`, key, signature)).toBe(false);
    const changed = { bytes: signature.bytes.map((byte, at) => (at === 0 ? byte + 1 : byte)) };
    expect(await verifyNoteSignature(text, key, changed)).toBe(false);
  });

  test("are made by our own key as by others'", () => {
    const [{ private_key = "", line } = { line: "" }] = signers;
    // After its name and id: the type, 1, and the seed.
    const [, , name = "", , ...encoded] = private_key.split("+");
    const signer = createLogSigner(name, Buffer.from(encoded.join("+"), "base64").subarray(1));
    expect(formatVerifierKey(signer.key)).toBe(signers[0]?.verifier_key);
    expect(signer.sign(text)).toEqual(parseSignatureLine(line));
  });

  test("have keys of which no part and no neighbour is one", () => {
    const vkey = signers[0]?.verifier_key ?? "";
    const refused = [...refused_keys];
    for (let from = 0; from <= vkey.length; from++)
      for (let to = from; to <= vkey.length; to++)
        if (to - from < vkey.length) refused.push(vkey.slice(from, to));
    for (let at = 0; at < vkey.length; at++)
      refused.push(vkey.slice(0, at) + String.fromCharCode(vkey.charCodeAt(at) + 1) + vkey.slice(at + 1));
    for (const key of refused) expect(() => parseVerifierKey(key), key).toThrow(FormatError);
  });

  test.each([
    ["without signatures", text],
    ["with an empty list of them", `${text}\n`],
    ["cut before the last newline", note.slice(0, -1)],
    ["with a control character", `\u0001${note}`],
    ["with half a character", `\ud800${note}`],
    ["with a name that has a space", `${text}\n— Bad Name x08go/ZJkuA=\n`],
    ["with a line that is none", `${note}Unexpected line.\n`],
    ["with more signatures than anybody needs", `${text}\n${`${signers[0]?.line}\n`.repeat(101)}`],
  ])("%s are refused", (_, broken) => {
    expect(() => parseNote(broken)).toThrow(FormatError);
  });
});

describe("a checkpoint of a public log", () => {
  const { note, origin, size, root, time, witnesses } = vectors.witnessed;
  const keys = witnesses.map(parseVerifierKey);

  test("is read", () => {
    expect(parseCheckpoint(parseNote(note).text)).toEqual({ origin, size: BigInt(size), root });
  });

  test.each(keys)("was seen by $name", async (key) => {
    const { text, signatures } = parseNote(note);
    const found = signatures.filter((signature) => isKeyOf(key, signature));
    expect(found.map(cosignatureTime)).toEqual([BigInt(time)]);
    for (const signature of found) {
      expect(await verifyNoteSignature(text, key, signature)).toBe(true);
      expect(await verifyNoteSignature(text.replace(size, `${size}0`), key, signature)).toBe(false);
      const later = { bytes: signature.bytes.map((byte, at) => (at === 7 ? byte + 1 : byte)) };
      expect(await verifyNoteSignature(text, key, later)).toBe(false);
    }
  });

  test("is nothing without a key of its log, however many have seen it", async () => {
    await expect(openCheckpoint(note, [], keys)).rejects.toThrow(FormatError);
  });
});
