/**
 * What a user needs to leave: the last final header and the leaves under it, from
 * a folder that `audit --state` keeps or from the server where it still answers.
 * None of it is believed: the header's hash is the registry's, and the leaves lead
 * to its roots and sums.
 */
import type { Chain, DeploymentRecord } from "#infra";
import { contractAt } from "#infra";
import {
  FormatError,
  type Header,
  type Hex,
  headerHash,
  type Leaf,
  parseLeafLine,
  SECTIONS,
  type Section,
  ZERO_ADDRESS,
} from "#proof";
import { ApiSource } from "../audit/api-source.ts";
import { AuditState, emptyTrees, type SectionTrees } from "../audit/audit-state.ts";
import { linesOf } from "../audit/bounded-reads.ts";

const PAGE_LEAVES = 4_096;

export interface ExitPosition {
  /** The last final one. */
  readonly epoch: bigint;
  readonly section: Section;
  readonly leaf: Leaf;
  readonly siblings: readonly { readonly hash: Hex; readonly sum: bigint }[];
}

export interface ExitData {
  /** The last final one; null where none is. */
  readonly header: Header | null;
  /** Of the wallet, with their proofs. */
  readonly positions: readonly ExitPosition[];
}

/** The leaves of a section as an epoch left them, in index order. */
export interface LeafSource {
  readonly description: string;
  header(epoch: bigint): Promise<Header>;
  leaves(epoch: bigint, section: Section): AsyncIterable<Leaf> | Iterable<Leaf>;
}

/** @throws Error where the folder has no state, or does not know that epoch any more */
export function fromState(state: AuditState, folder: string): LeafSource {
  return {
    description: `the data in ${folder}`,
    async header(epoch) {
      const found = state.headers.find((header) => header.epoch === epoch);
      if (found) return found;
      const newest = state.newest?.epoch ?? 0n;
      throw new Error(
        newest < epoch
          ? `${folder} ends with epoch ${newest}, the last final one is ${epoch}: run anchorbook audit --state ${folder} while somebody serves its data`
          : `${folder} does not keep epoch ${epoch} any more`,
      );
    },
    leaves: (epoch, section) => state.replay.leavesAt(epoch, section),
  };
}

export function fromApi(api: string, ledger: string | undefined): LeafSource {
  const source = new ApiSource(api, ledger);
  return {
    description: `the data of ${api}`,
    header: async (epoch) => (await source.epoch(epoch)).header,
    leaves: (epoch, section) => parsed(source.leafFile(epoch, section, true)),
  };
}

async function* parsed(file: AsyncIterable<Uint8Array>): AsyncGenerator<Leaf> {
  for await (const line of linesOf(file)) yield parseLeafLine(line);
}

/** @throws Error where the data is not what the registry holds final */
export async function readExitData(
  chain: Chain,
  record: DeploymentRecord,
  source: LeafSource,
  wallet: Hex,
): Promise<ExitData> {
  const registry = contractAt(chain, "SettlementRegistry", record.registry);
  const epoch = (await registry.getFunction("lastFinal")()) as bigint;
  if (epoch === 0n) return { header: null, positions: [] };
  const header = await source.header(epoch);
  const held = String(await registry.getFunction("headerHashOf")(epoch)).toLowerCase();
  if (headerHash(header) !== held)
    throw new Error(`${source.description} has another header of epoch ${epoch} than the registry`);
  const trees = emptyTrees(record, epoch - 1n);
  const owned: { section: Section; leaf: Leaf }[] = [];
  for (const section of SECTIONS)
    for (const leaf of await growTree(trees, source, header, section))
      if (leaf.owner === wallet) owned.push({ section, leaf });
  const positions = owned.map(({ section, leaf }) => {
    const siblings = trees[section].newest().proof(leaf.index);
    return { epoch, section, leaf, siblings };
  });
  return { header, positions };
}

/** Answers the leaves that have an owner: no others can leave. */
async function growTree(
  trees: SectionTrees,
  source: LeafSource,
  header: Header,
  section: Section,
): Promise<Leaf[]> {
  const { epoch } = header;
  const stated = header.sections[SECTIONS.indexOf(section)];
  const owned: Leaf[] = [];
  let page: Leaf[] = [];
  let read = 0n;
  try {
    for await (const leaf of source.leaves(epoch, section)) {
      page.push(leaf);
      if (++read > (stated?.count ?? 0n)) throw new FormatError("", "they are more than the header says");
      if (leaf.owner !== ZERO_ADDRESS) owned.push(leaf);
      if (page.length < PAGE_LEAVES) continue;
      trees[section].load(page);
      page = [];
    }
    if (page.length > 0) trees[section].load(page);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new Error(`${source.description} has malformed leaves of ${section}: ${error.message}`);
  }
  const { root, sum, count } = trees[section].newest();
  if (stated?.root !== root || stated.sum !== sum || stated.count !== count)
    throw new Error(
      `${source.description} has leaves of ${section} that do not lead to the root of epoch ${epoch}`,
    );
  return owned;
}

/** The state that an audit keeps in a folder. @throws Error where there is none */
export async function loadMirror(folder: string): Promise<AuditState> {
  const state = await AuditState.load(folder);
  if (state) return state;
  throw new Error(
    `there is no data in ${folder}: anchorbook audit --state ${folder} keeps it, while the server answers`,
  );
}
