/** The golden vectors, whole: every value in the file is computed again from its inputs. */
import { describe, expect, test } from "vitest";
import {
  buildProof,
  dataHash,
  EMPTY_LOG_ROOT,
  encodeHeader,
  encodeJournalLine,
  encodeLeafFile,
  FormatError,
  type Header,
  headerHash,
  headerToJson,
  LogFrontier,
  LogTree,
  leafFileHash,
  leafHash,
  logLeafHash,
  parseHeader,
  parseJournalLine,
  parseLeafFile,
  parseProof,
  positionKey,
  proofToJson,
  SECTIONS,
  type Section,
  SumTree,
  toHex,
} from "#proof";
import { verifyProof } from "#verifier";
import { lineVectors, vectorDomain, vectorLeaf, vectors, vectorTree } from "../support/settlement-vectors.ts";

test("the file holds what these tests expect to find", () => {
  expect(vectors.trees.length).toBe(40);
  expect(vectors.headers.length).toBe(3);
  expect(vectors.journal.lines.length).toBe(21);
});

test.each(lineVectors.lines)("journal line: $what", ({ line, leaf_hash }) => {
  expect(encodeJournalLine(parseJournalLine(line))).toBe(line);
  expect(toHex(logLeafHash(line))).toBe(leaf_hash);
});

test.each(lineVectors.refused)("no journal line: $what", ({ line }) => {
  expect(() => parseJournalLine(line)).toThrow(FormatError);
});

test.each(SECTIONS)("domain of %s", (section) => {
  expect(vectorDomain(section)).toBe(vectors.domains[section]);
});

describe.each(vectors.trees.map((tree) => [`${tree.section} with ${tree.count} leaves`, tree] as const))(
  "%s",
  (_, tree) => {
    const { section } = tree;
    const leaves = tree.leaves.map(vectorLeaf);

    test("keys and leaf hashes", () => {
      expect(tree.openings.map(positionKey)).toEqual(leaves.map((leaf) => leaf.key));
      expect(leaves.map((leaf) => leafHash(vectorDomain(section), leaf))).toEqual(tree.leaf_hashes);
    });

    test("root, sum and proof", () => {
      const view = new SumTree(vectorDomain(section)).apply(1n, leaves);
      expect({ root: view.root, sum: `${view.sum}` }).toEqual({ root: tree.root, sum: tree.sum });
      if (tree.proof_of_last !== null)
        expect(view.proof(BigInt(tree.count - 1)).map(({ hash, sum }) => ({ hash, sum: `${sum}` }))).toEqual(
          tree.proof_of_last,
        );
    });

    test("leaf file", () => {
      const file = encodeLeafFile(leaves);
      expect(leafFileHash(file)).toBe(tree.first_leaf_file_keccak256);
      expect(parseLeafFile(file)).toEqual(leaves);
    });

    test("every leaf of it verifies under a header that carries its root", () => {
      const view = new SumTree(vectorDomain(section)).apply(1n, leaves);
      const template = parseHeader(vectors.headers[0]?.header);
      const header: Header = {
        ...template,
        sections: template.sections.map((other, position) =>
          SECTIONS[position] === section
            ? { root: tree.root, sum: BigInt(tree.sum), count: BigInt(tree.count) }
            : other,
        ),
      };
      leaves.forEach((leaf, position) => {
        const proof = buildProof({
          header,
          section,
          custodian: vectors.custodians[section],
          asset: vectors.asset,
          leaf,
          siblings: view.proof(leaf.index),
          txHash: null,
          opening: tree.openings[position],
        });
        const document: unknown = JSON.parse(JSON.stringify(proofToJson(proof)));
        const { valid, checks } = verifyProof(document);
        expect(checks.filter((check) => !check.ok)).toEqual([]);
        expect(valid).toBe(true);
        expect(proofToJson(parseProof(document))).toEqual(document);
      });
    });
  },
);

describe("headers", () => {
  const treeWith = (section: Section, count: number) => vectorTree(section, count).leaves.map(vectorLeaf);

  test.each(vectors.headers.map((vector) => [vector.header.epoch, vector] as const))(
    "epoch %s: encoding, hash, JSON",
    (_, vector) => {
      const header = parseHeader(vector.header);
      expect(toHex(encodeHeader(header))).toBe(vector.abi_encoded);
      expect(headerHash(header)).toBe(vector.header_hash);
      expect(headerToJson(header)).toEqual(vector.header);
    },
  );

  test("roots, data hashes, journal roots and links follow from leaves and lines", () => {
    const trees = SECTIONS.map((section) => new SumTree(vectorDomain(section)));
    let previous = parseHeader(vectors.headers[0]?.header).previous;
    let counts = SECTIONS.map(() => 0);
    for (const { header: json, header_hash } of vectors.headers) {
      const header = parseHeader(json);
      const hashes = SECTIONS.map((section, position) => {
        const count = Number(header.sections[position]?.count);
        const all = treeWith(section, count);
        const before = treeWith(section, counts[position] ?? 0);
        const changed = all.filter(
          (leaf, at) =>
            leafHash(vectorDomain(section), leaf) !==
            (before[at] && leafHash(vectorDomain(section), before[at])),
        );
        const view = trees[position]?.apply(header.epoch, changed);
        expect({ root: view?.root, sum: view?.sum, count: view?.count }).toEqual(header.sections[position]);
        return [section, leafFileHash(encodeLeafFile(changed))];
      });
      expect(dataHash(Object.fromEntries(hashes))).toBe(header.dataHash);
      expect(header.previous).toBe(previous);
      const log = new LogTree();
      for (const line of vectors.journal.lines) log.append(line);
      expect(log.rootAt(header.journalSize)).toBe(header.journalRoot);
      previous = header_hash;
      counts = header.sections.map((section) => Number(section.count));
    }
  });
});

test("journal roots at every size", () => {
  const frontier = LogFrontier.empty();
  expect(frontier.root()).toBe(vectors.journal.empty);
  expect(EMPTY_LOG_ROOT).toBe(vectors.journal.empty);
  const roots = vectors.journal.lines.map((line) => {
    frontier.append(line);
    return frontier.root();
  });
  expect(roots).toEqual(vectors.journal.roots);
});
