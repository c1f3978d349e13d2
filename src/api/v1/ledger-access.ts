/** Who may see which books. */
import { DomainError } from "#kernel";
import type { AccountRead, LedgerQueries } from "#ledger";
import { type Principal, requireOwner } from "../principal.ts";

export const READERS = ["operator", "auditor", "user"] as const;
export const ALL_BOOKS = ["operator", "auditor"] as const;

/** @throws DomainError `not_found`; `forbidden` where it is another user's */
export async function readableAccount(
  queries: LedgerQueries,
  id: string,
  principal: Principal,
): Promise<AccountRead> {
  const account = await queries.account(id);
  if (!account) throw new DomainError("not_found", "There is no such account");
  requireOwner(principal, account.owner ?? "", ALL_BOOKS);
  return account;
}
