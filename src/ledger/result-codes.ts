/**
 * The closed list of answers to a transfer, in the order in which they are
 * checked: a transfer that is wrong in several ways always gets the first code
 * that applies, whatever the state of the books. Source of the semantics:
 * TigerBeetle's `create_transfers`, with this ledger's own policy codes.
 */
export const TRANSFER_CODES = [
  "ok",
  "linked_event_failed",
  "linked_event_chain_open",
  "linked_event_chain_too_long",
  // The id: the same request again, another request under it, or one that failed for good.
  "exists_with_different_phase",
  "exists_with_different_pending_id",
  "exists_with_different_linked",
  "exists_with_different_debit_account",
  "exists_with_different_credit_account",
  "exists_with_different_amount",
  "exists_with_different_balancing",
  "exists_with_different_code",
  "exists_with_different_timeout",
  "exists_with_different_effective_at",
  "exists_with_different_reference",
  "exists_with_different_metadata",
  "exists",
  "id_already_failed",
  // Malformed: may be sent again mended, under the same id.
  "pending_id_must_be_given",
  "pending_id_must_not_be_given",
  "pending_id_must_be_different",
  "timeout_reserved_for_pending",
  "balancing_not_allowed_here",
  "amount_must_not_be_zero",
  "accounts_must_be_different",
  "effective_at_in_the_future",
  // Of the pending transfer that a post or void names.
  "pending_transfer_not_found",
  "pending_transfer_not_pending",
  "pending_transfer_has_different_debit_account",
  "pending_transfer_has_different_credit_account",
  "exceeds_pending_amount",
  "pending_transfer_has_different_amount",
  "pending_transfer_already_posted",
  "pending_transfer_already_voided",
  "pending_transfer_expired",
  // Of the accounts and their asset.
  "account_not_found",
  "assets_differ",
  "account_closed",
  "asset_not_transferable",
  "overflows",
  "exceeds_supply_cap",
  "exceeds_credits",
  "exceeds_debits",
] as const;

export type TransferCode = (typeof TRANSFER_CODES)[number];

/**
 * Codes for reasons that another request could change. Such an id stays failed
 * (`id_already_failed`), so that a late retry cannot surprise anybody.
 */
export const TRANSIENT_CODES: ReadonlySet<TransferCode> = new Set([
  "pending_transfer_not_found",
  "account_not_found",
  "account_closed",
  "overflows",
  "exceeds_supply_cap",
  "exceeds_credits",
  "exceeds_debits",
]);

/** The closed list of answers to the opening of an account, in the order in which they are checked. */
export const ACCOUNT_CODES = [
  "ok",
  "exists_with_different_asset",
  "exists_with_different_owner",
  // The id is a system account's, or one that belongs to a program.
  "exists_with_different_role",
  "exists_with_different_limit",
  "exists_with_different_metadata",
  "exists",
  "asset_not_found",
  "asset_belongs_to_a_program",
  "limit_required_by_supply_cap",
] as const;

export type AccountCode = (typeof ACCOUNT_CODES)[number];
