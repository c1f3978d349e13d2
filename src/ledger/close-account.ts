/**
 * Closing an account: who may be closed, and when. Nothing opens an account
 * again, so nothing may be stuck on a closed one: its posted balance is zero.
 * What is held from it was promised to somebody and is resolved first; a hold
 * for it may stay, because it can only be voided or expire, and either leaves the
 * balance at zero. The database holds to the same (`account_closable`).
 */
import { DomainError } from "#kernel";
import type { Ledger } from "./ledger.ts";
import type { Account, AccountRole, Position } from "./model.ts";
import type { Idempotency, Submitted } from "./unit.ts";

export type ClosingRefusal =
  | "system_account"
  | "belongs_to_a_program"
  | "has_a_position"
  | "balance_not_zero"
  | "debits_held";

const MEANING: Readonly<Record<ClosingRefusal, string>> = {
  system_account: "An account of the system stays open for as long as its asset is there",
  belongs_to_a_program: "The account belongs to a program, which alone may close it",
  has_a_position:
    "The account carries a settled position, and whoever owns that must be able to leave with it",
  balance_not_zero:
    "The account can be closed when its debits and credits are equal; move what is left first",
  debits_held: "Something is held from the account for somebody; post or void that first",
};

/** One each for an asset, or the source and the end of what there is of it. */
const SYSTEM_ROLES: ReadonlySet<AccountRole> = new Set<AccountRole>([
  ...(["treasury", "issuance", "custody", "revenue", "burned", "clearing", "payouts", "deposited"] as const),
]);

/** The first reason against it, in this order. */
export function closingRefusal(account: Account, position: Position | null): ClosingRefusal | null {
  if (SYSTEM_ROLES.has(account.role)) return "system_account";
  if (position) return "has_a_position";
  if (account.debitsPosted !== account.creditsPosted) return "balance_not_zero";
  if (account.debitsPending !== 0n) return "debits_held";
  return null;
}

export function notClosable(id: string, reason: ClosingRefusal): DomainError {
  return new DomainError("not_closable", MEANING[reason], { details: { account: id, reason } });
}

export type ClosedAccount = {
  readonly id: string;
  readonly closed: true;
  /** False where it was closed before. */
  readonly closed_now: boolean;
};

/**
 * Closes an account that the ledger API opened. Closing it again is no error and does nothing.
 * @throws DomainError `not_found`, `not_closable`
 */
export function closeAccount(
  ledger: Pick<Ledger, "submit">,
  id: string,
  idempotency?: Idempotency,
): Promise<Submitted<ClosedAccount>> {
  return ledger.submit<ClosedAccount>({
    name: "close-account",
    idempotency,
    reads: { accounts: [id], positions: [id] },
    decide(view) {
      const account = view.account(id);
      if (account && view.asset(account.asset)?.program != null)
        throw notClosable(id, "belongs_to_a_program");
      return { id, closed: true, closed_now: view.closeAccount(id) };
    },
  });
}
