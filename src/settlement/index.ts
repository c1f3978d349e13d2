/**
 * Settlement: closes epochs over the journal, brings them to the chain exactly
 * once, and answers proofs. Promises: roots come from Postgres, a user's request
 * never waits for the chain, no epoch is committed twice. Only this module
 * builds epochs; it knows no program.
 */
export type { Section } from "#proof";
export { createWitnessAsker, type ReachableWitness, type WitnessAsker } from "./ask-witnesses.ts";
export type { AttestationView } from "./attestations.ts";
export type { CheckpointView } from "./checkpoints.ts";
export { FAULT_POINTS, type FaultPoint, type Faults } from "./faults.ts";
export type { ConsistencyProof, InclusionProof, JournalLog } from "./journal-log.ts";
export { createLogSigner, type LogSigner } from "./log-signer.ts";
export type {
  AttestationCount,
  EpochStatus,
  EpochView,
  LineSettlement,
  PositionSettlement,
} from "./model.ts";
export { noSettlement } from "./no-settlement.ts";
export type { Ownership, SectionOwnership } from "./ownership.ts";
export type { Progress } from "./progress.ts";
export type { PositionName, ProofRequest } from "./proof-store.ts";
export type { SenderOptions } from "./sender.ts";
export { openSettlement, type Settlement, type SettlementOptions, type Watching } from "./settlement.ts";
export type { RunOutcome } from "./settler.ts";
export type { Release } from "./vetoes.ts";
export { blockForWallets, isBehind, MOST_WAITING, shortestIntervalSeconds } from "./waiting.ts";
export type {
  ChainEventView,
  ChainReads,
  DemandView,
  EntryView,
  WatcherStatus,
} from "./watcher/chain-reads.ts";
export type { Cancellation, ChainEffects, Claim, Entry, Placed } from "./watcher/effects.ts";
export { walletOwner } from "./watcher/record-events.ts";
export type { Finality } from "./watcher/see-blocks.ts";
export {
  type ChainWatcher,
  WATCHER_FAULTS,
  type WatcherFault,
} from "./watcher/watcher.ts";
