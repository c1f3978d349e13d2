/** Gives positions the wallets that were linked, and completes announced changes that are due. */
import type { Wallets } from "#wallets";

export const FOLLOW_WALLETS_CRON = "* * * * *";

export async function followWallets(wallets: Pick<Wallets, "follow">): Promise<void> {
  await wallets.follow();
}
