/**
 * The proof document, `anchorbook-proof/1`: everything that shows a position in
 * a settled epoch, in one JSON object that needs neither server nor database.
 * Reading is strict about form (members, integers, hex, lengths) and says
 * nothing about truth; that is the verifier's part.
 */
import type { Hex } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { type Header, type HeaderJson, headerHash, headerToJson, parseHeader } from "./header.ts";
import type { Leaf, Opening } from "./leaf.ts";
import { leafMembers } from "./leaf-file.ts";
import { isSection, SECTIONS, type Section } from "./section.ts";
import {
  readAddress,
  readHex,
  readList,
  readMembers,
  readText,
  readU32,
  readUint,
  toChecksumAddress,
} from "./strict-json.ts";
import type { SumNode } from "./sum-node.ts";

export const PROOF_FORMAT = "anchorbook-proof/1";

export interface ProofDocument {
  readonly chainId: bigint;
  readonly registry: Hex;
  readonly section: Section;
  readonly custodian: Hex;
  /** The asset's token; zero in a book without one. */
  readonly asset: Hex;
  readonly epoch: bigint;
  readonly header: Header;
  readonly headerHash: Hex;
  readonly leaf: Leaf;
  /** Leaf level first. */
  readonly siblings: readonly SumNode[];
  /** The transaction that committed the epoch; null where it is not known yet. */
  readonly txHash: Hex | null;
  readonly opening?: Opening | undefined;
}

export interface ProofDocumentJson {
  readonly format: typeof PROOF_FORMAT;
  readonly chain_id: string;
  readonly registry: string;
  readonly section: Section;
  readonly custodian: string;
  readonly asset: string;
  readonly epoch: string;
  readonly header: HeaderJson;
  readonly header_hash: string;
  readonly leaf: Readonly<Record<string, string>>;
  readonly siblings: readonly { readonly hash: string; readonly sum: string }[];
  readonly tx_hash: string | null;
  readonly opening?: { readonly salt: string; readonly parts: readonly string[] };
}

export interface ProofParts {
  readonly header: Header;
  /** Where it is known; else it is computed. */
  readonly headerHash?: Hex;
  readonly section: Section;
  readonly custodian: Hex;
  readonly asset: Hex;
  readonly leaf: Leaf;
  readonly siblings: readonly SumNode[];
  readonly txHash: Hex | null;
  readonly opening?: Opening | undefined;
}

/** Puts a document together; chain, registry, epoch and header hash are the header's. */
export function buildProof(parts: ProofParts): ProofDocument {
  return {
    chainId: parts.header.chainId,
    registry: parts.header.registry,
    epoch: parts.header.epoch,
    ...parts,
    headerHash: parts.headerHash ?? headerHash(parts.header),
  };
}

export function proofToJson(proof: ProofDocument): ProofDocumentJson {
  return {
    format: PROOF_FORMAT,
    chain_id: `${proof.chainId}`,
    registry: toChecksumAddress(proof.registry),
    section: proof.section,
    custodian: toChecksumAddress(proof.custodian),
    asset: toChecksumAddress(proof.asset),
    epoch: `${proof.epoch}`,
    header: headerToJson(proof.header),
    header_hash: proof.headerHash,
    leaf: leafMembers(proof.leaf),
    siblings: proof.siblings.map(({ hash, sum }) => ({ hash, sum: `${sum}` })),
    tx_hash: proof.txHash,
    ...(proof.opening ? { opening: { salt: proof.opening.salt, parts: proof.opening.parts } } : {}),
  };
}

const MEMBERS = [
  "format",
  "chain_id",
  "registry",
  "section",
  "custodian",
  "asset",
  "epoch",
  "header",
  "header_hash",
  "leaf",
  "siblings",
  "tx_hash",
];
/** A count is a u64, so no tree is deeper. */
const MAX_SIBLINGS = 64;
const MAX_PARTS = 16;

/** @throws FormatError for anything but exactly the members of version 1 in their form */
export function parseProof(value: unknown): ProofDocument {
  const members = readMembers(value, "proof", MEMBERS, ["opening"]);
  if (members.format !== PROOF_FORMAT) throw new FormatError("proof.format", `must be "${PROOF_FORMAT}"`);
  const { section } = members;
  if (!isSection(section)) throw new FormatError("proof.section", `must be one of ${SECTIONS.join(", ")}`);
  return {
    chainId: readUint(members, "chain_id", 256, "proof"),
    registry: readAddress(members, "registry", "proof"),
    section,
    custodian: readAddress(members, "custodian", "proof"),
    asset: readAddress(members, "asset", "proof"),
    epoch: readUint(members, "epoch", 64, "proof"),
    header: parseHeader(members.header, "proof.header"),
    headerHash: readHex(members, "header_hash", 32, "proof"),
    leaf: parseLeaf(members.leaf),
    siblings: readList(members.siblings, "proof.siblings", MAX_SIBLINGS).map((sibling, level) =>
      parseSibling(sibling, `proof.siblings[${level}]`),
    ),
    txHash: members.tx_hash === null ? null : readHex(members, "tx_hash", 32, "proof"),
    ...(members.opening === undefined ? {} : { opening: parseOpening(members.opening) }),
  };
}

const LEAF_MEMBERS = ["index", "owner", "key", "amount", "valid_until", "kind", "quantity"];

function parseLeaf(value: unknown): Leaf {
  const where = "proof.leaf";
  const members = readMembers(value, where, LEAF_MEMBERS);
  return {
    index: readUint(members, "index", 64, where),
    owner: readAddress(members, "owner", where),
    key: readHex(members, "key", 32, where),
    amount: readUint(members, "amount", 128, where),
    validUntil: readUint(members, "valid_until", 64, where),
    kind: readU32(members, "kind", where),
    quantity: readU32(members, "quantity", where),
  };
}

function parseSibling(value: unknown, where: string): SumNode {
  const members = readMembers(value, where, ["hash", "sum"]);
  return { hash: readHex(members, "hash", 32, where), sum: readUint(members, "sum", 128, where) };
}

function parseOpening(value: unknown): Opening {
  const where = "proof.opening";
  const members = readMembers(value, where, ["salt", "parts"]);
  const parts = readList(members.parts, `${where}.parts`, MAX_PARTS).map((part) =>
    readText({ part }, "part", where),
  );
  return { salt: readHex(members, "salt", 32, where), parts };
}
