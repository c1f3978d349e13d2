/**
 * The transactions that were ever signed for an action: stored before anybody
 * can see them, and never forgotten. Also what they offer: the fee of the moment,
 * an eighth more than whatever has the nonce already, up to a cap.
 */
import { isError, Transaction, type Wallet } from "ethers";
import type { PoolClient } from "pg";
import { type Chain, type ContractRefusal, contractRefusal, type Log } from "#infra";
import type { Hex } from "#proof";
import type { Action, BookRow } from "./model.ts";
import { rows, SQL } from "./sql.ts";

/** The contract says no: sending it would only burn gas. Needs a person. */
export class ActionRefused extends Error {
  readonly action: Action;

  constructor(action: Action, reason: string, cause?: unknown) {
    super(`the ${action.kind} of epoch ${action.epoch} is refused: ${reason}`, { cause });
    this.name = "ActionRefused";
    this.action = action;
  }
}

/** What an action does. */
export interface Call {
  readonly to: Hex;
  readonly data: Hex;
}

export interface SignedTransaction {
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

const GAS_MARGIN_PERCENT = 125n;

export interface SignedTransactionsParts {
  readonly chain: Chain;
  readonly signer: Wallet;
  readonly book: BookRow;
  /** No transaction offers more, in wei a gas. */
  readonly maxFeePerGas: bigint;
  readonly log: Log;
}

export class SignedTransactions {
  readonly #parts: SignedTransactionsParts;

  constructor(parts: SignedTransactionsParts) {
    this.#parts = parts;
  }

  /** Of this key alone: a nonce means nothing to another. Highest nonce and fee first. */
  storedFor(client: PoolClient, action: Action): Promise<SignedTransaction[]> {
    const { book, signer } = this.#parts;
    const values = [book.id, action.kind, action.subject, signer.address.toLowerCase()];
    return rows<SignedTransaction>(client, SQL.transactionsOfAction, values);
  }

  /** The first with this nonce for this action. @throws ActionRefused */
  async first(client: PoolClient, action: Action, call: Call, nonce: number): Promise<SignedTransaction> {
    const [gas, offer] = await Promise.all([
      this.#estimateGas(action, call),
      this.#offeredAt(client, nonce).then((before) => this.#offer(before)),
    ]);
    const gasLimit = (gas * GAS_MARGIN_PERCENT) / 100n;
    return this.#sign(client, action, { ...call, nonce, gasLimit, ...offer });
  }

  /** The same for an eighth more, the least a node takes as a replacement; null at the cap. */
  async raised(
    client: PoolClient,
    action: Action,
    transaction: SignedTransaction,
  ): Promise<SignedTransaction | null> {
    const { nonce, max_fee_per_gas: maxFeePerGas } = transaction;
    const log = this.#parts.log.child({ ...action, nonce });
    if (raised(maxFeePerGas) > this.#parts.maxFeePerGas) {
      log.warn({}, "not mined, and the fee is at its cap");
      return null;
    }
    log.warn({}, "not mined in time: raising the fee");
    const offer = await this.#offer({
      maxFeePerGas,
      maxPriorityFeePerGas: transaction.max_priority_fee_per_gas,
    });
    // Not estimated again: a node that counts what is pending would find it done already.
    const { gasLimit, data, to } = Transaction.from(transaction.raw);
    return this.#sign(client, action, { to: to as Hex, data: data as Hex, nonce, gasLimit, ...offer });
  }

  /** Whether the contract would take it now, on what is mined. */
  async isPossible({ raw }: SignedTransaction): Promise<boolean> {
    const { to, data } = Transaction.from(raw);
    const from = this.#parts.signer.address;
    try {
      await this.#parts.chain.provider.call({ from, to, data, blockTag: "latest" });
      return true;
    } catch (error) {
      if (isError(error, "CALL_EXCEPTION")) return false;
      throw error;
    }
  }

  /** What has this nonce already, for whatever action: a node takes another in its place only for more. */
  async #offeredAt(client: PoolClient, nonce: number): Promise<Fees | null> {
    const { book, signer } = this.#parts;
    const values = [book.chainId, signer.address.toLowerCase(), nonce];
    const [highest] = await rows<SignedTransaction>(client, SQL.transactionsAtNonce, values);
    return highest
      ? { maxFeePerGas: highest.max_fee_per_gas, maxPriorityFeePerGas: highest.max_priority_fee_per_gas }
      : null;
  }

  async #offer(before: Fees | null): Promise<Fees> {
    const { maxFeePerGas, maxPriorityFeePerGas, gasPrice } = await this.#parts.chain.provider.getFeeData();
    const cap = this.#parts.maxFeePerGas;
    const current = least(maxFeePerGas ?? gasPrice ?? cap, cap);
    const fee = before ? least(most(raised(before.maxFeePerGas), current), cap) : current;
    const tip = maxPriorityFeePerGas ?? fee;
    const priority = before ? most(raised(before.maxPriorityFeePerGas), tip) : tip;
    return { maxFeePerGas: fee, maxPriorityFeePerGas: least(priority, fee) };
  }

  async #sign(
    client: PoolClient,
    action: Action,
    content: Call & Fees & { nonce: number; gasLimit: bigint },
  ): Promise<SignedTransaction> {
    const { book, signer, log } = this.#parts;
    const transaction = Transaction.from({ ...content, value: 0n, type: 2, chainId: book.chainId });
    const raw = await signer.signTransaction(transaction);
    const hash = Transaction.from(raw).hash as Hex;
    const { nonce, maxFeePerGas, maxPriorityFeePerGas } = content;
    await client.query(SQL.insertTransaction, [
      ...[hash, book.id, action.epoch, action.kind, action.subject, signer.address.toLowerCase()],
      ...[nonce, maxFeePerGas, maxPriorityFeePerGas, raw],
    ]);
    log.info({ ...action, tx_hash: hash, nonce }, "signed");
    return {
      ...{ hash, nonce, raw },
      ...{ max_fee_per_gas: maxFeePerGas, max_priority_fee_per_gas: maxPriorityFeePerGas },
    };
  }

  /** A call that would revert is found out here, before it costs anything. */
  async #estimateGas(action: Action, { to, data }: Call): Promise<bigint> {
    const { chain, signer } = this.#parts;
    try {
      return await chain.provider.estimateGas({ to, data, from: signer.address });
    } catch (error) {
      const refusal = contractRefusal(error);
      if (refusal) throw new ActionRefused(action, reasonOf(refusal), error);
      if (isError(error, "CALL_EXCEPTION")) throw new ActionRefused(action, error.shortMessage, error);
      throw error;
    }
  }
}

/** A freeze is for nobody to mend; anything else is looked up by its name. */
function reasonOf({ name, args }: ContractRefusal): string {
  return name === "BookFrozen"
    ? "the book is frozen on-chain, and nothing settles any more"
    : `${name}(${args.join(", ")})`;
}

export function dataOf({ raw }: SignedTransaction): Hex {
  return Transaction.from(raw).data as Hex;
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
