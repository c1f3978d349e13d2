/**
 * Sends one action of the outbox and waits until it is mined. A transaction is
 * stored, signed, before it is broadcast, and no hash is ever forgotten: after a
 * crash the same bytes go out again. Where the chain does not mine it, the same
 * nonce is signed again with a higher fee, up to a cap.
 *
 * That an epoch cannot be committed twice is the contract's doing (a commit names
 * its predecessor); this file sees to it that it is not even tried.
 */
import { setTimeout as wait } from "node:timers/promises";
import { isError, Transaction, type TransactionReceipt, type Wallet } from "ethers";
import type { PoolClient } from "pg";
import { type Chain, contractRefusal, isChainUnavailable, type Log } from "#infra";
import type { Clock } from "#kernel";
import type { Hex } from "#proof";
import type { Faults } from "./faults.ts";
import type { Action, BookRow } from "./model.ts";
import { firstRow, rows, SQL } from "./sql.ts";

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
  readonly gasUsed: bigint;
}

/** The contract says no: sending it would only burn gas. Needs a person. */
export class ActionRefused extends Error {
  readonly action: Action;

  constructor(action: Action, reason: string, cause?: unknown) {
    super(`the ${action.kind} of epoch ${action.epoch} is refused: ${reason}`, { cause });
    this.name = "ActionRefused";
    this.action = action;
  }
}

/** Not mined in time. Nothing is lost: the next run watches and repeats the same transactions. */
export class NotMinedInTime extends Error {
  constructor(action: Action) {
    super(`the ${action.kind} of epoch ${action.epoch} is not mined yet`);
    this.name = "NotMinedInTime";
  }
}

interface SignedTransaction {
  readonly hash: Hex;
  readonly nonce: number;
  readonly raw: string;
  readonly max_fee_per_gas: bigint;
  readonly max_priority_fee_per_gas: bigint;
}

interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

const POLL_MS = 100;
/** A node that was restarted may have lost what it was given. */
const REPEAT_AFTER_MS = 5_000;
const GAS_MARGIN_PERCENT = 125n;

export class Sender {
  readonly #chain: Chain;
  readonly #signer: Wallet;
  readonly #book: BookRow;
  readonly #options: SenderOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #faults: Faults;
  readonly #stop: AbortSignal;

  /** @throws Error where the connection has no key */
  constructor(parts: {
    chain: Chain;
    book: BookRow;
    options: SenderOptions;
    clock: Clock;
    log: Log;
    faults: Faults;
    /** Ends the waiting for blocks. */
    stop: AbortSignal;
  }) {
    if (!parts.chain.signer) throw new Error("settling needs a chain connection with the operator's key");
    this.#chain = parts.chain;
    this.#signer = parts.chain.signer;
    this.#book = parts.book;
    this.#options = parts.options;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#faults = parts.faults;
    this.#stop = parts.stop;
  }

  /**
   * @param client the connection that holds the book's lock: where it is lost, storing fails and nothing is sent
   * @throws ActionRefused, NotMinedInTime, or what `isChainUnavailable` knows
   */
  async send(client: PoolClient, action: Action, calldata: Hex): Promise<Mined> {
    const started = this.#clock.nowMs();
    let signed = await this.#storedFor(client, action);
    const nonce = await this.#nextNonce();
    let ours = signed.filter((transaction) => transaction.nonce === nonce);
    if (ours.length === 0) ours = [await this.#signFirst(client, action, calldata, nonce)];
    signed = [...ours, ...signed.filter((transaction) => transaction.nonce !== nonce)];
    await this.#faults("signed", action.epoch);
    for (const transaction of ours) await this.#broadcast(transaction);
    await this.#faults("broadcast", action.epoch);

    let raisedAt = started;
    let repeatedAt = started;
    for (;;) {
      const mined = await this.findMined(signed.map(({ hash }) => hash));
      if (mined) return mined;
      if (await this.#overtaken(nonce, ours))
        throw new ActionRefused(action, "its nonce went to a transaction that reverted or is not ours");
      const now = this.#clock.nowMs();
      if (this.#stop.aborted || now - started > this.#options.giveUpAfterMs) throw new NotMinedInTime(action);
      if (now - raisedAt > this.#options.replaceAfterMs) {
        const higher = await this.#raise(client, action, calldata, ours[0] as SignedTransaction);
        if (higher) {
          ours = [higher, ...ours];
          signed = [higher, ...signed];
        }
        raisedAt = now;
        repeatedAt = 0;
      }
      if (now - repeatedAt > REPEAT_AFTER_MS) {
        await this.#broadcast(ours[0] as SignedTransaction);
        repeatedAt = now;
      }
      await wait(POLL_MS);
    }
  }

  /** The one of these transactions that is mined and did what it should; null where none is. */
  async findMined(hashes: readonly Hex[]): Promise<Mined | null> {
    for (const hash of hashes) {
      const receipt: TransactionReceipt | null = await this.#chain.provider.getTransactionReceipt(hash);
      if (receipt?.status === 1) return { hash, blockNumber: receipt.blockNumber, gasUsed: receipt.gasUsed };
    }
    return null;
  }

  /** The nonce was used, and by none of ours with success: another look must decide what happens next. */
  async #overtaken(nonce: number, ours: readonly SignedTransaction[]): Promise<boolean> {
    if ((await this.#nextNonce()) <= nonce) return false;
    return (await this.findMined(ours.map(({ hash }) => hash))) === null;
  }

  #nextNonce(): Promise<number> {
    return this.#chain.provider.getTransactionCount(this.#signer.address, "latest");
  }

  async #signFirst(client: PoolClient, action: Action, data: Hex, nonce: number): Promise<SignedTransaction> {
    const gasLimit = ((await this.#estimateGas(action, data)) * GAS_MARGIN_PERCENT) / 100n;
    return this.#sign(client, action, data, nonce, { gasLimit, ...(await this.#currentFees()) });
  }

  async #sign(
    client: PoolClient,
    action: Action,
    data: Hex,
    nonce: number,
    offer: Fees & { gasLimit: bigint },
  ): Promise<SignedTransaction> {
    const call = { to: this.#book.registry, data, value: 0n };
    const transaction = Transaction.from({ ...call, type: 2, chainId: this.#book.chainId, nonce, ...offer });
    const raw = await this.#signer.signTransaction(transaction);
    const hash = Transaction.from(raw).hash as Hex;
    await client.query(SQL.insertTransaction, [
      hash,
      this.#book.id,
      action.epoch,
      action.kind,
      this.#signer.address.toLowerCase(),
      nonce,
      offer.maxFeePerGas,
      offer.maxPriorityFeePerGas,
      raw,
    ]);
    this.#log.info({ ...action, tx_hash: hash, nonce }, "signed");
    return {
      hash,
      nonce,
      raw,
      max_fee_per_gas: offer.maxFeePerGas,
      max_priority_fee_per_gas: offer.maxPriorityFeePerGas,
    };
  }

  /** A call that would revert is found out here, before it costs anything. */
  async #estimateGas(action: Action, data: Hex): Promise<bigint> {
    const call = { to: this.#book.registry, data, from: this.#signer.address };
    try {
      return await this.#chain.provider.estimateGas(call);
    } catch (error) {
      const refusal = contractRefusal(error);
      if (refusal) throw new ActionRefused(action, `${refusal.name}(${refusal.args.join(", ")})`, error);
      if (isError(error, "CALL_EXCEPTION")) throw new ActionRefused(action, error.shortMessage, error);
      throw error;
    }
  }

  async #currentFees(): Promise<Fees> {
    const { maxFeePerGas, maxPriorityFeePerGas, gasPrice } = await this.#chain.provider.getFeeData();
    const cap = this.#options.maxFeePerGas;
    const fee = least(maxFeePerGas ?? gasPrice ?? cap, cap);
    return { maxFeePerGas: fee, maxPriorityFeePerGas: least(maxPriorityFeePerGas ?? fee, fee) };
  }

  /** The same nonce for an eighth more, the least a node takes as a replacement; null at the cap. */
  async #raise(
    client: PoolClient,
    action: Action,
    data: Hex,
    transaction: SignedTransaction,
  ): Promise<SignedTransaction | null> {
    const current = await this.#currentFees();
    const maxFeePerGas = most(raised(transaction.max_fee_per_gas), current.maxFeePerGas);
    if (maxFeePerGas > this.#options.maxFeePerGas) {
      this.#log.warn({ ...action, nonce: transaction.nonce }, "not mined, and the fee is at its cap");
      return null;
    }
    const tip = most(raised(transaction.max_priority_fee_per_gas), current.maxPriorityFeePerGas);
    // Not estimated again: a node that counts what is pending would find the epoch committed already.
    const { gasLimit } = Transaction.from(transaction.raw);
    const offer = { gasLimit, maxFeePerGas, maxPriorityFeePerGas: least(tip, maxFeePerGas) };
    this.#log.warn({ ...action, nonce: transaction.nonce }, "not mined in time: raising the fee");
    return this.#sign(client, action, data, transaction.nonce, offer);
  }

  /** A node that has it already, or has mined it, says so by an error; receipts tell the truth. */
  async #broadcast(transaction: SignedTransaction): Promise<void> {
    try {
      await this.#chain.provider.broadcastTransaction(transaction.raw);
    } catch (error) {
      if (isChainUnavailable(error)) throw error;
      this.#log.info({ err: error, tx_hash: transaction.hash }, "the node did not take a transaction");
    }
  }

  /** Of this key alone: a nonce means nothing to another. Highest nonce and fee first. */
  #storedFor(client: PoolClient, action: Action): Promise<SignedTransaction[]> {
    const values = [this.#book.id, action.epoch, action.kind, this.#signer.address.toLowerCase()];
    return rows<SignedTransaction>(client, SQL.transactionsOfAction, values);
  }
}

/** What an action does: the calldata written when its epoch was closed. */
export async function calldataOf(client: PoolClient, book: BookRow, action: Action): Promise<Hex> {
  const values = [book.id, action.epoch, action.kind];
  const row = await firstRow<{ calldata: Hex }>(client, SQL.loadCalldata, values);
  if (!row) throw new Error(`the outbox has no ${action.kind} of epoch ${action.epoch}`);
  return row.calldata;
}

function raised(fee: bigint): bigint {
  return fee + fee / 8n + 1n;
}

function least(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function most(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
