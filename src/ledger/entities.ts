/**
 * The ledger's tables for ordinary reads through TypeORM. They are never saved
 * through it: lines enter by the writer, balances move by trigger. Numbers arrive
 * as the connection parses them: int8 as number, numeric as bigint.
 */
import { EntitySchema, type EntitySchemaColumnOptions } from "typeorm";
import type { Account, Asset, Transfer } from "./model.ts";

const time: EntitySchemaColumnOptions = { type: "bigint" };
const amount: EntitySchemaColumnOptions = { type: "numeric", precision: 39, scale: 0 };
const nullable = { nullable: true } as const;

export const AssetEntity = new EntitySchema<Omit<Asset, "routes"> & { createdAt: number }>({
  name: "asset",
  columns: {
    code: { type: "text", primary: true },
    scale: { type: "smallint" },
    transferable: { type: "boolean" },
    mintable: { type: "boolean" },
    supplyCap: { ...amount, ...nullable, name: "supply_cap" },
    program: { type: "text", ...nullable },
    createdAt: { ...time, name: "created_at" },
  },
});

export const AccountEntity = new EntitySchema<Account>({
  name: "account",
  columns: {
    id: { type: "uuid", primary: true },
    asset: { type: "text" },
    role: { type: "text" },
    owner: { type: "text", ...nullable },
    reference: { type: "text", ...nullable },
    debitAllowance: { ...amount, ...nullable, name: "debit_allowance" },
    creditAllowance: { ...amount, ...nullable, name: "credit_allowance" },
    closed: { type: "boolean" },
    exitDemanded: { type: "boolean", name: "exit_demanded" },
    debitsPosted: { ...amount, name: "debits_posted" },
    creditsPosted: { ...amount, name: "credits_posted" },
    debitsPending: { ...amount, name: "debits_pending" },
    creditsPending: { ...amount, name: "credits_pending" },
    metadata: { type: "jsonb", ...nullable },
    createdAt: { ...time, name: "created_at" },
  },
});

export const TransferEntity = new EntitySchema<Transfer>({
  name: "transfer",
  columns: {
    seq: { type: "bigint", primary: true },
    id: { type: "uuid" },
    debitAccount: { type: "uuid", name: "debit_account" },
    creditAccount: { type: "uuid", name: "credit_account" },
    asset: { type: "text" },
    amount,
    code: { type: "text" },
    phase: { type: "text" },
    pendingId: { type: "uuid", ...nullable, name: "pending_id" },
    expiresAt: { ...time, ...nullable, name: "expires_at" },
    effectiveAt: { ...time, name: "effective_at" },
    time,
    reference: { type: "text", ...nullable },
    metadata: { type: "jsonb", ...nullable },
    requestedMembers: { type: "smallint", name: "requested_members" },
    requestedAmount: { ...amount, ...nullable, name: "requested_amount" },
  },
});

export const ledgerEntities = [AssetEntity, AccountEntity, TransferEntity];
