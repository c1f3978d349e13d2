/** What the chain tells of wallets and payouts, done in the very unit of the event's journal line. */
import type { Amount } from "#kernel";
import type { View } from "#ledger";
import type { Hex } from "#proof";
import { payoutsAccount } from "./accounts.ts";
import { emitClaim } from "./events.ts";
import { usedWalletTable, userWalletByKeyTable } from "./tables.ts";
import { endChange } from "./units/change.ts";
import { openWithPosition } from "./units/context.ts";

/** The user whose wallet for that asset it is or was; null where nobody ever linked it. */
export function userOfWallet(view: View, asset: string, wallet: Hex): string | null {
  return view.row(usedWalletTable, { asset, wallet })?.userId ?? null;
}

/** What an owner has withdrawn, opened with its position where it is new; it carries the owner's wallet. Answers the account's id. */
export function openPayouts(view: View, owner: string, asset: string): string {
  return openWithPosition(view, payoutsAccount(owner, asset), "payouts", owner);
}

/** The transfer off the books is the watcher's; here it is told of. */
export function onClaimed(
  view: View,
  claim: {
    readonly asset: string;
    readonly user: string;
    readonly owner: Hex;
    readonly amount: Amount;
    readonly total: Amount;
  },
): void {
  const { user: owner, owner: wallet, asset, amount, total } = claim;
  emitClaim(view, { owner, asset, wallet, amount, total }, view.asset(asset)?.scale ?? 0);
}

/** The announced change of that key is over, where the wallet that asks is the linked one. Anybody may ask on-chain. */
export function onWalletCancelled(
  view: View,
  cancelled: { readonly asset: string; readonly key: Hex; readonly wallet: Hex },
): void {
  const { asset, key, wallet } = cancelled;
  const known = view.row(userWalletByKeyTable, { asset, key });
  if (known?.announced && known.wallet === wallet) endChange(view, known, "chain");
}
