/** What is told of wallets and withdrawals, with the user as its subject. The list with its shapes is docs/events.md. */
import { type Amount, formatAmount, toRfc3339 } from "#kernel";
import type { Json, View } from "#ledger";
import { type Hex, toChecksumAddress } from "#proof";
import type { UserWallet, Withdrawal } from "./model.ts";

type WalletEvent = "wallet.linked" | "wallet.change_announced" | "wallet.change_cancelled";

export function emitWallet(
  view: View,
  type: WalletEvent,
  { userId, asset, number }: UserWallet,
  more: {
    readonly wallet: Hex | null;
    readonly previous?: Hex | null;
    readonly number?: number | null;
    readonly by?: string;
  },
): void {
  const address = (wallet: Hex | null): Json => wallet && toChecksumAddress(wallet);
  const { wallet, previous, ...rest } = more;
  view.emit({
    type,
    subject: userId,
    data: {
      ...{ user_id: userId, asset, number, wallet: address(wallet) },
      ...(previous === undefined ? {} : { previous: address(previous) }),
      ...rest,
    },
  });
}

export function emitWithdrawal(view: View, withdrawal: Withdrawal, scale: number): void {
  view.emit({
    type: "withdrawal.created",
    subject: withdrawal.userId,
    data: {
      withdrawal_id: withdrawal.id,
      user_id: withdrawal.userId,
      asset: withdrawal.asset,
      amount: formatAmount(withdrawal.amount, scale),
      wallet: toChecksumAddress(withdrawal.wallet),
      created_at: toRfc3339(withdrawal.createdAt),
    },
  });
}

export interface Claim {
  readonly owner: string;
  readonly asset: string;
  readonly wallet: Hex;
  readonly amount: Amount;
  /** All that was ever claimed, with this. */
  readonly total: Amount;
}

/** One claim pays every withdrawal up to `total_claimed`. */
export function emitClaim(view: View, claim: Claim, scale: number): void {
  view.emit({
    type: "withdrawal.claimed",
    subject: claim.owner,
    data: {
      user_id: claim.owner,
      asset: claim.asset,
      wallet: toChecksumAddress(claim.wallet),
      amount: formatAmount(claim.amount, scale),
      total_claimed: formatAmount(claim.total, scale),
    },
  });
}
