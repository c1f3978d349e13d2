/**
 * The five sections of an epoch, in the order in which headers carry them, and
 * the domain that ties a leaf to one chain, contract, token and section.
 */
import { type Hex, toHex, writeHex, writeU256, ZERO_ADDRESS } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { keccak256 } from "./hash.ts";

export const SECTIONS = ["balances", "locks", "stakes", "compute", "payouts"] as const;
export type Section = (typeof SECTIONS)[number];

export function isSection(value: unknown): value is Section {
  return typeof value === "string" && (SECTIONS as readonly string[]).includes(value);
}

/** How many parts a key of the section is made of: user; user, agreement; user, strategy; user, entity type, entity id; user. */
export const KEY_PARTS: Readonly<Record<Section, number>> = {
  balances: 1,
  locks: 2,
  stakes: 2,
  compute: 3,
  payouts: 1,
};

const text = new TextEncoder();
const LEAF_TAG = keccak256(text.encode("anchorbook.leaf.v1"));

export interface DomainParts {
  readonly chainId: bigint;
  /** The contract that holds the section's tokens; the registry in a book without a token. */
  readonly custodian: Hex;
  /** The asset's token; zero in a book without one. */
  readonly token: Hex;
  readonly section: Section;
}

/** keccak256(abi.encode(keccak256("anchorbook.leaf.v1"), chainId, custodian, token, keccak256(section))). */
export function leafDomain(parts: DomainParts): Hex {
  if (!isSection(parts.section)) throw new FormatError("section", "must be one of the five sections");
  const words = new Uint8Array(5 * 32);
  words.set(LEAF_TAG, 0);
  writeU256(new DataView(words.buffer), 32, parts.chainId, "chain_id");
  writeHex(words, 2 * 32 + 12, parts.custodian, 20, "custodian");
  writeHex(words, 3 * 32 + 12, parts.token, 20, "token");
  words.set(keccak256(text.encode(parts.section)), 4 * 32);
  return toHex(keccak256(words));
}

/** In a book without a token nothing is held: the registry itself stands in for every custodian. */
export function custodianFits(parts: { custodian: Hex; token: Hex; registry: Hex }): boolean {
  return parts.token !== ZERO_ADDRESS || parts.custodian === parts.registry;
}
