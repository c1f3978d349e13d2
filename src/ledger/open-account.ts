/**
 * Opens an account under an id of the caller's own, and says by a code why not.
 * Such an account is `available` where it belongs to an owner, else `general`;
 * the other roles are the system's and the programs'.
 */
import type { Account, AccountRole } from "./model.ts";
import { canonicalText } from "./request-members.ts";
import type { AccountCode } from "./result-codes.ts";
import type { View } from "./unit.ts";

export type AccountRequest = Pick<
  Account,
  "id" | "asset" | "owner" | "debitAllowance" | "creditAllowance" | "metadata"
>;

/** The order of the checks is that of `ACCOUNT_CODES`. */
export function openRequestedAccount(view: View, request: AccountRequest): AccountCode {
  const existing = view.account(request.id);
  if (existing) return compareWithExisting(request, existing);
  const asset = view.asset(request.asset);
  if (!asset) return "asset_not_found";
  if (asset.program !== null) return "asset_belongs_to_a_program";
  if (asset.supplyCap !== null && request.debitAllowance !== 0n) return "limit_required_by_supply_cap";
  view.openAccountWithId({
    ...request,
    role: roleOf(request),
    reference: null,
    closed: false,
    exitDemanded: false,
    debitsPosted: 0n,
    creditsPosted: 0n,
    debitsPending: 0n,
    creditsPending: 0n,
    createdAt: view.now,
  });
  return "ok";
}

function compareWithExisting(request: AccountRequest, existing: Account): AccountCode {
  if (request.asset !== existing.asset) return "exists_with_different_asset";
  if (request.owner !== existing.owner) return "exists_with_different_owner";
  if (roleOf(request) !== existing.role || existing.reference !== null) return "exists_with_different_role";
  const sameLimit =
    request.debitAllowance === existing.debitAllowance &&
    request.creditAllowance === existing.creditAllowance;
  if (!sameLimit) return "exists_with_different_limit";
  if (canonicalText(request.metadata) !== canonicalText(existing.metadata))
    return "exists_with_different_metadata";
  return "exists";
}

function roleOf({ owner }: AccountRequest): AccountRole {
  return owner === null ? "general" : "available";
}
