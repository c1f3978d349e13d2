/** The steps from a line to the root: they lead where `verifyInclusion` says, for every line of every small log, and nowhere else. */
import { expect, test } from "vitest";
import { type Hex, ZERO_WORD } from "#proof";
import { isLineProof, parseLineProof, recomputeLine, verifyLine } from "#verifier";
import { signedJournal } from "../support/signed-journal.ts";

const SIZES = 40;
const { tree, line, file: fileOf } = signedJournal(SIZES);
const wayOf6 = tree.inclusionProof(6n, 9n);

function answerOf(index: number, size: number): Record<string, unknown> {
  const work = recomputeLine(parseLineProof(fileOf(index, size)));
  return {
    ...{ index, size, root: tree.rootAt(BigInt(size)), line: line(index), leaf_hash: work?.leafHash },
    proof: tree.inclusionProof(BigInt(index), BigInt(size)),
  };
}

test("every line of every log leads to its root, each step from the one before", () => {
  for (let size = 1; size <= SIZES; size++)
    for (let index = 0; index < size; index++) {
      const file = fileOf(index, size);
      expect(isLineProof(file)).toBe(true);
      expect(verifyLine(file).valid).toBe(true);
      const work = recomputeLine(parseLineProof(file));
      let node: Hex | undefined = work?.leafHash;
      for (const { left, right, parent, sibling } of work?.steps ?? []) {
        expect(sibling === "left" ? right : left).toBe(node);
        node = parent;
      }
      expect(work?.root).toBe(tree.rootAt(BigInt(size)));
      expect(node).toBe(work?.root);
    }
});

test("what the API answers is read as well", () => {
  for (const [index, size] of [
    [0, 1],
    [6, 7],
    [12, 40],
  ] as const) {
    const answer = answerOf(index, size);
    expect(isLineProof(answer)).toBe(true);
    expect(verifyLine(answer)).toMatchObject({ valid: true });
    expect(failedOf({ ...answer, leaf_hash: `0x${"00".repeat(32)}` })).toEqual(["line"]);
    expect(failedOf({ ...answer, root: tree.rootAt(BigInt(size - 1)) })).toEqual(["inclusion"]);
  }
});

test.each<[string, unknown, readonly string[]]>([
  ["another line", fileOf(6, 9).replace(/extra .*/, "extra eyJsaW5lIjoiNSJ9"), ["inclusion"]],
  ["a line that is not there", fileOf(6, 9).replace(/extra .*\n/, ""), ["line"]],
  ["another place of the same way", fileOf(6, 9).replace("index 6", "index 7"), ["inclusion"]],
  ["a place outside", fileOf(6, 9).replace("index 6", "index 9"), ["index", "path", "inclusion"]],
  ["a hash too few", fileOf(6, 9, wayOf6.slice(0, -1)), ["path", "inclusion"]],
  ["a hash too many", fileOf(6, 9, [...wayOf6, ZERO_WORD]), ["path", "inclusion"]],
  ["a changed hash", fileOf(6, 9, [ZERO_WORD, ...wayOf6.slice(1)]), ["inclusion"]],
  ["another root", fileOf(6, 9).replace(/\n9\n.*\n/, `\n9\n${"A".repeat(43)}=\n`), ["inclusion"]],
  ["no checkpoint", fileOf(6, 9).split("\n\n")[0], ["format"]],
  ["no hashes but text", fileOf(6, 9).replace(/(index 6\n).*/, "$1hello"), ["format"]],
  ["an answer without size", { ...answerOf(6, 9), size: undefined }, ["format"]],
  ["an answer with half a line", { ...answerOf(6, 9), index: 6.5 }, ["format"]],
  ["an answer without a text", { ...answerOf(6, 9), line: 6 }, ["format"]],
  ["an answer with something else for hashes", { ...answerOf(6, 9), proof: [1] }, ["format"]],
  ["nothing", null, ["format"]],
])("%s is found", (_, document, failed) => {
  expect(failedOf(document)).toEqual(failed);
});

function failedOf(document: unknown): string[] {
  return verifyLine(document)
    .checks.filter(({ ok }) => !ok)
    .map(({ name }) => name);
}
