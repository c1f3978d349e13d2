/**
 * Sends one action and waits until it is mined. A transaction is stored, signed,
 * before it is broadcast, and no hash is ever forgotten: after a crash the same
 * bytes go out again. Where the chain does not mine it, the same nonce is signed
 * again with a higher fee, up to a cap; whichever is mined counts.
 *
 * That nothing can be done twice is the contracts' doing (a commit names its
 * predecessor, a finalize its epoch, a serve needs the demand); this file sees to
 * it that it is not even tried.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { TransactionReceipt, Wallet } from "ethers";
import type { PoolClient } from "pg";
import { type Chain, isChainUnavailable, type Log } from "#infra";
import type { Clock } from "#kernel";
import type { Hex } from "#proof";
import type { Faults } from "./faults.ts";
import type { Action, BookRow } from "./model.ts";
import { type Call, dataOf, type SignedTransaction, SignedTransactions } from "./signed-transactions.ts";
import { firstRow, SQL } from "./sql.ts";

export interface SenderOptions {
  /** Without a receipt for so long, the fee is raised. */
  readonly replaceAfterMs: number;
  /** After so long the run ends; the next one goes on with the same transactions. */
  readonly giveUpAfterMs: number;
  /** No transaction offers more, in wei a gas. */
  readonly maxFeePerGas: bigint;
}

export const DEFAULT_SENDER_OPTIONS: SenderOptions = {
  replaceAfterMs: 60_000,
  giveUpAfterMs: 240_000,
  maxFeePerGas: 500_000_000_000n,
};

export interface Mined {
  readonly hash: Hex;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  /** Null where the node has lost the receipt. */
  readonly gasUsed: bigint | null;
}

/** Not mined in time. Nothing is lost: the next run watches and repeats the same transactions. */
export class NotMinedInTime extends Error {
  constructor(action: Action) {
    super(`the ${action.kind} of epoch ${action.epoch} is not mined yet`);
    this.name = "NotMinedInTime";
  }
}

/**
 * The account's next nonce is another than what was signed. It went on, and none of our transactions is known to have
 * done it: one of them reverted because somebody else was first, its receipt is missing, or another program sends with
 * this key. Or it fell: the chain went back. Another look at the chain tells which.
 */
export class NonceMoved extends Error {
  constructor(action: Action, nonce: number, next: number) {
    super(`the ${action.kind} of epoch ${action.epoch} has nonce ${nonce}, but the next one is ${next}`);
    this.name = "NonceMoved";
  }
}

const POLL_MS = 100;
/** A node that was restarted may have lost what it was given. */
const REPEAT_AFTER_MS = 5_000;

export interface SenderParts {
  readonly chain: Chain;
  readonly book: BookRow;
  readonly options: SenderOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly faults: Faults;
  /** Ends the waiting for blocks. */
  readonly stop: AbortSignal;
}

export class Sender {
  readonly #parts: SenderParts;
  readonly #signer: Wallet;
  readonly #signed: SignedTransactions;

  /** @throws Error where the connection has no key */
  constructor(parts: SenderParts) {
    const { chain, book, options, log } = parts;
    if (!chain.signer) throw new Error("settling needs a chain connection with the operator's key");
    this.#parts = parts;
    this.#signer = chain.signer;
    this.#signed = new SignedTransactions({
      ...{ chain, book, log, signer: chain.signer, maxFeePerGas: options.maxFeePerGas },
    });
  }

  /** In lower case. */
  get address(): Hex {
    return this.#signer.address.toLowerCase() as Hex;
  }

  nextNonce(): Promise<number> {
    return this.#parts.chain.provider.getTransactionCount(this.#signer.address, "latest");
  }

  /**
   * @param client the connection that holds the book's lock: where it is lost, storing fails and nothing is sent
   * @throws ActionRefused, NonceMoved, NotMinedInTime, or what `isChainUnavailable` knows
   */
  async send(client: PoolClient, action: Action, call: Call): Promise<Mined> {
    // Other books may send with the same key: one nonce after the other.
    await this.#lock(client, action);
    try {
      return await this.#sendAlone(client, action, call);
    } finally {
      // A connection that is gone holds no lock.
      await client.query(SQL.unlockSender, [this.#parts.book.chainId, this.address]).catch(() => {});
    }
  }

  /** The one of these transactions that is mined and did what it should; null where none is. */
  async findMined(hashes: readonly Hex[]): Promise<Mined | null> {
    for (const hash of hashes) {
      const receipt: TransactionReceipt | null = await this.#parts.chain.provider.getTransactionReceipt(hash);
      if (receipt?.status !== 1) continue;
      const { blockNumber, gasUsed } = receipt;
      return { hash, blockNumber, gasUsed, blockHash: receipt.blockHash as Hex };
    }
    return null;
  }

  async #sendAlone(client: PoolClient, action: Action, call: Call): Promise<Mined> {
    const { clock, faults, options, stop } = this.#parts;
    const nonce = await this.nextNonce();
    let signed = await this.#transactionsFor(client, action, call, nonce);
    await faults(`${action.kind}-signed`, action.epoch);
    await this.#broadcast(signed[0]);
    await faults(`${action.kind}-broadcast`, action.epoch);

    const started = clock.nowMs();
    let [raisedAt, repeatedAt] = [started, started];
    for (;;) {
      const mined = await this.#minedOf(signed, action, nonce);
      if (mined) return mined;
      const now = clock.nowMs();
      if (stop.aborted || now - started > options.giveUpAfterMs) throw new NotMinedInTime(action);
      if (now - raisedAt > options.replaceAfterMs) {
        const higher = await this.#signed.raised(client, action, signed[0]);
        if (higher) signed = [higher, ...signed];
        if (higher) await faults("replacement-signed", action.epoch);
        raisedAt = now;
        repeatedAt = 0;
      }
      if (now - repeatedAt > REPEAT_AFTER_MS) {
        await this.#broadcast(signed[0]);
        repeatedAt = now;
      }
      await wait(POLL_MS);
    }
  }

  /** All that were ever signed for it; first the one to broadcast, which has this nonce. */
  async #transactionsFor(
    client: PoolClient,
    action: Action,
    call: Call,
    nonce: number,
  ): Promise<[SignedTransaction, ...SignedTransaction[]]> {
    const stored = await this.#signed.storedFor(client, action);
    const others = stored.filter((transaction) => transaction.nonce !== nonce);
    const [highest, ...lower] = stored.filter((transaction) => transaction.nonce === nonce);
    if (!highest) return [await this.#signed.first(client, action, call, nonce), ...others];
    // A finalize can be made with other signatures; what was signed stands as long as the registry takes it.
    if (dataOf(highest) === call.data || (await this.#signed.isPossible(highest)))
      return [highest, ...lower, ...others];
    return [await this.#signed.first(client, action, call, nonce), highest, ...lower, ...others];
  }

  /** @throws NonceMoved */
  async #minedOf(signed: readonly SignedTransaction[], action: Action, nonce: number): Promise<Mined | null> {
    const hashes = signed.map(({ hash }) => hash);
    const mined = await this.findMined(hashes);
    if (mined) return mined;
    const next = await this.nextNonce();
    if (next === nonce) return null;
    // Mined between the two questions, perhaps.
    const after = await this.findMined(hashes);
    if (!after) throw new NonceMoved(action, nonce, next);
    return after;
  }

  async #lock(client: PoolClient, action: Action): Promise<void> {
    const { book, clock, options, stop } = this.#parts;
    const started = clock.nowMs();
    for (;;) {
      const values = [book.chainId, this.address];
      if ((await firstRow<{ locked: boolean }>(client, SQL.lockSender, values))?.locked) return;
      if (stop.aborted || clock.nowMs() - started > options.giveUpAfterMs) throw new NotMinedInTime(action);
      await wait(POLL_MS);
    }
  }

  /** A node that has it already, or has mined it, says so by an error; receipts tell the truth. */
  async #broadcast(transaction: SignedTransaction): Promise<void> {
    try {
      await this.#parts.chain.provider.broadcastTransaction(transaction.raw);
    } catch (error) {
      if (isChainUnavailable(error)) throw error;
      this.#parts.log.info({ err: error, tx_hash: transaction.hash }, "the node did not take a transaction");
    }
  }
}
