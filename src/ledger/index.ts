/**
 * The double-entry ledger: assets, accounts, transfers, holds, positions and the
 * journal. Promises: balanced by construction, gapless, append-only, every key
 * acts once. Must not know any program, section rule or HTTP.
 */
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
export type {
  Account,
  AccountRole,
  Asset,
  Hold,
  Owner,
  Phase,
  Position,
  Transfer,
  TransferRequest,
} from "./model.ts";
export { type AccountCode, TRANSFER_CODES, type TransferCode } from "./result-codes.ts";
export type { RowTable } from "./row-table.ts";
export type {
  AccountSpec,
  Idempotency,
  PositionSpec,
  Reads,
  RowRead,
  Submitted,
  TransferResult,
  Unit,
  View,
} from "./unit.ts";
export type { BatchObservation, WriterLimits } from "./writer.ts";
