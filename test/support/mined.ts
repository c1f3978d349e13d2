/**
 * Waits for a transaction of a test: until it is mined, and the node itself shows its block to whoever looks next. Fails where
 * it is not mined in time or was mined and failed. Never by ethers' `wait`, which waits for a next block that may not come.
 */
import type { TransactionReceipt } from "ethers";
import { minedReceipt, type SentTransaction } from "#infra";
import { poll } from "../../src/devstack/poll.ts";

const WITHIN_MS = 20_000;

/** @param sent nothing only where nobody could send */
export async function mined(
  sent: PromiseLike<SentTransaction | undefined> | SentTransaction | null | undefined,
): Promise<TransactionReceipt> {
  const transaction = await sent;
  if (!transaction) throw new Error("nothing was sent");
  const receipt = await minedReceipt(transaction, WITHIN_MS);
  const shown = async () =>
    (await transaction.provider.getBlockNumber()) >= receipt.blockNumber ? true : undefined;
  if (!(await poll(shown, WITHIN_MS)))
    throw new Error(`the node does not show block ${receipt.blockNumber}, which ${receipt.hash} is in`);
  return receipt;
}
