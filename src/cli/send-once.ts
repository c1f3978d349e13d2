/**
 * Sends a transaction unless what it is for is done: by the same command before it was cut off, by another one at the same
 * moment, by anybody else. What is done is asked of the chain, before and after.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Wallet } from "ethers";
import { sendTransaction } from "#infra";

export interface OnceOptions {
  /** Whether the chain says that it is done. */
  isDone(): Promise<boolean>;
  /** A transaction of the account is under way, and is waited for. */
  onWait(): void;
}

const ATTEMPTS = 5;
const LOOK_EVERY_MS = 500;
const GIVE_UP_AFTER_MS = 10 * 60_000;

/**
 * @param signer connected to a node
 * @returns the hash of the mined transaction; null where it was done without it
 * @throws Error as `sendTransaction`, and where another transaction of the account is not mined in ten minutes: nothing is sent then
 */
export async function sendOnce(
  signer: Wallet,
  transaction: { readonly to: string; readonly data: string },
  options: OnceOptions,
): Promise<string | null> {
  for (let attempt = 1; ; attempt++) {
    const nonce = await quietNonce(signer, options);
    if (await options.isDone()) return null;
    try {
      return (await sendTransaction(signer, { ...transaction, nonce })).hash;
    } catch (error) {
      if (await options.isDone()) return null;
      // Errors of the node have a code; one without it is of a transaction that was mined, or will be. A contract refuses also
      // what another transaction of the account, not mined yet, would have done.
      const isOfTheNode = error instanceof Error && "code" in error;
      const isTaken = isOfTheNode && (await nonceOf(signer, "pending")) > nonce;
      if (!isTaken || attempt === ATTEMPTS) throw error;
    }
  }
}

/** What was sent before is waited for: it may be this very transaction, and a second one would pay for nothing. */
async function quietNonce(signer: Wallet, { onWait }: OnceOptions): Promise<number> {
  const until = performance.now() + GIVE_UP_AFTER_MS;
  for (let looks = 0; ; looks++) {
    const [mined, sent] = [await nonceOf(signer, "latest"), await nonceOf(signer, "pending")];
    if (sent <= mined) return mined;
    if (looks === 0) onWait();
    if (performance.now() > until)
      throw new Error(
        `a transaction of ${signer.address} is under way and is not mined: nothing was sent, run this again later`,
      );
    await pause(LOOK_EVERY_MS);
  }
}

function nonceOf(signer: Wallet, block: "latest" | "pending"): Promise<number> {
  return signer.getNonce(block);
}
