/** The golden vectors, whole: every value in the file is computed again from its inputs. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  buildProof,
  dataHash,
  EMPTY_LOG_ROOT,
  encodeHeader,
  encodeLeafFile,
  type Header,
  type HeaderJson,
  headerHash,
  headerToJson,
  isSection,
  type Leaf,
  LogFrontier,
  LogTree,
  leafDomain,
  leafFileHash,
  leafHash,
  parseHeader,
  parseLeafFile,
  parseProof,
  positionKey,
  proofToJson,
  SECTIONS,
  SumTree,
  toHex,
} from "#proof";
import { verifyProof } from "#verifier";

interface VectorLeaf {
  index: string;
  owner: string;
  key: string;
  amount: string;
  valid_until: string;
  kind: string;
  quantity: string;
}

interface VectorTree {
  section: string;
  count: number;
  leaves: VectorLeaf[];
  openings: { salt: string; parts: string[] }[];
  leaf_hashes: string[];
  root: string;
  sum: string;
  proof_of_last: { hash: string; sum: string }[] | null;
  first_leaf_file_keccak256: string;
}

interface Vectors {
  chain_id: string;
  registry: string;
  asset: string;
  custodians: Record<string, string>;
  domains: Record<string, string>;
  trees: VectorTree[];
  headers: { header: HeaderJson; abi_encoded: string; header_hash: string }[];
  journal: { lines: string[]; roots: string[]; empty: string };
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL("../vectors/settlement-v1.json", import.meta.url), "utf8"),
);

function sectionOf(tree: VectorTree) {
  if (!isSection(tree.section)) throw new Error(`no section ${tree.section}`);
  return tree.section;
}

function leafOf(leaf: VectorLeaf): Leaf {
  return {
    index: BigInt(leaf.index),
    owner: leaf.owner,
    key: leaf.key,
    amount: BigInt(leaf.amount),
    validUntil: BigInt(leaf.valid_until),
    kind: Number(leaf.kind),
    quantity: Number(leaf.quantity),
  };
}

function domainOf(section: (typeof SECTIONS)[number]): string {
  return leafDomain({
    chainId: BigInt(vectors.chain_id),
    custodian: vectors.custodians[section] ?? "",
    token: vectors.asset,
    section,
  });
}

test("the file holds what these tests expect to find", () => {
  expect(vectors.trees.length).toBe(40);
  expect(vectors.headers.length).toBe(3);
  expect(vectors.journal.lines.length).toBe(21);
});

test.each(SECTIONS)("domain of %s", (section) => {
  expect(domainOf(section)).toBe(vectors.domains[section]);
});

describe.each(vectors.trees.map((tree) => [`${tree.section} with ${tree.count} leaves`, tree] as const))(
  "%s",
  (_, tree) => {
    const section = sectionOf(tree);
    const leaves = tree.leaves.map(leafOf);

    test("keys and leaf hashes", () => {
      expect(tree.openings.map(positionKey)).toEqual(leaves.map((leaf) => leaf.key));
      expect(leaves.map((leaf) => leafHash(domainOf(section), leaf))).toEqual(tree.leaf_hashes);
    });

    test("root, sum and proof", () => {
      const view = new SumTree(domainOf(section)).apply(1n, leaves);
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
      const view = new SumTree(domainOf(section)).apply(1n, leaves);
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
          custodian: vectors.custodians[section] ?? "",
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
  const treeWith = (section: string, count: number) =>
    vectors.trees.find((tree) => tree.section === section && tree.count === count)?.leaves.map(leafOf) ?? [];

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
    const trees = SECTIONS.map((section) => new SumTree(domainOf(section)));
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
            leafHash(domainOf(section), leaf) !== (before[at] && leafHash(domainOf(section), before[at])),
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
