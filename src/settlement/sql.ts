/** The statements of this module: SQL text beside the code, read once. */
import { readFileSync } from "node:fs";
import type { ClientBase, Pool } from "pg";

/** A pool, or a client inside a transaction. */
export type Queryable = Pick<ClientBase, "query"> | Pick<Pool, "query">;

const read = (name: string): string => readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), "utf8");

export const SQL = {
  openBook: read("open-book"),
  loadBook: read("load-book"),
  keepRules: read("keep-rules"),
  lockLog: read("lock-log"),
  unlockLog: read("unlock-log"),
  logEnd: read("log-end"),
  readTiles: read("read-tiles"),
  writeTiles: read("write-tiles"),
  insertCheckpoint: read("insert-checkpoint"),
  checkpoints: read("checkpoints"),
  writeCosignature: read("write-cosignature"),
  lockBook: read("lock-book"),
  unlockBook: read("unlock-book"),
  lockSender: read("lock-sender"),
  unlockSender: read("unlock-sender"),
  head: read("head"),
  lastEpoch: read("last-epoch"),
  waitingEpochs: read("waiting-epochs"),
  vetoedClosing: read("vetoed-closing"),
  insertChangedLeaves: read("insert-changed-leaves"),
  sectionCounts: read("section-counts"),
  leavesOfEpoch: read("leaves-of-epoch"),
  sectionAtEpoch: read("section-at-epoch"),
  leafRecords: read("leaf-records"),
  sectionCountAtEpoch: read("section-count-at-epoch"),
  leafAtEpoch: read("leaf-at-epoch"),
  insertEpoch: read("insert-epoch"),
  insertOutbox: read("insert-outbox"),
  transferLines: read("transfer-lines"),
  positionLines: read("position-lines"),
  closingLines: read("closing-lines"),
  chainLines: read("chain-lines"),
  epochsFrom: read("epochs-from"),
  epochViews: read("epoch-views"),
  newestCommitted: read("newest-committed"),
  unlearn: read("unlearn"),
  releaseVetoed: read("release-vetoed"),
  restoreVetoed: read("restore-vetoed"),
  firstVetoed: read("first-vetoed"),
  markVetoed: read("mark-vetoed"),
  newestRecorded: read("newest-recorded"),
  incompleteRecords: read("incomplete-records"),
  forgetRecorded: read("forget-recorded"),
  unlearnedActions: read("unlearned-actions"),
  recordMined: read("record-mined"),
  settleStatuses: read("settle-statuses"),
  loadCalldata: read("load-calldata"),
  transactionsOfAction: read("transactions-of-action"),
  transactionsAtNonce: read("transactions-at-nonce"),
  insertTransaction: read("insert-transaction"),
  attestations: read("attestations"),
  insertAttestation: read("insert-attestation"),
  settlementOf: read("settlement-of"),
  positionOfAccount: read("position-of-account"),
  saltOfOwner: read("salt-of-owner"),
  progress: read("progress"),
  watchLock: read("watch-lock"),
  watchUnlock: read("watch-unlock"),
  watchBegin: read("watch-begin"),
  watchCursor: read("watch-cursor"),
  watchLooked: read("watch-looked"),
  watchBlocks: read("watch-blocks"),
  watchSave: read("watch-save"),
  watchRollBack: read("watch-roll-back"),
  watchPrune: read("watch-prune"),
  watchNoteFinal: read("watch-note-final"),
  watchToRecord: read("watch-to-record"),
  watchPosition: read("watch-position"),
  watchLastEntry: read("watch-last-entry"),
  watchCounts: read("watch-counts"),
  watchChecked: read("watch-checked"),
  watchLookAgain: read("watch-look-again"),
  watchFrozen: read("watch-frozen"),
  watchStatus: read("watch-status"),
  dueDemands: read("due-demands"),
  chainEvents: read("chain-events"),
  chainEntries: read("chain-entries"),
  exitDemands: read("exit-demands"),
  demandWantsEpoch: read("demand-wants-epoch"),
  loadChainEvents: read("load-chain-events"),
  saveChainEvents: read("save-chain-events"),
  loadChainEntries: read("load-chain-entries"),
  saveChainEntries: read("save-chain-entries"),
  loadExitDemands: read("load-exit-demands"),
  saveExitDemands: read("save-exit-demands"),
} as const;

/** All rows, typed by whoever wrote the statement. */
export async function rows<Row>(
  db: Queryable,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  return (await db.query(text, [...values])).rows as Row[];
}

export async function firstRow<Row>(
  db: Queryable,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row | undefined> {
  return (await rows<Row>(db, text, values))[0];
}
