/**
 * Settlement of one book, put together: what the server, the jobs and the
 * programs are handed. Opening it asks nothing of the chain, so a server starts
 * and serves while the chain is down.
 */
import type { Pool } from "pg";
import { Book, type Chain, type DeploymentRecord, type Log, type Metrics } from "#infra";
import { type Clock, DomainError, type Ids } from "#kernel";
import { formatVerifierKey, type Hex, type NoteKey, type ProofDocument, type Section } from "#proof";
import { Attestations, type AttestationView, attestationsOf } from "./attestations.ts";
import { latestCheckpoint } from "./checkpoints.ts";
import {
  epochByNumber,
  epochsBelow,
  epochsOfLines,
  latestEpoch,
  newestFinal,
  settlementOf,
} from "./epoch-queries.ts";
import { type Faults, noFaults } from "./faults.ts";
import { journalLines } from "./journal-lines.ts";
import { createJournalLog, type JournalLog } from "./journal-log.ts";
import type { LogSigner } from "./log-signer.ts";
import type { BookRow, EpochView, LineSettlement, PositionSettlement } from "./model.ts";
import { type Ownership, OwnershipCount } from "./ownership.ts";
import { type Progress, readProgress } from "./progress.ts";
import { type ProofRequest, ProofStore } from "./proof-store.ts";
import { lineText, Publisher } from "./publisher.ts";
import { SectionTrees } from "./section-trees.ts";
import { DEFAULT_SENDER_OPTIONS, Sender, type SenderOptions } from "./sender.ts";
import { type RunOutcome, Settler } from "./settler.ts";
import { explained } from "./settling-errors.ts";
import { firstRow, SQL } from "./sql.ts";
import type { Release } from "./vetoes.ts";
import { MOST_WAITING, whyNotClosing } from "./waiting.ts";
import { type ChainReads, createChainReads } from "./watcher/chain-reads.ts";
import type { ChainEffects } from "./watcher/effects.ts";
import type { Finality } from "./watcher/see-blocks.ts";
import { type ChainWatcher, createWatcher, type WatcherOptions } from "./watcher/watcher.ts";

export interface SettlementOptions {
  /** Connections of the ledger's schema, as the application's role: the job's own, which no reader can take from it. */
  readonly pool: Pool;
  /** Connections for what anybody may ask; `pool` where left out. */
  readonly readPool?: Pool | undefined;
  readonly asset: string;
  /** With the operator's key, and with a known chain id, so that connecting asks nothing. */
  readonly chain: Chain;
  readonly record: DeploymentRecord;
  /** Signs the checkpoints of the ledger's log. */
  readonly logSigner: LogSigner;
  /** Whose cosignatures the log takes. Default nobody's. */
  readonly witnesses?: readonly NoteKey[] | undefined;
  /** Where epochs are published: `<DATA_DIR>/published`. */
  readonly publishedFolder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
  readonly sender?: Partial<SenderOptions> | undefined;
  /** Blocks on top of a finalize before an epoch counts as final. Default 0, right for a local chain. */
  readonly finalityDepth?: number | undefined;
  /** How long `run` waits for another instance. Default 120,000. */
  readonly lockTimeoutMs?: number | undefined;
  /** How many epochs may wait to become final. Default 512, as the registry has it. */
  readonly mostWaiting?: number | undefined;
  /** How many epochs' proofs are answered from memory alone. Default 100. */
  readonly keepEpochs?: number | undefined;
  /** How long a proof waits for trees that are not in memory. Default ten seconds. */
  readonly proofPatienceMs?: number | undefined;
  readonly faults?: Faults | undefined;
  /** Follows the contracts' events. Left out, nobody does: nothing comes in, and no demand is swept. */
  readonly watching?: Watching | undefined;
}

export interface Watching {
  /** Asked for at the first event: who it is may be opened after settlement. */
  readonly effects: () => ChainEffects;
  readonly finality: Finality;
  readonly ids: Ids;
  readonly widestRange?: number | undefined;
  readonly faults?: WatcherOptions["faults"];
}

export interface Settlement {
  /** What it settles; null: the ledger settles nowhere. */
  readonly asset: string | null;
  /** Null: likewise. */
  readonly record: DeploymentRecord | null;
  /** Blocks on top of a finalize before an epoch counts as final. */
  readonly finalityDepth: number;
  /** Settles all that was written before the call. @throws DomainError `unavailable` */
  run(): Promise<RunOutcome>;
  /** For the schedule: as `run`, but leaves it to another instance that is at it. */
  settle(): Promise<void>;
  /** For the schedule: brings closed epochs to the chain, closes none. */
  advance(): Promise<void>;
  /** Gives vetoed epochs up: the next run builds their numbers again. Null: nothing is vetoed. @throws DomainError `unavailable` */
  release(): Promise<Release | null>;
  /** Why no epoch is closed now, for an operator; null where one may be. */
  heldBack(): Promise<string | null>;
  /** Keeps an attester's signature over an epoch. @throws DomainError `not_found`, `invalid_request`, `forbidden`, `unavailable` */
  attest(epoch: number, signature: string): Promise<AttestationView>;
  /** All that are kept of an epoch, by attester. @throws DomainError `not_found` */
  attestations(epoch: number): Promise<{ epoch: EpochView; attestations: AttestationView[] }>;
  /** Ends when no run is under way. */
  idle(): Promise<void>;
  /** Lets a run that is under way end after its present step, waits for it, and begins none again. */
  stop(): Promise<void>;
  /** How far the last change of each of these accounts' positions has come; accounts without a position are left out. */
  settlementOf(accountIds: readonly string[]): Promise<Map<string, PositionSettlement>>;
  /** How far the epoch of each of these journal lines has come; lines that no epoch holds are left out. */
  epochsOfLines(seqs: readonly number[]): Promise<Map<number, LineSettlement>>;
  /** The number of the newest final epoch; null where none is. */
  newestFinal(): Promise<number | null>;
  /** How much of each section nobody could leave with on-chain, as of the newest committed epoch. */
  ownership(): Promise<Ownership>;
  /** @throws DomainError `not_found` */
  proof(request: ProofRequest): Promise<ProofDocument>;
  latestEpoch(): Promise<EpochView | null>;
  epoch(number: number): Promise<EpochView | null>;
  /** Newest first, below `below` where given. */
  epochs(below: number | null, limit: number): Promise<EpochView[]>;
  /** NDJSON: what an epoch changed of a section, or all of the section as it then was. @throws DomainError `not_found` */
  leaves(epoch: number, section: Section, full: boolean): Promise<AsyncIterable<string | Uint8Array>>;
  /** NDJSON: journal lines from `from` on, at most `limit`, of those that an epoch of any book holds. */
  journal(from: number, limit: number): Promise<AsyncIterable<string>>;
  /** The journal as a log: checkpoints, proofs, tiles. */
  readonly log: JournalLog;
  progress(): Promise<Progress>;
  /** What comes from the chain; null where nobody follows it. */
  readonly watcher: ChainWatcher | null;
  /** What was seen of the contracts. */
  readonly chain: ChainReads;
}

/** Opens the book of a deployment, writing it down where it is new. */
export async function openSettlement(options: SettlementOptions): Promise<Settlement> {
  const { pool, clock, log, metrics, chain, record, logSigner } = options;
  const reads = options.readPool ?? pool;
  const faults = options.faults ?? noFaults;
  const book = await openBook(pool, options.asset, record);
  await warnOfAnotherKey(pool, logSigner, log);
  const trees = new SectionTrees({ book, db: reads, log, keepEpochs: options.keepEpochs });
  const publisher = new Publisher(options.publishedFolder);
  await publisher.sweep(book.id);
  const senderOptions = { ...DEFAULT_SENDER_OPTIONS, ...options.sender };
  const stopping = new AbortController();
  const stop = stopping.signal;
  const sender = new Sender({ chain, book, options: senderOptions, clock, log, faults, stop });
  const contracts = new Book(chain, record);
  const finalityDepth = options.finalityDepth ?? 0;
  const mostWaiting = options.mostWaiting ?? MOST_WAITING;
  const watcher = openWatcher(options, book);
  const settler = new Settler({
    ...{ pool, reads, book, trees, faults, logSigner },
    chain: { chain, contracts, finalityDepth },
    ...{ sender, publisher, clock, log, metrics, stop },
    mostWaiting,
    lockTimeoutMs: options.lockTimeoutMs ?? 120_000,
    followed: watcher !== null && BigInt(record.token) !== 0n,
    beforeClosing: async () => (await watcher?.beforeClosing()) ?? null,
    sweepDue: async () => watcher?.sweepDue(),
  });
  const proofs = new ProofStore(reads, book, trees, options.proofPatienceMs);
  const attestations = new Attestations({ pool: reads, book, contracts, clock, faults });
  const ownership = new OwnershipCount(reads, book.id);
  return {
    ...{ asset: options.asset, record, finalityDepth },
    run: () => settler.run(),
    settle: () => settler.settle(),
    advance: () => settler.advance(),
    release: () => settler.release(),
    heldBack: () => whyNotClosing(reads, book, mostWaiting),
    attest: async (epoch, signature) => {
      try {
        return await attestations.add(epoch, signature);
      } catch (error) {
        throw explained(error);
      }
    },
    attestations: async (number) => {
      const epoch = await epochByNumber(reads, book.id, number);
      if (!epoch) throw new DomainError("not_found", `There is no epoch ${number}`);
      return { epoch, attestations: await attestationsOf(reads, epoch.headerHash) };
    },
    idle: () => settler.idle(),
    stop: async () => {
      stopping.abort();
      trees.stop();
      await watcher?.stop();
      await settler.idle();
    },
    settlementOf: (accountIds) => settlementOf(reads, book.id, accountIds),
    epochsOfLines: (seqs) => epochsOfLines(reads, book.id, seqs),
    newestFinal: () => newestFinal(reads, book.id),
    ownership: () => ownership.newest(),
    proof: (request) => proofs.proof(request),
    latestEpoch: () => latestEpoch(reads, book.id),
    epoch: (number) => epochByNumber(reads, book.id, number),
    epochs: (below, limit) => epochsBelow(reads, book.id, below, limit),
    leaves: (epoch, section, full) => readLeaves(reads, book, publisher, { epoch, section, full }),
    journal: async (from, limit) => {
      const published = await firstRow<{ size: number }>(reads, SQL.publishedLines);
      return lineText(journalLines(reads, from, Math.min(from + limit, published?.size ?? 0)));
    },
    log: createJournalLog({ db: reads, signer: logSigner, witnesses: options.witnesses ?? [], clock }),
    progress: () => readProgress(reads, book.id),
    watcher,
    chain: createChainReads(reads, book.id),
  };
}

function openWatcher(options: SettlementOptions, book: BookRow): ChainWatcher | null {
  const { pool, chain, record, clock, log, metrics, watching } = options;
  if (!watching) return null;
  return createWatcher({ ...watching, ...{ pool, chain, record, book, clock, log, metrics } });
}

/** Whoever pinned the old key has to be told of the new one. */
async function warnOfAnotherKey(db: Pool, { key }: LogSigner, log: Log): Promise<void> {
  const [now, before] = [formatVerifierKey(key), (await latestCheckpoint(db))?.verifierKey];
  if (before !== undefined && before !== now)
    log.warn(
      { before, now, alarm: true },
      "the journal's log is signed with another key, or under another name, than before",
    );
}

async function readLeaves(
  pool: Pool,
  book: BookRow,
  publisher: Publisher,
  wanted: { epoch: number; section: Section; full: boolean },
): Promise<AsyncIterable<string | Uint8Array>> {
  const epoch = await epochByNumber(pool, book.id, wanted.epoch);
  if (!epoch) throw new DomainError("not_found", `There is no epoch ${wanted.epoch}`);
  if (wanted.full) return publisher.snapshot(pool, book.id, wanted.epoch, wanted.section);
  const file = { book: book.id, epoch: wanted.epoch, headerHash: epoch.headerHash };
  return publisher.leafFile(pool, file, wanted.section);
}

async function openBook(pool: Pool, asset: string, record: DeploymentRecord): Promise<BookRow> {
  const { custodians } = record;
  const fresh: Omit<BookRow, "id"> = {
    asset,
    chainId: record.chain_id,
    registry: lower(record.registry),
    token: lower(record.token),
    custodians: [
      custodians.balances,
      custodians.locks,
      custodians.stakes,
      custodians.compute,
      custodians.payouts,
    ].map(lower),
    deployedBlock: record.deployed_block,
  };
  const { chainId, registry, token, deployedBlock } = fresh;
  await pool.query(SQL.openBook, [asset, chainId, registry, token, fresh.custodians, deployedBlock]);
  const row = await firstRow<{ id: number; asset: string; token: Hex; custodians: Hex[] }>(
    pool,
    SQL.loadBook,
    [chainId, registry],
  );
  if (!row) throw new Error("the book was not written");
  const agrees =
    row.asset === asset && row.token === token && row.custodians.join() === fresh.custodians.join();
  if (!agrees)
    throw new Error(`the registry ${registry} stands in this ledger with another asset, token or custodians`);
  return { id: row.id, ...fresh };
}

function lower(address: string): Hex {
  return address.toLowerCase() as Hex;
}
