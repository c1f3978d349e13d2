/** The nouns: whose a wallet is, a user's wallet for an asset, a withdrawal. Wallets and keys are lower-case hex. */
import type { Amount, UnixSeconds } from "#kernel";
import type { Hex } from "#proof";

/** Whose a wallet is, for ever. */
export interface WalletOwner {
  readonly wallet: Hex;
  readonly userId: string;
  readonly boundAt: UnixSeconds;
  /** Null: it was announced, and never took its place. */
  readonly linkedAt: UnixSeconds | null;
}

/** A wallet that is or was a user's for an asset. */
export interface UsedWallet {
  readonly asset: string;
  readonly wallet: Hex;
  readonly userId: string;
  readonly since: UnixSeconds;
}

/** A change that waits for the old wallet's objection. */
export interface Announced {
  readonly wallet: Hex;
  readonly number: number;
  readonly at: UnixSeconds;
  /** As it stands in the journal. */
  readonly statement: Hex;
}

/** A user's wallet for an asset, from the first link on. */
export interface UserWallet {
  readonly userId: string;
  readonly asset: string;
  /** The user key. */
  readonly key: Hex;
  /** The last number that was signed. */
  readonly number: number;
  readonly wallet: Hex;
  readonly linkedBy: number;
  readonly linkedAt: UnixSeconds;
  /** Whether all positions have it, and what had come in by it was taken over. */
  readonly carried: boolean;
  readonly announced: Announced | null;
}

export interface Withdrawal {
  readonly id: string;
  readonly userId: string;
  readonly asset: string;
  /** The payouts account. */
  readonly account: string;
  /** The transfer that credits it. */
  readonly transfer: string;
  readonly wallet: Hex;
  readonly amount: Amount;
  /** All that was ever paid out to the account, with this one. */
  readonly total: Amount;
  readonly createdAt: UnixSeconds;
}

/** How long the old wallet may object, counted as docs/wallets.md says. */
export const CHANGE_DELAY_SECONDS = 14 * 86_400;
/** How far ahead a signature's deadline may lie. */
export const LONGEST_DEADLINE_SECONDS = 7 * 86_400;
