/**
 * The checks of an audit in their order; the first lie ends it, since what follows
 * would rest on it. An `Auditor` goes on from what it knows: each `run` looks at
 * what is new since the last one.
 */
import { tmpdir } from "node:os";
import { counted, toRfc3339 } from "#kernel";
import { type Header, toSafeInteger, verifyConsistency } from "#proof";
import { ApiSource, type ServedBook, Unserved } from "./api-source.ts";
import { checkAttestations } from "./attestation-check.ts";
import { AuditState } from "./audit-state.ts";
import { type ChainBook, recordOf } from "./chain-source.ts";
import { CheckpointCheck, type LogTrustOptions } from "./checkpoint-check.ts";
import { type AuditCheck, Lie } from "./checks.ts";
import { knownOrChecked } from "./code-check.ts";
import { checkCustody, checkFinalRoots, checkHoldsNothing, checkNetting } from "./custody-checks.ts";
import { EpochReplay } from "./epoch-replay.ts";
import { EventReading } from "./event-reading.ts";
import {
  checkHeaderChain,
  type HeaderChain,
  lastStanding,
  type StandingEpoch,
  type Veto,
} from "./header-chain.ts";
import { blockAt, blockTimes, type Node, requireBlock, signatureVerifier } from "./nodes.ts";
import { readBoth } from "./read-both.ts";
import type { BlockTime } from "./rules/chain-lines.ts";
import { checkContracts, checkServedEpochs } from "./served-checks.ts";
import { EventSpool } from "./store/event-spool.ts";

export interface AuditRequest extends ServedBook {
  /** One or more; what they say must be the same. */
  readonly nodes: readonly Node[];
  /** Pins the contracts; without it the API's word is taken, and said so. */
  readonly registry: string | undefined;
  readonly trust: LogTrustOptions;
  /** Where what was checked is kept; without it only in memory. */
  readonly folder?: string | undefined;
  /** So many blocks make an event of the chain final. */
  readonly depth: number;
  /** How often what was checked is kept while a run is under way. */
  readonly saveEveryMs?: number | undefined;
  /** Whoever is going to vouch for epochs that are not final must have seen every signature in them hold. */
  readonly vouches?: boolean | undefined;
  /** Told of each check as it ends. */
  onCheck(check: AuditCheck): void;
  onProgress(lines: bigint, total: bigint, epoch: bigint): void;
}

export interface Audit {
  readonly valid: boolean;
  readonly epochs: number;
  readonly lines: bigint;
  /** What keeps the book from going on, and is no lie of anybody's: a veto, a freeze. */
  readonly stopped: string | null;
  readonly checks: readonly AuditCheck[];
}

/** What the new epochs are recomputed with. */
interface Step {
  readonly state: AuditState;
  readonly chain: HeaderChain;
  readonly served: Awaited<ReturnType<typeof checkServedEpochs>>;
  readonly timeOf: BlockTime;
  /** Nothing was checked before. */
  readonly isFirst: boolean;
}

const DEFAULT_SAVE_EVERY_MS = 30_000;
/** Of so many events the auditor may remember in which line they are. */
const MOST_TAKEN = 4_096;

export class Auditor {
  readonly #request: AuditRequest;
  readonly #api: ApiSource;
  #state: AuditState | undefined;
  #savedAt = performance.now();
  /** What stood on the chain at the last run that found all well. */
  standing: readonly StandingEpoch[] = [];
  book: ChainBook | undefined;
  #stopped: string | null = null;

  /** @param state what was checked before, from the request's folder */
  constructor(request: AuditRequest, state: AuditState | null) {
    this.#request = request;
    this.#api = new ApiSource(request);
    this.#state = state ?? undefined;
  }

  get state(): AuditState | undefined {
    return this.#state;
  }

  /** @throws Error where the API or the chain cannot be read at all */
  async run(): Promise<Audit> {
    this.#stopped = null;
    const checks: AuditCheck[] = [];
    const pass = (name: string, detail: string) => {
      checks.push({ name, ok: true, detail });
      this.#request.onCheck({ name, ok: true, detail });
    };
    const spool = new EventSpool(this.#request.folder ?? tmpdir());
    try {
      await this.#audit(spool, pass);
    } catch (error) {
      if (!(error instanceof Lie)) {
        this.#state?.recover();
        throw error;
      }
      const check = { name: error.check, ok: false, detail: error.message, ...error.place };
      checks.push(check);
      this.#request.onCheck(check);
    } finally {
      spool.close();
    }
    return { valid: checks.every(({ ok }) => ok), ...this.#figures(), stopped: this.#stopped, checks };
  }

  #figures() {
    const known = this.#state;
    return { epochs: Number(known?.newest?.epoch ?? 0n), lines: known?.log.size ?? 0n };
  }

  async #audit(spool: EventSpool, pass: (name: string, detail: string) => void): Promise<void> {
    const { nodes, depth } = this.#request;
    const contracts = await this.#api.contracts();
    const registry = this.#request.registry ?? contracts.registry;
    const record = await recordOf(nodes, registry, contracts.deployedBlock);
    const before = this.#state;
    const ledger = this.#request.ledger ?? null;
    before?.requireOf(record, ledger, this.#request.folder ?? "memory");
    for (const block of [before?.cursor, before?.deep]) if (block) await requireBlock(nodes, block);
    checkContracts(contracts, record);
    const { code, isDeep } = await knownOrChecked(before?.code ?? null, nodes, record, depth);
    const known = before?.headers ?? [];
    const from = before?.cursor ? before.cursor.block + 1 : record.deployed_block;
    const reading = new EventReading(nodes, record, from, spool);
    const { book, ...told } = await readBoth({ nodes, api: this.#api, depth, reading }, record, known);
    this.book = book;
    const pinned = this.#request.registry ? "pinned" : "unpinned: the API's own word";
    const asset = book.tokens?.asset ?? "a book without a token";
    pass("contracts", `${asset} at ${record.registry} on chain ${record.chain_id} (${pinned})`);
    pass("code", code.detail);
    if (nodes.length > 1) pass("rpcs", `${nodes.map(({ name }) => name).join(" and ")} say the same`);

    const chain = checkHeaderChain(book, known);
    this.#stopped = stopsWhy(book.frozenAt, chain.stopped);
    const stands = this.#stopped === null ? "" : `; ${this.#stopped}`;
    pass("header_chain", `${counted(book.lastCommitted, "epoch")} without a gap${finality(book)}${stands}`);
    const served = await checkServedEpochs(this.#api, told, chain, book);
    pass(
      "api_epochs",
      `the API serves the chain's ${counted(chain.standing.length, "header")}${since(chain)}`,
    );

    const state = before ?? AuditState.fresh(record, ledger, book.tokens?.asset ?? this.#request.asset ?? "");
    this.#state = state;
    state.code = isDeep ? code : null;
    this.#takeBack(state, chain);
    const timeOf = blockTimes(nodes, book.block.number, depth);
    state.rules.takeEvents(book.ofLines, from - 1);
    await this.#newEpochs({ state, chain, served, timeOf, isFirst: before === undefined }, pass);
    this.#checkTokens(book, state, pass);
    pass("attestations", await checkAttestations(this.#api, chain.standing, book));
    this.standing = chain.standing;
    await this.#settleEvents(state, chain);
    await this.#keep(state);
  }

  /** What was vetoed since the last run was audited for nothing. */
  #takeBack(state: AuditState, chain: HeaderChain): void {
    const stands = lastStanding(state.headers, chain);
    if (stands < (state.newest?.epoch ?? 0n)) state.reopen(stands);
  }

  async #newEpochs(
    { state, chain, served, timeOf, isFirst }: Step,
    pass: (name: string, detail: string) => void,
  ): Promise<void> {
    const { trust, depth, nodes, vouches } = this.#request;
    const { standing } = chain;
    const book = this.book as ChainBook;
    const total = standing.at(-1)?.header.journalSize ?? 0n;
    const checkpoints = new CheckpointCheck(trust);
    const verify = signatureVerifier(nodes);
    const newest = state.newest?.epoch ?? 0n;
    const began = state.log.size;
    const leavesBefore = state.leaves;
    const fresh = standing.filter(({ epoch }) => epoch > newest);
    for (const { epoch, header, block: committed } of fresh) {
      const onLines = async () => {
        this.#request.onProgress(state.log.size, total, epoch);
        await this.#settleLines(state);
        await this.#saveMidway(state, header);
      };
      const replay = new EpochReplay({
        ...{ api: this.#api, state, onLines },
        closing: { depth, timeOf, committed, verify, mustVerify: vouches && epoch > book.lastFinal },
      });
      await replay.epoch(header, served.get(epoch));
      await checkpoints.epoch(this.#api, header);
      state.settle(book.lastFinal);
      this.#request.onProgress(state.log.size, total, epoch);
      if (state.rules.chain.taken >= MOST_TAKEN || this.#isTimeToSave())
        await this.#settleEvents(state, chain);
      await this.#saveNowAndThen(state);
      if (isFirst && epoch === book.lastCommitted) await replay.wholeSections(epoch);
    }
    const { rules } = state;
    const lines = counted(state.log.size, "line");
    const isWhole = began === 0n && newest === 0n;
    const replayed = isWhole ? "replayed from zero" : `${state.log.size - began} of them replayed now`;
    pass("journal", `${lines}, ${replayed}; the journal root of every epoch agrees`);
    // What an earlier run found is not found anew.
    const now = (count: bigint | number) => (isWhole ? "" : `, ${count} of them now`);
    const leaves = `${state.leaves} published leaves are those of the journal, and of the data hashes`;
    pass("leaves", `${leaves}${now(state.leaves - leavesBefore)}`);
    const epochs = counted(state.newest?.epoch ?? 0n, "epoch");
    pass("roots", `every root, sum and count of ${epochs} recomputed${now(fresh.length)}`);
    pass("checkpoints", checkpoints.summary());
    if (!book.tokens) return;
    await rules.nothingMissing(state.newest, book, depth, timeOf);
    const { waiting } = rules.chain;
    pass("chain_lines", `${rules.chain.lines} chain events have their line, ${waiting} wait for it`);
    pass(
      "entries",
      `entries up to ${rules.entries.credited} of ${book.lastEntry} credited; ${counted(rules.entries.claims, "claim")}`,
    );
    pass("owners", rules.owners.summary());
    if (rules.moves.isBound) pass("moves", rules.moves.summary());
    pass("demands", rules.demandSummary(book));
  }

  #checkTokens(book: ChainBook, { headers }: AuditState, pass: (name: string, detail: string) => void): void {
    if (!book.tokens) {
      pass("custody", checkHoldsNothing(headers, this.#request.asset));
      return;
    }
    pass("custody", checkCustody(book, book.tokens, headers));
    pass("final_roots", checkFinalRoots(book, book.tokens, headers));
    pass("netting", checkNetting(book, book.tokens, headers));
  }

  /** In a long epoch, too, nobody remembers events one by one that have their line, and that the chain cannot take back. */
  async #settleLines(state: AuditState): Promise<void> {
    const { chain } = state.rules;
    const to = Math.min((this.book as ChainBook).block.number - this.#request.depth, chain.takenUpTo + 1);
    if (chain.taken < MOST_TAKEN || chain.oldestTaken > to) return;
    if (to > (state.deep?.block ?? -1))
      state.deep = { block: to, hash: (await blockAt(this.#request.nodes, to)).hash };
    chain.settle(to);
  }

  /**
   * Events that the chain cannot take back any more are taken for good, as far as the lines are, and not beyond the
   * commit of the oldest epoch that is looked at again.
   */
  async #settleEvents(state: AuditState, { standing }: HeaderChain): Promise<void> {
    const { block, record, lastFinal } = this.book as ChainBook;
    state.settle(lastFinal);
    const from = state.cursor?.block ?? record.deployed_block - 1;
    const [first] = standing;
    const [oldest] = state.headers;
    if (!first || !oldest) return;
    const commit = standing[Number(oldest.epoch - first.epoch)];
    const before = Math.min((commit?.block ?? 0) - 1, state.rules.chain.takenUpTo);
    const to = Math.min(block.number - this.#request.depth, before);
    if (to <= from) return;
    const { hash } = await blockAt(this.#request.nodes, to);
    state.rules.moveCursor(to);
    state.cursor = { block: to, hash };
  }

  async #keep(state: AuditState): Promise<void> {
    if (this.#request.folder !== undefined) await state.save(this.#request.folder);
    this.#savedAt = performance.now();
  }

  async #saveNowAndThen(state: AuditState): Promise<void> {
    if (this.#isTimeToSave()) await this.#keep(state);
  }

  /** In a long epoch, too: but only what is shown to lead to the header's journal root. */
  async #saveMidway(state: AuditState, { epoch, journalSize, journalRoot }: Header): Promise<void> {
    if (!this.#isTimeToSave()) return;
    const { size } = state.log;
    try {
      const proof = size === journalSize ? [] : await this.#api.consistency(size, journalSize);
      if (!verifyConsistency(size, journalSize, proof, state.log.root(), journalRoot))
        throw new Lie(
          "journal",
          { epoch },
          `the first ${size} lines are not those of the header's journal root`,
        );
    } catch (error) {
      if (!(error instanceof Unserved)) throw error;
      this.#savedAt = performance.now();
      return;
    }
    await this.#saveNowAndThen(state);
  }

  #isTimeToSave(): boolean {
    const { folder, saveEveryMs = DEFAULT_SAVE_EVERY_MS } = this.#request;
    return folder !== undefined && performance.now() - this.#savedAt >= saveEveryMs;
  }
}

/** Where an earlier run compared those before, which no one can take back. */
function since({ standing: [first] }: HeaderChain): string {
  return first === undefined || first.epoch === 1n
    ? ""
    : ` from epoch ${first.epoch} on; those before were compared by an earlier run`;
}

function finality({ lastFinal, lastCommitted }: ChainBook): string {
  if (lastCommitted === 0n) return "";
  return lastFinal === lastCommitted
    ? ", all of them final in the registry"
    : `, ${lastFinal} of them final in the registry`;
}

/** What keeps the book from going on; no lie of anybody's. A frozen one does not come back. */
function stopsWhy(frozenAt: bigint, stopped: Veto | undefined): string | null {
  if (frozenAt !== 0n)
    return `the book is frozen since ${toRfc3339(toSafeInteger(frozenAt, "frozenAt"))}: no other epoch becomes final`;
  if (!stopped) return null;
  const { epoch, block, by, proven } = stopped;
  const how = proven ? "shown to be false" : "vetoed";
  return `epoch ${epoch} was ${how} in block ${block} by ${by}, and its number was not committed again: nothing settles until it is`;
}
