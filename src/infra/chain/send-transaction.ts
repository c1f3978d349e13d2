/**
 * Sends one transaction and waits until it is mined. ethers' `wait` looks out for
 * the next block: a chain that mines only what it is sent, and had mined this
 * before it looked, has none, and it waits for ever. Here the receipt is asked for.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { TransactionReceipt, TransactionRequest, Wallet } from "ethers";

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 2_000;
/** A dozen blocks of a chain that is slow; by then it was sent with too little gas price. */
const GIVE_UP_AFTER_MS = 10 * 60_000;

/**
 * @param sender connected to a node
 * @throws Error where it is not mined in ten minutes, or failed; what the node refuses, see `contractRefusal`
 */
export async function sendTransaction(
  sender: Wallet,
  transaction: TransactionRequest,
  giveUpAfterMs = GIVE_UP_AFTER_MS,
): Promise<TransactionReceipt> {
  const { hash } = await sender.sendTransaction(transaction);
  const receipt = await receiptOf(sender, hash, giveUpAfterMs);
  if (receipt.status !== 1) throw new Error(`the transaction ${hash} was mined, and failed`);
  return receipt;
}

async function receiptOf(sender: Wallet, hash: string, giveUpAfterMs: number): Promise<TransactionReceipt> {
  const until = performance.now() + giveUpAfterMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const receipt = await sender.provider?.getTransactionReceipt(hash);
    if (receipt) return receipt;
    if (performance.now() > until)
      throw new Error(
        `the transaction ${hash} was sent, and is not mined yet: look it up before you send it again`,
      );
    await pause(pauseMs);
  }
}
