/** What is answered: plain JSON, written once by the unit and returned the same by a replay. Addresses are checksummed. */
import { formatAmount, toRfc3339 } from "#kernel";
import { type Hex, toChecksumAddress } from "#proof";
import type { UserWallet, WalletOwner, Withdrawal } from "./model.ts";

export type LinkStatus = "linked" | "announced" | "cancelled";

export type LinkAnswer = {
  readonly status: LinkStatus;
  readonly asset: string;
  readonly user: string;
  readonly wallet: string;
  readonly number: number;
  readonly announced: AnnouncedAnswer | null;
};

export type AnnouncedAnswer = {
  readonly wallet: string;
  readonly number: number;
  readonly announced_at: string;
};

/** @param row as it is now; `wallet` is the one that is linked */
export function linkAnswer(status: LinkStatus, row: UserWallet): LinkAnswer {
  return {
    status,
    asset: row.asset,
    user: row.key,
    wallet: toChecksumAddress(row.wallet),
    number: row.number,
    announced: announcedAnswer(row),
  };
}

function announcedAnswer({ announced }: UserWallet): AnnouncedAnswer | null {
  return (
    announced && {
      wallet: toChecksumAddress(announced.wallet),
      number: announced.number,
      announced_at: toRfc3339(announced.at),
    }
  );
}

export type WalletStatus = "linked" | "announced" | "replaced" | "cancelled";

export interface WalletsAnswer {
  readonly asset: string;
  /** The user key; null where nothing was ever signed. */
  readonly user: Hex | null;
  readonly wallet: string | null;
  readonly number: number;
  readonly linked_at: string | null;
  readonly carried: boolean;
  readonly announced: (AnnouncedAnswer & { readonly due_at: string | null }) | null;
  readonly wallets: { readonly wallet: string; readonly status: WalletStatus; readonly bound_at: string }[];
}

export function walletsAnswer(
  asset: string,
  row: UserWallet | null,
  owned: readonly WalletOwner[],
  dueAt: number | null,
): WalletsAnswer {
  const announced = row && announcedAnswer(row);
  return {
    asset,
    user: row?.key ?? null,
    wallet: row && toChecksumAddress(row.wallet),
    number: row?.number ?? 0,
    linked_at: row && toRfc3339(row.linkedAt),
    carried: row?.carried ?? true,
    announced: announced && { ...announced, due_at: dueAt === null ? null : toRfc3339(dueAt) },
    wallets: owned.map((wallet) => ({
      wallet: toChecksumAddress(wallet.wallet),
      status: statusOf(wallet, row),
      bound_at: toRfc3339(wallet.boundAt),
    })),
  };
}

function statusOf({ wallet, linkedAt }: WalletOwner, row: UserWallet | null): WalletStatus {
  if (row?.wallet === wallet) return "linked";
  if (row?.announced?.wallet === wallet) return "announced";
  return linkedAt === null ? "cancelled" : "replaced";
}

export type WithdrawalStatus = "pending" | "committed" | "final" | "claimed";

export type WithdrawalState = {
  readonly status: WithdrawalStatus;
  readonly epoch: number | null;
  readonly txHash: string | null;
};

export type WithdrawalAnswer = {
  readonly withdrawal_id: string;
  readonly status: WithdrawalStatus;
  readonly user_id: string;
  readonly asset: string;
  readonly amount: string;
  readonly total_withdrawn: string;
  readonly wallet: string;
  readonly epoch: number | null;
  readonly tx_hash: string | null;
  readonly created_at: string;
};

export function withdrawalAnswer(
  withdrawal: Withdrawal,
  scale: number,
  state: WithdrawalState,
): WithdrawalAnswer {
  return {
    withdrawal_id: withdrawal.id,
    status: state.status,
    user_id: withdrawal.userId,
    asset: withdrawal.asset,
    amount: formatAmount(withdrawal.amount, scale),
    total_withdrawn: formatAmount(withdrawal.total, scale),
    wallet: toChecksumAddress(withdrawal.wallet),
    epoch: state.epoch,
    tx_hash: state.txHash,
    created_at: toRfc3339(withdrawal.createdAt),
  };
}
