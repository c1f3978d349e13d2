/** What makes a signed checkpoint one to believe, rule by rule, by keys of our own. */
import { createPrivateKey, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  type Checkpoint,
  cosignatureOf,
  cosignedMessage,
  FormatError,
  formatCheckpoint,
  formatNote,
  formatSignatureLine,
  LogTree,
  type NoteSignature,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseTlogProof,
  toBase64,
  verifyConsistency,
  verifyInclusion,
} from "#proof";
import { createLogSigner } from "#settlement";
import { verifyCheckpoint, verifyContinuity } from "#verifier";
import { witnessKey } from "../support/tlog-witness.ts";

const log = createLogSigner("log.example/one", Buffer.alloc(32, 1));
const other = createLogSigner("log.example/other", Buffer.alloc(32, 2));
/** The same name with another key. */
const namesake = createLogSigner("log.example/one", Buffer.alloc(32, 3));
const [first, second] = [witnessKey("witness.example/a", 4), witnessKey("witness.example/b", 5)];
const checkpoint: Checkpoint = { origin: log.origin, size: 7n, root: `0x${"ab".repeat(32)}` };
const text = formatCheckpoint(checkpoint);
const noteOf = (...signatures: NoteSignature[]) => formatNote({ text, signatures });
const own = noteOf(log.sign(text));
const seenBy = (note: string, ...lines: string[]) => `${note}${lines.map((line) => `${line}\n`).join("")}`;
const changed = (signature: NoteSignature, at: number): NoteSignature => ({
  ...signature,
  bytes: signature.bytes.map((byte, place) => (place === at ? byte ^ 1 : byte)),
});

describe("a checkpoint", () => {
  test("is opened by a key of its log", async () => {
    const opened = await openCheckpoint(own, [other.key, log.key], [first.key]);
    expect(opened).toEqual({ ...checkpoint, signedBy: [log.key], cosignatures: [] });
  });

  test.each([
    ["of another log, that signed it too", noteOf(other.sign(text)), [log.key, other.key]],
    ["that is not known", own, [other.key]],
    ["of the same name that is not known", noteOf(namesake.sign(text)), [log.key]],
  ])("is not opened by a key %s", async (_, note, keys) => {
    await expect(openCheckpoint(note, keys)).rejects.toThrow("is not signed by a key that is known for it");
  });

  test("is not opened where a known key's signature is wrong, whoever else signed", async () => {
    const wrong = noteOf(log.sign(text), changed(other.sign(text), 5));
    await expect(openCheckpoint(wrong, [log.key, other.key])).rejects.toThrow(
      "wrong signature of log.example/other",
    );
    expect((await openCheckpoint(wrong, [log.key])).signedBy).toEqual([log.key]);
  });

  test.each([
    ["a byte too many", (bytes: Uint8Array) => Uint8Array.from([...bytes, 0])],
    ["a byte too few", (bytes: Uint8Array) => bytes.slice(0, -1)],
  ])("is not opened by a signature with %s", async (_, change) => {
    const signature = log.sign(text);
    const note = noteOf({ ...signature, bytes: change(signature.bytes) });
    await expect(openCheckpoint(note, [log.key])).rejects.toThrow("wrong signature");
  });

  test.each([
    ["two lines", "log.example/one\n7\n"],
    ["an empty line before its end", `${text}\nmore\n`],
    ["no origin", text.slice(log.origin.length)],
    ["a size that is written in two ways", text.replace("\n7\n", "\n07\n")],
    ["a root of another length", `log.example/one\n7\n${toBase64(new Uint8Array(31))}\n`],
  ])("has not %s", (_, broken) => {
    expect(() => parseCheckpoint(broken)).toThrow(FormatError);
  });

  test("may have lines of others", () => {
    expect(parseCheckpoint(`${text}more\n`)).toEqual(checkpoint);
  });
});

describe("a witness", () => {
  const open = (note: string) => openCheckpoint(note, [log.key], [first.key, second.key]);

  test("counts once, with the time that its first signature says", async () => {
    const note = seenBy(own, first.line(own, 1_000), first.line(own, 2_000), second.line(own, 1_500));
    expect((await open(note)).cosignatures).toEqual([
      { key: first.key, time: 1_000n },
      { key: second.key, time: 1_500n },
    ]);
  });

  test("who is not known counts for nothing", async () => {
    expect((await open(seenBy(own, witnessKey("witness.example/c", 6).line(own, 1)))).cosignatures).toEqual(
      [],
    );
  });

  test("of a known name with another key counts for nothing", async () => {
    expect((await open(seenBy(own, witnessKey("witness.example/a", 6).line(own, 1)))).cosignatures).toEqual(
      [],
    );
  });

  test("whose signature is wrong is told", async () => {
    const [line] = parseNote(seenBy(own, first.line(own, 1_000))).signatures.slice(-1) as [NoteSignature];
    for (const at of [0, 7, 8, 71]) {
      const note = seenBy(own, formatSignatureLine(changed(line, at)));
      await expect(open(note)).rejects.toThrow("wrong signature of witness.example/a");
    }
  });

  test("says no time beyond 63 bits", async () => {
    const time = 2n ** 63n;
    const key = createPrivateKey({
      key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, 4)]),
      ...{ format: "der", type: "pkcs8" },
    });
    const line = (at: bigint) =>
      formatSignatureLine(cosignatureOf(first.key, at, sign(null, cosignedMessage(text, at), key)));
    expect((await open(seenBy(own, line(time - 1n)))).cosignatures[0]?.time).toBe(time - 1n);
    await expect(open(seenBy(own, line(time)))).rejects.toThrow(FormatError);
  });

  test("is no log: its signature opens nothing, whatever its name", async () => {
    const named = witnessKey(log.origin, 7);
    const note = `${formatNote({ text, signatures: [] })}${named.line(own, 1)}\n`;
    await expect(openCheckpoint(note, [], [named.key])).rejects.toThrow(FormatError);
  });

  test("is needed as often as is asked for", async () => {
    const note = seenBy(own, first.line(own, 1_000));
    const trust = { logKeys: [log.key], witnesses: [first.key, second.key] };
    expect((await verifyCheckpoint(note, { ...trust, quorum: 1 })).valid).toBe(true);
    expect((await verifyCheckpoint(note, { ...trust, quorum: 2 })).valid).toBe(false);
    expect((await verifyCheckpoint(note, { ...trust, witnesses: [], quorum: 1 })).valid).toBe(false);
    expect((await verifyCheckpoint(note, { ...trust, witnesses: [], quorum: 0 })).valid).toBe(true);
  });
});

describe("a note", () => {
  test("ends its text at the last empty line", () => {
    const { text: body } = parseNote(`${text}\nmore\n\n${formatSignatureLine(log.sign(text))}\n`);
    expect(body).toBe(`${text}\nmore\n`);
  });

  test("has signature lines of two words", () => {
    const line = formatSignatureLine(log.sign(text));
    expect(() => parseNote(`${text}\n${line} more\n`)).toThrow(FormatError);
  });
});

describe("proofs of a log", () => {
  const tree = new LogTree();
  for (let line = 0; line < 8; line++) tree.append(`line ${line}`);

  test("do not show a line in a smaller log by steps that its size does not have", () => {
    // What leads line 3 to the root of four lines would lead it there from place 1 of two as well.
    expect(verifyInclusion("line 3", 3n, 4n, tree.inclusionProof(3n, 4n), tree.rootAt(4n))).toBe(true);
    expect(verifyInclusion("line 3", 1n, 2n, tree.inclusionProof(3n, 4n), tree.rootAt(4n))).toBe(false);
  });

  test("do not show that a log goes on by losing lines", () => {
    for (const [from, to] of [
      [2n, 1n],
      [8n, 4n],
      [4n, 3n],
    ] as const)
      expect(verifyConsistency(from, to, [], tree.rootAt(from), tree.rootAt(from))).toBe(false);
  });

  test("do not show that one log goes on as another", () => {
    const earlier = { ...checkpoint, size: 4n, root: tree.rootAt(4n) };
    const later = { ...checkpoint, size: 8n, root: tree.rootAt(8n) };
    const proof = tree.consistencyProof(4n, 8n);
    expect(verifyContinuity(earlier, later, proof).ok).toBe(true);
    expect(verifyContinuity(earlier, { ...later, origin: "log.example/other" }, proof).ok).toBe(false);
  });

  test("are files that begin as they must, with at most 63 hashes", () => {
    const file = (hashes: number, start = "c2sp.org/tlog-proof@v1") =>
      [start, "index 0", ...Array.from({ length: hashes }, () => toBase64(new Uint8Array(32))), "", own].join(
        "\n",
      );
    expect(parseTlogProof(file(63)).hashes.length).toBe(63);
    expect(() => parseTlogProof(file(64))).toThrow(FormatError);
    expect(() => parseTlogProof(file(1, "c2sp.org/tlog-proof@v2"))).toThrow(FormatError);
  });
});
