/** The golden vectors as typed values, for tests of any part. */
import { readFileSync } from "node:fs";
import { type HeaderJson, type Hex, type Leaf, leafDomain, type Section } from "#proof";

interface VectorLeaf {
  index: string;
  owner: Hex;
  key: Hex;
  amount: string;
  valid_until: string;
  kind: string;
  quantity: string;
}

export interface VectorTree {
  section: Section;
  count: number;
  leaves: VectorLeaf[];
  openings: { salt: Hex; parts: string[] }[];
  leaf_hashes: Hex[];
  root: Hex;
  sum: string;
  proof_of_last: { hash: Hex; sum: string }[] | null;
  first_leaf_file_keccak256: Hex;
}

export interface Vectors {
  chain_id: string;
  registry: Hex;
  asset: Hex;
  custodians: Record<Section, Hex>;
  domains: Record<Section, Hex>;
  trees: VectorTree[];
  headers: { header: HeaderJson; abi_encoded: Hex; header_hash: Hex }[];
  journal: { lines: string[]; roots: Hex[]; empty: Hex };
}

export const vectors: Vectors = JSON.parse(
  readFileSync(new URL("../vectors/settlement-v1.json", import.meta.url), "utf8"),
);

/** Lines of the journal, and what is none. */
export const lineVectors: {
  lines: { what: string; line: string; leaf_hash: Hex }[];
  refused: { what: string; line: string }[];
} = JSON.parse(readFileSync(new URL("../vectors/journal-lines.json", import.meta.url), "utf8"));

export function vectorLeaf(leaf: VectorLeaf): Leaf {
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

export function vectorTree(section: Section, count: number): VectorTree {
  const found = vectors.trees.find((tree) => tree.section === section && tree.count === count);
  if (!found) throw new Error(`the vectors hold no tree of ${count} ${section}`);
  return found;
}

export function vectorDomain(section: Section): Hex {
  return leafDomain({
    chainId: BigInt(vectors.chain_id),
    custodian: vectors.custodians[section],
    token: vectors.asset,
    section,
  });
}
