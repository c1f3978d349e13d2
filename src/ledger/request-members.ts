/**
 * Which members a transfer request carried, as a bit set kept with its line. The
 * same request again answers `exists` only where it says exactly the same: an
 * omitted member stays omitted, and a balancing transfer compares the amount it
 * asked for, not the amount it moved.
 */
import type { Transfer, TransferRequest } from "./model.ts";
import type { TransferCode } from "./result-codes.ts";

export const MEMBER = {
  linked: 1,
  balancingDebit: 2,
  balancingCredit: 4,
  amount: 8,
  code: 16,
  effectiveAt: 32,
  debitAccount: 64,
  creditAccount: 128,
  timeout: 256,
} as const;

export function requestedMembers(request: TransferRequest): number {
  return (
    (request.linked ? MEMBER.linked : 0) |
    (request.balancing === "debit" ? MEMBER.balancingDebit : 0) |
    (request.balancing === "credit" ? MEMBER.balancingCredit : 0) |
    (request.amount === undefined ? 0 : MEMBER.amount) |
    (request.code === undefined ? 0 : MEMBER.code) |
    (request.effectiveAt === undefined ? 0 : MEMBER.effectiveAt) |
    (request.debitAccount === undefined ? 0 : MEMBER.debitAccount) |
    (request.creditAccount === undefined ? 0 : MEMBER.creditAccount) |
    (request.timeoutSeconds === undefined ? 0 : MEMBER.timeout)
  );
}

/** `exists`, or the first member in which the line's request and this one differ. */
export function compareWithExisting(request: TransferRequest, line: Transfer): TransferCode {
  const now = requestedMembers(request);
  const then = line.requestedMembers;
  const differs = (bit: number, same: boolean) =>
    (now & bit) !== (then & bit) || ((now & bit) !== 0 && !same);
  const balancing = MEMBER.balancingDebit | MEMBER.balancingCredit;
  if ((request.phase ?? "single") !== line.phase) return "exists_with_different_phase";
  if ((request.pendingId ?? null) !== line.pendingId) return "exists_with_different_pending_id";
  if (differs(MEMBER.linked, true)) return "exists_with_different_linked";
  if (differs(MEMBER.debitAccount, request.debitAccount === line.debitAccount))
    return "exists_with_different_debit_account";
  if (differs(MEMBER.creditAccount, request.creditAccount === line.creditAccount))
    return "exists_with_different_credit_account";
  if (differs(MEMBER.amount, request.amount === (line.requestedAmount ?? line.amount)))
    return "exists_with_different_amount";
  if ((now & balancing) !== (then & balancing)) return "exists_with_different_balancing";
  if (differs(MEMBER.code, request.code === line.code)) return "exists_with_different_code";
  if (differs(MEMBER.timeout, request.timeoutSeconds === (line.expiresAt ?? line.time) - line.time))
    return "exists_with_different_timeout";
  if (differs(MEMBER.effectiveAt, request.effectiveAt === line.effectiveAt))
    return "exists_with_different_effective_at";
  if ((request.reference ?? null) !== line.reference) return "exists_with_different_reference";
  if (canonicalText(request.metadata) !== canonicalText(line.metadata))
    return "exists_with_different_metadata";
  return "exists";
}

/** JSON text with sorted members: jsonb does not keep their order. */
export function canonicalText(value: unknown): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value ?? null);
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, item]) => `${JSON.stringify(name)}:${canonicalText(item)}`).join(",")}}`;
}
