/** Which account carries what: what a user has withdrawn, and what came in by a wallet that nobody has linked. */
import type { AccountSpec } from "#ledger";
import type { Hex } from "#proof";

export function payoutsAccount(owner: string, asset: string): AccountSpec {
  return { asset, role: "payouts", owner };
}

/** The owner of what came in by a wallet. No token's `sub` can be this. */
export function ownerOfWallet(wallet: Hex): string {
  return `wallet:${wallet}`;
}

export function depositedAccount(wallet: Hex, asset: string): AccountSpec {
  return { asset, role: "deposited", owner: ownerOfWallet(wallet) };
}

/** Whose available balance it is: a user's, or the treasury's. Given by whoever knows the program's users. */
export type BalanceAccountOf = (userId: string, asset: string) => AccountSpec;
