/**
 * Sends one transaction and waits until it is mined. ethers' `wait` looks out for
 * the next block: a chain that mines only what it is sent, and had mined this
 * before it looked, has none, and it waits for ever. Here the receipt is asked for,
 * and asked for again where the node does not answer: what was sent stays sent.
 */
import { setTimeout as pause } from "node:timers/promises";
import {
  formatEther,
  isError,
  type Provider,
  Transaction,
  type TransactionReceipt,
  type TransactionRequest,
  type Wallet,
} from "ethers";

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 2_000;
/** A dozen blocks of a chain that is slow; by then it was sent with too little gas price. */
const GIVE_UP_AFTER_MS = 10 * 60_000;
/** With their pauses 2.5 seconds at least: a node may have a block before it finds what is in it, and several may answer at one address. */
const LOOKS_AT_ANOTHER = 8;

/** The node does not take a transaction that the account could not pay for; nothing was sent. */
class TooLittleEther extends Error {
  /** As ethers has it: it is the node that refuses. */
  readonly code = "INSUFFICIENT_FUNDS";
}

/**
 * @param sender connected to a node
 * @throws Error where it is not mined in ten minutes, or failed, or another one of the account took its place, or where the account has too little ether (with how much it needs); what the node refuses, see `contractRefusal`
 */
export async function sendTransaction(
  sender: Wallet,
  transaction: TransactionRequest,
  giveUpAfterMs = GIVE_UP_AFTER_MS,
): Promise<TransactionReceipt> {
  const sent = await sender.sendTransaction(transaction).catch(async (error: unknown) => {
    throw isError(error, "INSUFFICIENT_FUNDS") ? await tooLittleEther(sender, error) : error;
  });
  return minedReceipt(sent, giveUpAfterMs);
}

/** How much is needed is in the signed transaction that the node refused; a node that refuses sooner leaves it open. */
async function tooLittleEther(
  { address, provider }: Wallet,
  cause: Error & { readonly transaction: unknown },
): Promise<Error> {
  const { transaction: refused } = cause;
  const { gasLimit, maxFeePerGas, gasPrice, value } =
    typeof refused === "string" ? Transaction.from(refused) : new Transaction();
  const mostNeeded = gasLimit * (maxFeePerGas ?? gasPrice ?? 0n) + value;
  const balance = await provider?.getBalance(address).catch(() => null);
  // Others of the account are under way, or the chain takes more than gas: what it has and this needs would not say why.
  if (balance != null && mostNeeded > 0n && balance >= mostNeeded) return cause;
  const has = balance == null ? "has too little ether" : `has ${formatEther(balance)} ether`;
  const needs = mostNeeded > 0n ? `; up to ${formatEther(mostNeeded)} ether` : ", and more";
  return new TooLittleEther(
    `the account ${address} ${has}${needs} is needed for the transaction, which was not sent`,
    { cause },
  );
}

/** What was sent, and by which node it is looked up: also what ethers answers to whoever sends. */
export interface SentTransaction {
  readonly provider: Provider;
  readonly hash: string;
  /** Whose it is and which: with both, another one that is mined in its place is noticed. */
  readonly from?: string;
  readonly nonce?: number;
}

/** @throws Error as `sendTransaction` */
export async function minedReceipt(
  sent: SentTransaction,
  giveUpAfterMs = GIVE_UP_AFTER_MS,
): Promise<TransactionReceipt> {
  const receipt = await receiptOf(sent, giveUpAfterMs);
  if (receipt.status !== 1) throw new Error(`the transaction ${sent.hash} was mined, and failed`);
  return receipt;
}

async function receiptOf(sent: SentTransaction, giveUpAfterMs: number): Promise<TransactionReceipt> {
  const until = performance.now() + giveUpAfterMs;
  let another = 0;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const { receipt, refused } = await askForReceipt(sent);
    if (receipt) return receipt;
    // With a pause between two looks; the receipt is asked for once more before each.
    another = refused || !(await isGone(sent)) ? 0 : another + 1;
    if (another === LOOKS_AT_ANOTHER)
      throw new Error(
        `another transaction of ${sent.from} took the place of ${sent.hash}, which was not mined: a wallet may have replaced or cancelled it`,
      );
    if (performance.now() > until) {
      const what = refused ? "nothing says whether it is mined" : "is not mined yet";
      throw new Error(
        `the transaction ${sent.hash} was sent, and ${what}: look it up before you send it again`,
        refused,
      );
    }
    await pause(pauseMs);
  }
}

/** Whether a transaction of its number is mined and the node does not know of this one. Where it does not say, nothing is known. */
async function isGone({ provider, hash, from, nonce }: SentTransaction): Promise<boolean> {
  if (from === undefined || nonce === undefined) return false;
  try {
    if ((await provider.getTransactionCount(from, "latest")) <= nonce) return false;
    return (await provider.getTransaction(hash)) === null;
  } catch {
    return false;
  }
}

interface Answer {
  readonly receipt?: TransactionReceipt | null;
  readonly refused?: { readonly cause: unknown };
}

/** Nodes also refuse this for a moment, such as one that is "indexing transactions". */
async function askForReceipt({ provider, hash }: SentTransaction): Promise<Answer> {
  try {
    return { receipt: await provider.getTransactionReceipt(hash) };
  } catch (cause) {
    return { refused: { cause } };
  }
}
