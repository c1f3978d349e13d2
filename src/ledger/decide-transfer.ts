/**
 * Decides one transfer request against what the batch knows, and says which line
 * it becomes or why it does not. Pure: no I/O, no time of its own. The order of
 * the checks is the documented precedence of `result-codes.ts`.
 */
import { AMOUNT_LIMIT, type Amount, type UnixSeconds } from "#kernel";
import type { Layer } from "./layer.ts";
import type { Account, Asset, Hold, Transfer, TransferRequest } from "./model.ts";
import { EXIT_SWEEP } from "./record-chain-event.ts";
import { compareWithExisting, requestedMembers } from "./request-members.ts";
import type { TransferCode } from "./result-codes.ts";

export type TransferLine = Omit<Transfer, "seq">;

export type TransferDecision =
  | { readonly code: "ok"; readonly line: TransferLine; readonly hold: Hold | null }
  | { readonly code: Exclude<TransferCode, "ok">; readonly existing?: Transfer };

/** Who asks: a program for its own asset, or a list of anybody's transfers (ledger API, import). */
export type Origin = "program" | "list";

export function decideTransfer(
  layer: Layer,
  request: TransferRequest,
  now: UnixSeconds,
  origin: Origin,
): TransferDecision {
  const existing = layer.get("transfer", request.id);
  if (existing)
    return { code: compareWithExisting(request, existing) as Exclude<TransferCode, "ok">, existing };
  if (layer.get("failed", request.id)) return { code: "id_already_failed" };
  const malformed = malformation(request, now);
  if (malformed) return { code: malformed };
  return request.phase === "post" || request.phase === "void"
    ? decideResolution(layer, { ...request, phase: request.phase }, now, origin)
    : decideMovement(layer, request, now, origin);
}

type Failure = Exclude<TransferCode, "ok">;

function malformation(request: TransferRequest, now: UnixSeconds): Failure | null {
  const phase = request.phase ?? "single";
  const resolves = phase === "post" || phase === "void";
  if (resolves && request.pendingId === undefined) return "pending_id_must_be_given";
  if (!resolves && request.pendingId !== undefined) return "pending_id_must_not_be_given";
  if (request.pendingId === request.id) return "pending_id_must_be_different";
  if (request.timeoutSeconds !== undefined && phase !== "pending") return "timeout_reserved_for_pending";
  if (request.balancing !== undefined && resolves) return "balancing_not_allowed_here";
  if (request.amount === 0n || (request.amount === undefined && !resolves && request.balancing === undefined))
    return "amount_must_not_be_zero";
  if (request.debitAccount !== undefined && request.debitAccount === request.creditAccount)
    return "accounts_must_be_different";
  if (request.effectiveAt !== undefined && request.effectiveAt > now) return "effective_at_in_the_future";
  return null;
}

function decideMovement(
  layer: Layer,
  request: TransferRequest,
  now: UnixSeconds,
  origin: Origin,
): TransferDecision {
  const debit = request.debitAccount === undefined ? null : layer.get("account", request.debitAccount);
  const credit = request.creditAccount === undefined ? null : layer.get("account", request.creditAccount);
  if (!debit || !credit) return { code: "account_not_found" };
  if (debit.asset !== credit.asset) return { code: "assets_differ" };
  if (debit.closed || credit.closed) return { code: "account_closed" };
  const asset = layer.get("asset", debit.asset);
  // What a program holds for its users is moved by its rules alone.
  if (origin === "list" && (asset?.program != null || isNobodysList(debit, credit)))
    return { code: "asset_not_transferable" };
  if (origin === "list" && asset?.backed && (hasChainCode(request) || isCustody(debit, credit)))
    return { code: "asset_not_transferable" };
  if (debit.exitDemanded && !(origin === "program" && request.code === EXIT_SWEEP))
    return { code: "asset_not_transferable" };
  if (!hasRoute(asset, debit, credit)) return { code: "asset_not_transferable" };

  const wanted = request.amount ?? AMOUNT_LIMIT - 1n;
  if (wanted >= AMOUNT_LIMIT) return { code: "overflows" };
  let amount = wanted;
  if (request.balancing === "debit") amount = least(wanted, debitRoom(debit));
  if (request.balancing === "credit") amount = least(wanted, creditRoom(credit));
  if (amount === 0n) return { code: request.balancing === "debit" ? shortCode(debit) : "exceeds_debits" };
  const limit = limitViolation(debit, credit, amount);
  if (limit) return { code: limit };

  const phase = request.phase === "pending" ? "pending" : "single";
  const line = lineOf(request, now, {
    debitAccount: debit.id,
    creditAccount: credit.id,
    asset: debit.asset,
    amount,
    phase,
    code: request.code ?? "transfer",
  });
  const hold: Hold | null =
    phase === "pending"
      ? {
          transferId: line.id,
          seq: -1,
          debitAccount: debit.id,
          creditAccount: credit.id,
          asset: debit.asset,
          amount,
          expiresAt: line.expiresAt,
        }
      : null;
  return { code: "ok", line, hold };
}

function decideResolution(
  layer: Layer,
  request: TransferRequest & { readonly phase: "post" | "void" },
  now: UnixSeconds,
  origin: Origin,
): TransferDecision {
  const { phase } = request;
  const pending = layer.get("transfer", request.pendingId ?? "");
  if (!pending) return { code: "pending_transfer_not_found" };
  if (pending.phase !== "pending") return { code: "pending_transfer_not_pending" };
  if (request.debitAccount !== undefined && request.debitAccount !== pending.debitAccount)
    return { code: "pending_transfer_has_different_debit_account" };
  if (request.creditAccount !== undefined && request.creditAccount !== pending.creditAccount)
    return { code: "pending_transfer_has_different_credit_account" };
  const amount = request.amount ?? pending.amount;
  if (amount > pending.amount) return { code: "exceeds_pending_amount" };
  if (phase === "void" && amount !== pending.amount) return { code: "pending_transfer_has_different_amount" };
  const resolution = layer.get("resolution", pending.id);
  if (resolution?.phase === "post") return { code: "pending_transfer_already_posted" };
  if (resolution?.phase === "void") return { code: "pending_transfer_already_voided" };
  // At its time a hold has expired, swept or not.
  if (resolution?.phase === "expire" || (pending.expiresAt !== null && pending.expiresAt <= now))
    return { code: "pending_transfer_expired" };
  const [debit, credit] = [pending.debitAccount, pending.creditAccount].map((id) => layer.get("account", id));
  if (phase === "post" && (debit?.closed || credit?.closed)) return { code: "account_closed" };
  if (origin === "list" && isNobodysList(debit, credit)) return { code: "asset_not_transferable" };
  if (origin === "list" && hasChainCode(request) && layer.get("asset", pending.asset)?.backed)
    return { code: "asset_not_transferable" };
  if (phase === "post" && debit?.exitDemanded) return { code: "asset_not_transferable" };
  const line = lineOf(request, now, {
    debitAccount: pending.debitAccount,
    creditAccount: pending.creditAccount,
    asset: pending.asset,
    amount,
    phase,
    code: request.code ?? pending.code,
  });
  return { code: "ok", line, hold: null };
}

type LineCore = Pick<Transfer, "debitAccount" | "creditAccount" | "asset" | "amount" | "phase" | "code">;

function lineOf(request: TransferRequest, now: UnixSeconds, core: LineCore): TransferLine {
  return {
    ...core,
    id: request.id,
    pendingId: request.pendingId ?? null,
    expiresAt: request.timeoutSeconds === undefined ? null : now + request.timeoutSeconds,
    effectiveAt: request.effectiveAt ?? now,
    time: now,
    reference: request.reference ?? null,
    metadata: request.metadata ?? null,
    requestedMembers: requestedMembers(request),
    requestedAmount: request.balancing === undefined ? null : (request.amount ?? null),
  };
}

function hasRoute(asset: Asset | null, debit: Account, credit: Account): boolean {
  const route = asset?.routes.get(`${debit.role}>${credit.role}`);
  return route !== undefined && (!route.sameOwner || debit.owner === credit.owner);
}

/**
 * What lies between two ledgers mirrors what lies there in the other one, and what was withdrawn or came in on-chain
 * mirrors the chain: nobody else's list may touch it.
 */
const MIRRORS: ReadonlySet<string> = new Set(["clearing", "payouts", "deposited"]);

function isNobodysList(...accounts: readonly (Account | null | undefined)[]): boolean {
  return accounts.some((account) => account && MIRRORS.has(account.role));
}

function isCustody(...accounts: readonly Account[]): boolean {
  return accounts.some(({ role }) => role === "custody");
}

/** What an auditor holds against the chain. */
const CHAIN_CODES: ReadonlySet<string> = new Set([
  "genesis",
  "entry_credit",
  "withdrawal_claimed",
  EXIT_SWEEP,
]);

function hasChainCode({ code }: TransferRequest): boolean {
  return code !== undefined && CHAIN_CODES.has(code);
}

const ISSUING: ReadonlySet<string> = new Set(["issuance", "custody"]);

/** What can still be debited: posted credits and the allowance, less posted and pending debits. */
export function debitRoom(account: Account): Amount {
  if (account.debitAllowance === null) return AMOUNT_LIMIT - 1n;
  const room = account.creditsPosted + account.debitAllowance - account.debitsPosted - account.debitsPending;
  return room > 0n ? room : 0n;
}

export function creditRoom(account: Account): Amount {
  if (account.creditAllowance === null) return AMOUNT_LIMIT - 1n;
  const room =
    account.debitsPosted + account.creditAllowance - account.creditsPosted - account.creditsPending;
  return room > 0n ? room : 0n;
}

function limitViolation(debit: Account, credit: Account, amount: Amount): Failure | null {
  const debits = debit.debitsPosted + debit.debitsPending + amount;
  const credits = credit.creditsPosted + credit.creditsPending + amount;
  if (debits >= AMOUNT_LIMIT || credits >= AMOUNT_LIMIT) return "overflows";
  if (amount > debitRoom(debit)) return shortCode(debit);
  if (amount > creditRoom(credit)) return "exceeds_debits";
  return null;
}

/** What it is called that an account cannot be debited any more. */
function shortCode(debit: Account): Failure {
  return ISSUING.has(debit.role) ? "exceeds_supply_cap" : "exceeds_credits";
}

function least(a: Amount, b: Amount): Amount {
  return a < b ? a : b;
}
