/** What the ledger's reads answer, from rows to JSON: amounts in whole units, times in RFC 3339. */
import { type Amount, formatAmount, toRfc3339, type UnixSeconds } from "#kernel";
import type {
  AccountLine,
  AccountRead,
  Asset,
  Balances,
  ListedTransfer,
  Transfer,
  TrialBalance,
} from "#ledger";

export function assetOf({ code, scale, transferable, mintable, supplyCap }: Omit<Asset, "routes">) {
  return { code, scale, transferable, mintable, supply_cap: amountText(supplyCap, scale) };
}

export function accountOf(account: AccountRead, balances: Balances, at: UnixSeconds | null) {
  const { id, asset, role, owner, reference, debitAllowance, creditAllowance, scale } = account;
  const limit =
    debitAllowance !== null
      ? ("debits_must_not_exceed_credits" as const)
      : creditAllowance !== null
        ? ("credits_must_not_exceed_debits" as const)
        : ("none" as const);
  return {
    ...{ id, asset, role, owner, reference, limit },
    allowance: amountText(debitAllowance ?? creditAllowance, scale),
    closed: account.closed,
    closed_at: account.closedAt === null ? null : toRfc3339(account.closedAt),
    ...balancesOf(balances, scale),
    metadata: account.metadata,
    created_at: toRfc3339(account.createdAt),
    at: at === null ? null : toRfc3339(at),
  };
}

export function balancesOf(balances: Balances, scale: number) {
  const amount = (value: Amount) => formatAmount(value, scale);
  return {
    debits_posted: amount(balances.debitsPosted),
    credits_posted: amount(balances.creditsPosted),
    debits_pending: amount(balances.debitsPending),
    credits_pending: amount(balances.creditsPending),
    balance: amount(balances.creditsPosted - balances.debitsPosted),
  };
}

function transferOf(line: Transfer, scale: number) {
  const { seq, id, asset, code, phase, reference, metadata } = line;
  return {
    ...{ seq, id, asset, code, phase, reference, metadata },
    debit_account: line.debitAccount,
    credit_account: line.creditAccount,
    amount: formatAmount(line.amount, scale),
    pending_id: line.pendingId,
    expires_at: line.expiresAt === null ? null : toRfc3339(line.expiresAt),
    effective_at: toRfc3339(line.effectiveAt),
    time: toRfc3339(line.time),
  };
}

function amountText(amount: Amount | null, scale: number): string | null {
  return amount === null ? null : formatAmount(amount, scale);
}

export function lineOf(line: AccountLine) {
  const { scale, postedEffect, pendingEffect } = line;
  const effect = { posted: formatAmount(postedEffect, scale), pending: formatAmount(pendingEffect, scale) };
  return { ...transferOf(line, scale), effect };
}

export function transferReadOf(transfer: ListedTransfer) {
  const { scale, state, resolvedBy } = transfer;
  return { ...transferOf(transfer, scale), state, resolved_by: resolvedBy };
}

export function trialBalanceOf({ asset, scale, debits, credits }: TrialBalance) {
  return {
    asset,
    debits: formatAmount(debits, scale),
    credits: formatAmount(credits, scale),
    difference: formatAmount(debits - credits, scale),
  };
}
