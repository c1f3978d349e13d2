/** The offline verifier: what is true passes, and each known way to lie about a position fails by name. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildProof,
  foldProof,
  type Header,
  headerHash,
  headerSection,
  joinNodes,
  type Leaf,
  leafHash,
  type ProofDocument,
  type ProofDocumentJson,
  parseHeader,
  positionKey,
  proofToJson,
  SECTIONS,
  type Section,
  SumTree,
  ZERO_ADDRESS,
  ZERO_WORD,
} from "#proof";
import { verifyProof } from "#verifier";
import { plainDomain, plainHeaderHash, plainTree } from "../support/plain-sum-tree.ts";
import { vectorDomain, vectorLeaf, vectors, vectorTree } from "../support/settlement-vectors.ts";

const template = parseHeader(vectors.headers[0]?.header);

function headerWith(section: Section, state: { root: `0x${string}`; sum: bigint; count: bigint }): Header {
  const sections = template.sections.map((other, place) => (SECTIONS[place] === section ? state : other));
  return { ...template, sections };
}

/** A true proof of the leaf at `index` in the vectors' tree of `count` leaves. */
function trueProof(section: Section = "locks", count = 9, index = 4): ProofDocument {
  const tree = vectorTree(section, count);
  const leaves = tree.leaves.map(vectorLeaf);
  const view = new SumTree(vectorDomain(section)).apply(1n, leaves);
  return buildProof({
    header: headerWith(section, { root: view.root, sum: view.sum, count: view.count }),
    section,
    custodian: vectors.custodians[section],
    asset: vectors.asset,
    leaf: leaves[index] as Leaf,
    siblings: view.proof(BigInt(index)),
    txHash: null,
    opening: tree.openings[index],
  });
}

/** The same proof under a header of its own making: an attacker may choose every byte but not the chain's hash. */
function under(
  proof: ProofDocument,
  state: Partial<{ root: `0x${string}`; sum: bigint; count: bigint }>,
): ProofDocument {
  const header = headerWith(proof.section, { ...headerSection(proof.header, proof.section), ...state });
  return { ...proof, header, headerHash: headerHash(header) };
}

function failures(document: unknown): string[] {
  const { valid, checks } = verifyProof(document);
  const failed = checks.filter((check) => !check.ok).map((check) => check.name);
  expect(valid).toBe(failed.length === 0);
  return failed;
}

const failuresOf = (proof: ProofDocument): string[] => failures(proofToJson(proof));

describe("a true proof", () => {
  test("passes every check, by these names", () => {
    const { valid, checks } = verifyProof(proofToJson(trueProof()));
    expect(valid).toBe(true);
    expect(checks.map((check) => check.name)).toEqual([
      "format",
      "registry",
      "epoch",
      "header_hash",
      "section",
      "domain",
      "leaf",
      "index",
      "depth",
      "root",
      "sum",
      "opening",
    ]);
  });

  test("passes as text, without an opening, with addresses in lower case or checksummed", () => {
    const { opening: _, ...json } = proofToJson(trueProof());
    expect(failures(JSON.stringify(json))).toEqual([]);
    const lower = { ...json, registry: json.registry.toLowerCase(), custodian: json.custodian.toLowerCase() };
    expect(failures(lower)).toEqual([]);
  });

  test("made by code that shares nothing with this one passes", () => {
    const record = {
      chain_id: 31337,
      token: vectors.asset,
      registry: vectors.registry,
      custodians: vectors.custodians,
      deployed_block: 0,
    };
    for (const section of SECTIONS) {
      const leaves = vectorTree(section, 5).leaves.map(vectorLeaf);
      const plain = plainTree(plainDomain(record, section), leaves);
      const header = headerWith(section, plain.section);
      const proof = buildProof({
        header,
        section,
        custodian: vectors.custodians[section],
        asset: vectors.asset,
        leaf: leaves[3] as Leaf,
        siblings: plain.proof(3),
        txHash: ZERO_WORD,
      });
      expect(failuresOf({ ...proof, headerHash: plainHeaderHash(header) as `0x${string}` })).toEqual([]);
    }
  });

  test("of any single leaf is the leaf itself", () => {
    expect(failuresOf(trueProof("stakes", 1, 0))).toEqual([]);
  });
});

describe("a lie about a position", () => {
  test("a node passed off as a leaf, with a proof one shorter, has the wrong depth", () => {
    const proof = trueProof("locks", 8, 4);
    const inner = { ...proof, siblings: proof.siblings.slice(1), leaf: { ...proof.leaf, index: 2n } };
    expect(failuresOf(inner)).toContain("depth");
    // A 64-byte leaf would be two hashes side by side; no 125-byte leaf has a node's 97-byte preimage.
    expect(failuresOf(inner)).toContain("root");
  });

  test("a zero root holds nothing", () => {
    expect(failuresOf(under(trueProof(), { root: ZERO_WORD }))).toEqual(["section", "root"]);
    expect(failuresOf(under(trueProof("locks", 1, 0), { root: ZERO_WORD, sum: 0n, count: 0n }))).toEqual(
      expect.arrayContaining(["section", "index", "root"]),
    );
  });

  test("an index at or above the count fails even where the hashes lead to the root", () => {
    // 5 leaves have room for 8: the operator hides a position where the count says that there is none.
    const domain = vectorDomain("locks");
    const leaves = vectorTree("locks", 8).leaves.map(vectorLeaf);
    const view = new SumTree(domain).apply(1n, leaves.slice(0, 7));
    const proof: ProofDocument = {
      ...trueProof(),
      leaf: leaves[6] as Leaf,
      siblings: view.proof(6n),
      opening: undefined,
    };
    expect(failuresOf(under(proof, { root: view.root, sum: view.sum, count: 7n }))).toEqual([]);
    expect(failuresOf(under(proof, { root: view.root, sum: view.sum, count: 6n }))).toEqual(["index"]);
    expect(failuresOf({ ...proof, leaf: { ...proof.leaf, index: 6n + 8n } })).toEqual(
      expect.arrayContaining(["index"]),
    );
  });

  test.each([-1, 1])("a proof of another length (%i) has the wrong depth", (difference) => {
    const proof = trueProof("compute", 9, 8);
    const siblings =
      difference < 0
        ? proof.siblings.slice(0, -1)
        : [...proof.siblings, { hash: ZERO_WORD, sum: 0n } as const];
    expect(failuresOf({ ...proof, siblings })).toContain("depth");
    // Also where a root was made for it.
    const top = foldProof(
      { hash: leafHash(vectorDomain("compute"), proof.leaf), sum: proof.leaf.amount },
      proof.leaf.index,
      siblings,
    );
    expect(failuresOf(under({ ...proof, siblings }, { root: top.hash, sum: top.sum }))).toEqual(["depth"]);
  });

  test("the right root with another sum fails on the sum alone", () => {
    const proof = trueProof();
    const { sum } = headerSection(proof.header, "locks");
    expect(failuresOf(under(proof, { sum: sum - 1n }))).toEqual(["sum"]);
    expect(failuresOf(under(proof, { sum: sum + 1n }))).toEqual(["sum"]);
  });

  test("sums that wrap around 2^128 are refused, not folded", () => {
    const proof = trueProof("balances", 2, 0);
    const sibling = { hash: ZERO_WORD, sum: 2n ** 128n - 1n };
    expect(failuresOf({ ...proof, siblings: [sibling] })).toEqual(["root", "sum"]);
    expect(() => joinNodes(sibling, { hash: ZERO_WORD, sum: 1n })).toThrow(/overflow/);
  });

  test.each(["-1", "0x10", "01", "1e3", "1.0", " 1", "", `${2n ** 128n}`])(
    "an amount of %j is no amount",
    (amount) => {
      const json = proofToJson(trueProof());
      expect(failures({ ...json, leaf: { ...json.leaf, amount } })).toEqual(["format"]);
    },
  );

  test.each<[string, Partial<ProofDocument>, string[]]>([
    ["another chain", { chainId: 1n }, ["registry", "root"]],
    ["another registry", { registry: `0x${"99".repeat(20)}` }, ["registry"]],
    ["another contract", { custodian: `0x${"99".repeat(20)}` }, ["root"]],
    ["another token", { asset: `0x${"99".repeat(20)}` }, ["root"]],
    ["another epoch", { epoch: 2n }, ["epoch"]],
    ["another header hash", { headerHash: `0x${"99".repeat(32)}` }, ["header_hash"]],
    ["a transaction that nobody checks offline", { txHash: `0x${"99".repeat(32)}` }, []],
  ])("a proof said to be of %s fails", (_, change, expected) => {
    expect(failuresOf({ ...trueProof(), ...change })).toEqual(expected);
  });

  test.each(SECTIONS.filter((section) => section !== "locks"))(
    "a lock passed off as one of %s fails",
    (section) => {
      const lock = trueProof();
      const custodian = vectors.custodians[section];
      const state = headerSection(lock.header, "locks");
      const header = headerWith(section, state);
      const moved = {
        ...lock,
        section,
        custodian,
        header,
        headerHash: headerHash(header),
        opening: undefined,
      };
      expect(failuresOf(moved)).toEqual(["root"]);
      // The vault holds two sections: the domain tells them apart.
      expect(failuresOf({ ...moved, custodian: lock.custodian })).toEqual(["root"]);
    },
  );

  test("there is no epoch before the first", () => {
    const proof = trueProof();
    const header = { ...proof.header, epoch: 0n };
    expect(failuresOf({ ...proof, epoch: 0n, header, headerHash: headerHash(header) })).toEqual(["epoch"]);
  });

  test("the header of another epoch does not fit its leaves", () => {
    const proof = trueProof();
    const header = { ...parseHeader(vectors.headers[2]?.header) };
    expect(failuresOf({ ...proof, header, headerHash: headerHash(header), epoch: header.epoch })).toEqual(
      expect.arrayContaining(["root", "sum"]),
    );
  });

  test("without a token the custodian is the registry", () => {
    expect(failuresOf({ ...trueProof(), asset: ZERO_ADDRESS })).toEqual(["domain", "root"]);
  });

  test("an opening of another key, or with other parts, fails on the opening alone", () => {
    const proof = trueProof();
    const opening = proof.opening ?? { salt: ZERO_WORD, parts: [] };
    const [user = "", agreement = ""] = opening.parts;
    for (const parts of [
      [user],
      [user, "other"],
      [agreement, user],
      [`${user}${agreement}`],
      [user, agreement, "more"],
    ])
      expect(failuresOf({ ...proof, opening: { ...opening, parts } })).toEqual(["opening"]);
    expect(failuresOf({ ...proof, opening: { ...opening, salt: ZERO_WORD } })).toEqual(["opening"]);
  });

  test("a key of more parts than its section has opens nothing", () => {
    const proof = trueProof();
    const opening = { salt: ZERO_WORD, parts: ["user_a", "agreement", "more"] };
    const leaf = { ...proof.leaf, index: 0n, key: positionKey(opening) };
    const view = new SumTree(vectorDomain("locks")).apply(1n, [leaf]);
    const state = { root: view.root, sum: view.sum, count: view.count };
    expect(failuresOf(under({ ...proof, leaf, siblings: [], opening }, state))).toEqual(["opening"]);
  });

  test("any other byte of the leaf fails", () => {
    const members = ["owner", "key", "amount", "valid_until", "kind", "quantity", "index"] as const;
    const json = proofToJson(trueProof());
    const other: Record<(typeof members)[number], string> = {
      owner: `0x${"12".repeat(20)}`,
      key: `0x${"12".repeat(32)}`,
      amount: "1",
      valid_until: "1",
      kind: "77",
      quantity: "77",
      index: "5",
    };
    for (const member of members)
      expect(failures({ ...json, leaf: { ...json.leaf, [member]: other[member] } })).toContain("root");
  });

  test("any sibling changed in hash or sum fails", () => {
    const proof = trueProof("payouts", 33, 17);
    fc.assert(
      fc.property(fc.nat(proof.siblings.length - 1), fc.bigInt({ min: 1n, max: 2n ** 64n }), (at, add) => {
        const siblings = proof.siblings.map((sibling, level) =>
          level === at ? { ...sibling, sum: sibling.sum + add } : sibling,
        );
        expect(failuresOf({ ...proof, siblings })).toEqual(["root", "sum"]);
        const hashes = proof.siblings.map((sibling, level) =>
          level === at ? { ...sibling, hash: leafHash(vectorDomain("locks"), proof.leaf) } : sibling,
        );
        expect(failuresOf({ ...proof, siblings: hashes })).toEqual(["root"]);
      }),
      { numRuns: 25 },
    );
  });
});

describe("a document that is not exactly of the form", () => {
  const json = proofToJson(trueProof());
  const cases: [string, unknown][] = [
    ["null", null],
    ["a list", [json]],
    ["text that is no JSON", "{"],
    ["another format", { ...json, format: "anchorbook-proof/2" }],
    ["an unknown member", { ...json, extra: "1" }],
    ["a missing member", without(json, "tx_hash")],
    ["an integer as a JSON number", { ...json, epoch: 1 }],
    ["upper-case hex", { ...json, header_hash: json.header_hash.toUpperCase().replace("0X", "0x") }],
    [
      "a wrong address checksum",
      { ...json, registry: json.registry.replace(/[A-F]/, (digit) => digit.toLowerCase()) },
    ],
    ["a section that does not exist", { ...json, section: "toString" }],
    ["another header version", { ...json, header: { ...json.header, version: "2" } }],
    ["four sections", { ...json, header: { ...json.header, sections: json.header.sections.slice(1) } }],
    ["a count above 64 bits", withSection(json, { count: `${2n ** 64n}` })],
    ["more siblings than any tree has", { ...json, siblings: Array(65).fill(json.siblings[0]) }],
    ["a part with NUL", { ...json, opening: { salt: ZERO_WORD, parts: ["a\0b"] } }],
    ["a salt that is too short", { ...json, opening: { salt: "0x00", parts: ["a"] } }],
  ];

  test.each(cases)("%s fails on the format alone, and throws nothing", (_, document) => {
    expect(failures(document)).toEqual(["format"]);
  });

  test("whatever JSON it is, the verifier answers and says no", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(verifyProof(value).valid).toBe(false);
      }),
    );
  });
});

test("a key separates its parts and refuses NUL", () => {
  const salt = ZERO_WORD;
  expect(positionKey({ salt, parts: ["ab", "c"] })).not.toBe(positionKey({ salt, parts: ["a", "bc"] }));
  expect(() => positionKey({ salt, parts: ["a\0", "b"] })).toThrow(/NUL/);
  expect(() => positionKey({ salt, parts: ["\ud800"] })).toThrow(/surrogate/);
  expect(() => positionKey({ salt, parts: [] })).toThrow(/empty/);
});

function without(json: ProofDocumentJson, member: string): unknown {
  return Object.fromEntries(Object.entries(json).filter(([name]) => name !== member));
}

function withSection(json: ProofDocumentJson, change: object): unknown {
  const sections = json.header.sections.map((section) => ({ ...section, ...change }));
  return { ...json, header: { ...json.header, sections } };
}
