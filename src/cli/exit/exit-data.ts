/**
 * What a user needs to leave: the last final header, and the wallet's leaves
 * under it with their proofs. Wherever the leaves come from, none of it is
 * believed: the header's hash is the registry's, and the leaves lead to its roots
 * and sums. A section whose leaves do not is left out, and no other suffers.
 */
import type { Chain, DeploymentRecord } from "#infra";
import { contractAt } from "#infra";
import {
  FormatError,
  type Header,
  type Hex,
  headerHash,
  headerSection,
  isSameSection,
  type Leaf,
  SECTIONS,
  type Section,
} from "#proof";
import { emptyTrees, type SectionTrees } from "../audit/audit-state.ts";
import type { EpochLeaves, LeafSource, OnProgress } from "./leaf-sources.ts";

const PAGE_LEAVES = 4_096;

export interface ExitPosition {
  /** The last final one. */
  readonly epoch: bigint;
  readonly section: Section;
  readonly leaf: Leaf;
  readonly siblings: readonly { readonly hash: Hex; readonly sum: bigint }[];
}

/** Nobody can leave with a position of this section by this data. */
export interface UnprovenSection {
  readonly section: Section;
  readonly reason: string;
}

export interface ExitData {
  /** The last final one; null where none is. */
  readonly header: Header | null;
  /** Of the wallet, with their proofs. */
  readonly positions: readonly ExitPosition[];
  readonly unproven: readonly UnprovenSection[];
  /** What is wrong with the data besides, and does no harm. */
  readonly notes: readonly string[];
}

/** @throws Error where the header is not what the registry holds final */
export async function readExitData(
  chain: Chain,
  record: DeploymentRecord,
  source: LeafSource,
  wallet: Hex,
  onProgress: OnProgress = () => {},
): Promise<ExitData> {
  const registry = contractAt(chain, "SettlementRegistry", record.registry);
  const epoch = (await registry.getFunction("lastFinal")()) as bigint;
  if (epoch === 0n) return { header: null, positions: [], unproven: [], notes: [] };
  const held = String(await registry.getFunction("headerHashOf")(epoch)).toLowerCase() as Hex;
  const found = await source.open({ epoch, headerHash: held }, onProgress);
  const { header } = found;
  if (headerHash(header) !== held)
    throw new Error(`${source.description} has another header of epoch ${epoch} than the registry`);
  const trees = emptyTrees(record, epoch - 1n);
  const positions: ExitPosition[] = [];
  const unproven: UnprovenSection[] = [];
  for (const section of SECTIONS) {
    const grown = await growTree(trees, found, section, wallet, onProgress);
    if (grown.problem === undefined)
      for (const leaf of grown.owned)
        positions.push({ epoch, section, leaf, siblings: trees[section].newest().proof(leaf.index) });
    else unproven.push({ section, reason: `${source.description} has ${grown.problem}` });
  }
  const proven = SECTIONS.filter((section) => unproven.every((one) => one.section !== section));
  return { header, positions, unproven, notes: found.notesOn(proven) };
}

interface GrownTree {
  /** By the wallet. */
  readonly owned: readonly Leaf[];
  /** Why the tree is not that of the header. */
  readonly problem?: string;
}

async function growTree(
  trees: SectionTrees,
  found: EpochLeaves,
  section: Section,
  wallet: Hex,
  onProgress: OnProgress,
): Promise<GrownTree> {
  const { header } = found;
  const stated = headerSection(header, section);
  const owned: Leaf[] = [];
  let page: Leaf[] = [];
  let read = 0n;
  try {
    for await (const leaf of found.leaves(section)) {
      page.push(leaf);
      if (++read > stated.count) throw new FormatError("", "they are more than the header says");
      if (leaf.owner === wallet) owned.push(leaf);
      if (page.length < PAGE_LEAVES) continue;
      trees[section].load(page);
      onProgress(`leaves of ${section}`, Number(read), Number(stated.count));
      page = [];
    }
    if (page.length > 0) trees[section].load(page);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { owned, problem: `malformed leaves of ${section}: ${error.message}${found.whyNot(section)}` };
  }
  if (isSameSection(trees[section].newest(), stated)) return { owned };
  const problem = `leaves of ${section} that do not lead to the root of epoch ${header.epoch}`;
  return { owned, problem: `${problem}${found.whyNot(section)}` };
}
