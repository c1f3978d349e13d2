/**
 * The double-entry ledger: assets, accounts, transfers, holds, positions and the
 * journal. Promises: balanced by construction, gapless, append-only, every key
 * acts once. Must not know any program, section rule or HTTP.
 */
export { ledgerEntities } from "./entities.ts";
export type { Json } from "./json.ts";
export type { Ledger } from "./ledger.ts";
export {
  type Account,
  type AccountRole,
  type Asset,
  type Hold,
  type Owner,
  type Phase,
  type Position,
  SECTIONS,
  type Section,
  type Transfer,
  type TransferRequest,
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
