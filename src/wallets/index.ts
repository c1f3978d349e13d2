/**
 * Wallets and withdrawals: which wallet a user has linked by signature, the owner
 * that positions carry for it, and what leaves the ledger to it. Promises: nobody
 * but the wallets decides whose wallet is whose, all that was signed stands in the
 * journal, a wallet is one user's for ever. Knows no program.
 */
export { type BalanceAccountOf, depositedAccount, ownerOfWallet, payoutsAccount } from "./accounts.ts";
export type { LinkAnswer, WalletsAnswer, WithdrawalAnswer } from "./answers.ts";
export { onClaimed, onWalletCancelled, openPayouts, userOfWallet } from "./effects.ts";
export type { Followed } from "./follow-links.ts";
export { type LinkRequest, Wallets, type WalletsOptions } from "./wallets.ts";
export type { ClaimableWithdrawal } from "./withdrawals.ts";
