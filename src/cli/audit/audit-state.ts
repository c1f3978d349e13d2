/**
 * All that an auditor knows of a book: the replayed journal, the log's frontier,
 * the sum trees, and the headers that it found good. It comes from what was
 * checked and from nothing else; a folder keeps it over the end of a process. A
 * state of another book is refused.
 */
import type { DeploymentRecord } from "#infra";
import {
  type Header,
  type HeaderJson,
  type Hex,
  headerToJson,
  type Leaf,
  LogFrontier,
  type LogFrontierJson,
  leafDomain,
  parseHeader,
  SECTIONS,
  type Section,
  SumTree,
} from "#proof";
import type { CheckedCode } from "./code-check.ts";
import type { KnownBlock } from "./nodes.ts";
import { LineRules, type LineRulesJson } from "./rules/line-rules.ts";
import { BookReplay } from "./store/book-replay.ts";
import { loadState, saveState, stateFile } from "./store/state-file.ts";

interface Memory {
  readonly chain_id: number;
  readonly registry: string;
  readonly custodians: Record<Section, string>;
  readonly token: string;
  /** Absent where an older version kept it. */
  readonly deployed_block?: number;
  readonly ledger: string | null;
  /** From the last one that was final to the newest that was audited. */
  readonly headers: readonly HeaderJson[];
  readonly frontier: LogFrontierJson;
  readonly leaves: string;
  /** Up to this block the chain's events are taken in for good. */
  readonly cursor: KnownBlock | null;
  readonly deep: KnownBlock | null;
  /** Absent where an older version kept it. */
  readonly code?: CheckedCode | null;
  readonly rules: LineRulesJson;
}

export type SectionTrees = Readonly<Record<Section, SumTree>>;

export class AuditState {
  readonly record: DeploymentRecord;
  readonly ledger: string | null;
  readonly replay: BookReplay;
  readonly log: LogFrontier;
  readonly rules: LineRules;
  trees: SectionTrees;
  headers: Header[] = [];
  /** How many published leaves were compared, over all epochs. */
  leaves = 0n;
  /** Events are read again from there on. */
  cursor: KnownBlock | null = null;
  /** Up to there it is known which events have their line. */
  deep: KnownBlock | null = null;
  /** What was found of the contracts' code; null while the chain may change it. */
  code: CheckedCode | null = null;

  private constructor(
    record: DeploymentRecord,
    ledger: string | null,
    replay: BookReplay,
    log: LogFrontier,
    rules: LineRules,
  ) {
    this.record = record;
    this.ledger = ledger;
    this.replay = replay;
    this.log = log;
    this.rules = rules;
    this.trees = emptyTrees(record, 0n);
  }

  /** @param asset the code of the asset that the book settles; "" in a book without a token */
  static fresh(record: DeploymentRecord, ledger: string | null, asset: string): AuditState {
    const replay = new BookReplay(asset);
    const rules = new LineRules(replay, bookOf(record));
    return new AuditState(record, ledger, replay, LogFrontier.empty(), rules);
  }

  /** @returns null where the folder has none yet @throws DamagedState */
  static async load(folder: string): Promise<AuditState | null> {
    const found = await loadState<Memory>(stateFile(folder));
    if (!found) return null;
    const { replay, memory } = found;
    const { chain_id, registry, token, custodians, deployed_block = 0 } = memory;
    const record = { chain_id, registry, token, custodians, deployed_block };
    const log = LogFrontier.fromJson(memory.frontier);
    const rules = new LineRules(replay, bookOf(record), memory.rules);
    const state = new AuditState(record, memory.ledger, replay, log, rules);
    state.headers = memory.headers.map((header) => parseHeader(header));
    state.leaves = BigInt(memory.leaves);
    state.cursor = memory.cursor;
    state.deep = memory.deep;
    state.code = memory.code ?? null;
    state.growTrees();
    return state;
  }

  async save(folder: string): Promise<void> {
    const { chain_id, registry, token, custodians, deployed_block } = this.record;
    const memory: Memory = {
      ...{ chain_id, registry, token, custodians, deployed_block, ledger: this.ledger },
      headers: this.headers.map(headerToJson),
      frontier: this.log.toJson(),
      leaves: `${this.leaves}`,
      ...{ cursor: this.cursor, deep: this.deep, code: this.code },
      rules: this.rules.toJson(),
    };
    await saveState(stateFile(folder), this.replay, memory);
  }

  get newest(): Header | undefined {
    return this.headers.at(-1);
  }

  /** @throws Error that says what to do where the state is of another book */
  requireOf(
    record: Pick<DeploymentRecord, "chain_id" | "registry">,
    ledger: string | null,
    folder: string,
  ): void {
    const same =
      this.record.chain_id === record.chain_id &&
      this.record.registry.toLowerCase() === record.registry.toLowerCase() &&
      this.ledger === ledger;
    if (same) return;
    const name = (chain: number, registry: string, of: string | null) =>
      `registry ${registry} on chain ${chain}${of === null ? "" : `, ledger ${of}`}`;
    throw new Error(
      `the state in ${folder} is of ${name(this.record.chain_id, this.record.registry, this.ledger)}, ` +
        `asked for is ${name(record.chain_id, record.registry, ledger)}: use another --state folder for it`,
    );
  }

  /** Takes audited epochs back, down to this one: they were vetoed. */
  reopen(epoch: bigint): void {
    this.replay.reopen(epoch);
    this.rules.owners.reopen(epoch);
    this.headers = this.headers.filter((header) => header.epoch <= epoch);
    this.growTrees();
  }

  /** After an epoch was cut off by something that is no lie: it is looked at again from its closing on. */
  recover(): void {
    const newest = this.newest?.epoch ?? 0n;
    if (this.replay.closedEpoch > newest) this.reopen(newest);
  }

  /** Epochs up to this one are final: they cannot be taken back. */
  settle(lastFinal: bigint): void {
    this.replay.settle(lastFinal);
    const newest = this.newest?.epoch ?? 0n;
    const oldest = lastFinal < newest ? lastFinal : newest;
    this.headers = this.headers.filter((header) => header.epoch >= oldest);
  }

  /** The trees as the newest closed epoch left them, from its leaves. */
  growTrees(): void {
    const { closedEpoch } = this.replay;
    this.trees = emptyTrees(this.record, closedEpoch);
    for (const section of SECTIONS)
      for (const page of pagesOf(this.replay.leavesAt(closedEpoch, section))) this.trees[section].load(page);
  }
}

function bookOf({ chain_id, registry, token }: DeploymentRecord) {
  return {
    ...{ chainId: BigInt(chain_id), registry: registry.toLowerCase() as Hex },
    anchorsOnly: BigInt(token) === 0n,
  };
}

const PAGE_LEAVES = 4_096;

export function* pagesOf(leaves: Iterable<Leaf>): Generator<Leaf[]> {
  let page: Leaf[] = [];
  for (const leaf of leaves) {
    page.push(leaf);
    if (page.length < PAGE_LEAVES) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

export function emptyTrees(record: DeploymentRecord, epoch: bigint): SectionTrees {
  const trees = {} as Record<Section, SumTree>;
  for (const section of SECTIONS)
    trees[section] = new SumTree(domainOf(record, section), { keepStates: 0, epoch });
  return trees;
}

export function domainOf(record: DeploymentRecord, section: Section): Hex {
  return leafDomain({
    chainId: BigInt(record.chain_id),
    custodian: record.custodians[section].toLowerCase() as Hex,
    token: record.token.toLowerCase() as Hex,
    section,
  });
}
