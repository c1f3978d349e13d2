/**
 * Checks a proof document against its own header, offline: does the leaf, for
 * this chain, contract, token and section, stand under the root and sum that the
 * header carries, and is the header the one whose hash is named? Whether that
 * hash is the one the chain holds is a question to the chain.
 *
 * Never throws: whatever is wrong with a document is a check that failed.
 */
import {
  custodianFits,
  FormatError,
  foldProof,
  type Hex,
  headerHash,
  headerSection,
  KEY_PARTS,
  leafDomain,
  leafHash,
  type ProofDocument,
  parseJson,
  parseProof,
  positionKey,
  type SumNode,
  treeDepth,
  ZERO_WORD,
} from "#proof";

export interface Check {
  /** Stable; scripts may rely on it. */
  readonly name: string;
  readonly ok: boolean;
  /** A sentence for the reader; may change. */
  readonly detail: string;
}

export interface Verification {
  readonly valid: boolean;
  readonly checks: readonly Check[];
}

/**
 * @param document the parsed JSON of a proof document, or its text
 * @returns the checks `format`, and where it holds `registry`, `epoch`, `section`, `domain`, `leaf`, `index`,
 *   `depth`, `root`, `sum`, `header_hash` and, where the document carries an opening, `opening`
 */
export function verifyProof(document: unknown): Verification {
  let proof: ProofDocument;
  try {
    proof = parseProof(typeof document === "string" ? parseJson(document, "proof") : document);
  } catch (error) {
    return conclude([{ name: "format", ok: false, detail: reasonOf(error) }]);
  }
  const checks = [
    { name: "format", ok: true, detail: "anchorbook-proof/1" },
    ...headerChecks(proof),
    ...treeChecks(proof),
    ...openingChecks(proof),
  ];
  return conclude(checks);
}

export function conclude(checks: readonly Check[]): Verification {
  return { valid: checks.every((check) => check.ok), checks };
}

function headerChecks({ header, ...proof }: ProofDocument): Check[] {
  const computed = headerHash(header);
  return [
    check(
      "registry",
      proof.chainId === header.chainId && proof.registry === header.registry,
      `registry ${proof.registry} on chain ${proof.chainId}`,
      `the header is of registry ${header.registry} on chain ${header.chainId}, the proof of ${proof.registry} on ${proof.chainId}`,
    ),
    check(
      "epoch",
      proof.epoch === header.epoch && header.epoch > 0n,
      `epoch ${proof.epoch}`,
      `the header is of epoch ${header.epoch}, the proof of ${proof.epoch}; the first is 1`,
    ),
    check(
      "header_hash",
      computed === proof.headerHash,
      computed,
      `the header hashes to ${computed}, the proof names ${proof.headerHash}`,
    ),
  ];
}

function treeChecks(proof: ProofDocument): Check[] {
  const { section, leaf } = proof;
  const { root, sum, count } = headerSection(proof.header, section);
  const domain = leafDomain({
    chainId: proof.chainId,
    custodian: proof.custodian,
    token: proof.asset,
    section,
  });
  const hash = leafHash(domain, leaf);
  const depth = treeDepth(count);
  return [
    check(
      "section",
      count > 0n && root !== ZERO_WORD,
      `${section}: ${count} ${count === 1n ? "position" : "positions"}`,
      `${section} is empty in the header`,
    ),
    check(
      "domain",
      custodianFits({ custodian: proof.custodian, token: proof.asset, registry: proof.registry }),
      domain,
      "without a token the custodian is the registry",
    ),
    check("leaf", hash !== ZERO_WORD, hash, "hashes to zero"),
    check(
      "index",
      leaf.index < count,
      `${leaf.index} of ${count}`,
      `${leaf.index} is outside the count ${count}`,
    ),
    check(
      "depth",
      proof.siblings.length === depth,
      `${depth} ${depth === 1 ? "sibling" : "siblings"}`,
      `${proof.siblings.length} siblings where ${count} leaves need ${depth}`,
    ),
    ...rootChecks(proof, { hash, sum: leaf.amount }, { root, sum }),
  ];
}

function rootChecks(proof: ProofDocument, leaf: SumNode, expected: { root: Hex; sum: bigint }): Check[] {
  try {
    const top = foldProof(leaf, proof.leaf.index, proof.siblings);
    return [
      check(
        "root",
        top.hash === expected.root,
        top.hash,
        `leads to ${top.hash}, the header has ${expected.root}`,
      ),
      check(
        "sum",
        top.sum === expected.sum,
        `${top.sum}`,
        `leads to ${top.sum}, the header has ${expected.sum}`,
      ),
    ];
  } catch (error) {
    const detail = reasonOf(error);
    return [
      { name: "root", ok: false, detail },
      { name: "sum", ok: false, detail },
    ];
  }
}

function openingChecks({ opening, section, leaf }: ProofDocument): Check[] {
  if (!opening) return [];
  const hasAllParts = opening.parts.length === KEY_PARTS[section];
  const opens = hasAllParts && positionKey(opening) === leaf.key;
  return [
    check(
      "opening",
      opens,
      `the key is of ${opening.parts.map((part) => JSON.stringify(part)).join(", ")}`,
      hasAllParts
        ? "salt and parts hash to another key"
        : `a key of ${section} has ${KEY_PARTS[section]} parts`,
    ),
  ];
}

function check(name: string, ok: boolean, detail: string, otherwise: string): Check {
  return { name, ok, detail: ok ? detail : otherwise };
}

function reasonOf(error: unknown): string {
  if (error instanceof FormatError) return error.message;
  throw error;
}
