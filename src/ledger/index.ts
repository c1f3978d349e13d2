/**
 * The double-entry ledger: assets, accounts, transfers, holds, positions and the
 * journal. Promises: balanced by construction, gapless, append-only, every key
 * acts once. Must not know any program, section rule or HTTP.
 */
export { addUpDays, type Balances, type DayBalances } from "./balances-over-time.ts";
export { type ClosedAccount, type ClosingRefusal, closeAccount } from "./close-account.ts";
export { type AssetPolicy, createAsset } from "./create-asset.ts";
export { ledgerEntities } from "./entities.ts";
export {
  type DayBalance,
  dayBalances,
  type ImportEntry,
  type ImportResult,
  importedAccountId,
  importUnit,
} from "./import-journal.ts";
export type { Json } from "./json.ts";
export { type Ledger, type LedgerOptions, openLedger } from "./ledger.ts";
export {
  ACCOUNT_ROLES,
  type Account,
  type AccountRole,
  type Asset,
  type Hold,
  type Owner,
  type OwnerWallet,
  type Phase,
  type Position,
  type Transfer,
  type TransferRequest,
} from "./model.ts";
export type { AccountRequest } from "./open-account.ts";
export { type OpenedAsset, openAsset } from "./open-asset.ts";
export { type PreparedTransfer, prepareTransfers, type TransferText } from "./prepare-transfers.ts";
export {
  type AccountLine,
  type AccountRead,
  type LedgerQueries,
  type LineOrder,
  ledgerQueries,
  type TransferRead,
  type TransferState,
  type TrialBalance,
} from "./queries.ts";
export { EXIT_SWEEP, exitDemanded } from "./record-chain-event.ts";
export { ACCOUNT_CODES, type AccountCode, TRANSFER_CODES, type TransferCode } from "./result-codes.ts";
export { column, columns, type RowTable } from "./row-table.ts";
export type { AccountCursor, AccountFilter, AccountPosition } from "./search-accounts.ts";
export type { ListedTransfer, TransferCursor, TransferFilter } from "./search-transfers.ts";
export type { Page, Snapshot } from "./snapshot.ts";
export {
  type BulkAnswer,
  submitAccounts,
  submitTransfers,
  tryAccounts,
  tryTransfers,
} from "./submit-bulk.ts";
export { sweepHolds } from "./sweep-holds.ts";
export type {
  AccountSpec,
  ChainEvent,
  ChainEventPlace,
  Idempotency,
  LedgerEvent,
  PositionSpec,
  Reads,
  RowRead,
  Submitted,
  TransferResult,
  Unit,
  View,
} from "./unit.ts";
export type { BatchObservation, WriterLimits } from "./writer.ts";
