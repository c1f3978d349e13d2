/**
 * A unit of work: all that one request does, decided at one moment and written
 * in one transaction, or not at all.
 *
 * `decide` is a pure function of what the view shows. It may run more than once
 * (when it reads something not yet loaded, or when its batch has to be decided
 * again), so it must not keep state, do I/O, read the time or draw random
 * numbers: ids come in from outside, time is `view.now`. It may throw a
 * DomainError: then nothing of it is written, and the caller gets the error.
 */
import type { Amount, UnixSeconds } from "#kernel";
import type { Hex, Section } from "#proof";
import type { Origin } from "./decide-transfer.ts";
import type { Json } from "./json.ts";
import type {
  Account,
  AccountRole,
  Asset,
  Hold,
  Owner,
  OwnerWallet,
  Position,
  Transfer,
  TransferRequest,
} from "./model.ts";
import type { TransferCode } from "./result-codes.ts";
import type { AnyRowTable, RowTable } from "./row-table.ts";

export interface Idempotency {
  /** Whose key it is: the token's `sub`. */
  readonly principal: string;
  readonly key: string;
  /** SHA-256 over method, path, query and canonical body, lower-case hex. */
  readonly fingerprint: string;
}

export interface Unit<R extends Json> {
  /** For the log. */
  readonly name: string;
  readonly idempotency?: Idempotency | undefined;
  /** Decided like any other, seen by none behind it, and never written. Default false. */
  readonly dryRun?: boolean;
  /** Bulk units enter a batch behind interactive ones, in slices. Default false. */
  readonly bulk?: boolean;
  /** About how many journal lines it writes; fills batches. Default 1. */
  readonly weight?: number;
  /** What it will read, so that the batch loads it in one round trip. Leaving something out costs time, never correctness. */
  readonly reads?: Reads;
  decide(view: View): R;
}

export interface Reads {
  readonly accounts?: readonly string[];
  /** By account id. */
  readonly positions?: readonly string[];
  readonly owners?: readonly string[];
  readonly assets?: readonly string[];
  /** Ids of transfers that may exist already. */
  readonly transfers?: readonly string[];
  /** Ids of pending transfers that may be posted or voided. */
  readonly pendings?: readonly string[];
  /** Places of chain events that may be in the journal already. */
  readonly chainEvents?: readonly ChainEventPlace[];
  readonly rows?: readonly RowRead[];
}

export interface ChainEventPlace {
  readonly chainId: number;
  /** Lower-case 0x-hex, 32 bytes. */
  readonly txHash: Hex;
  /** In its block. */
  readonly logIndex: number;
}

/** An event of a contract, in a block that is final. */
export interface ChainEvent extends ChainEventPlace {
  /** Of the book whose contract said it; lower-case 0x-hex, 20 bytes. */
  readonly registry: Hex;
  readonly block: number;
  /** Its name in the contract. */
  readonly event: string;
  /** With `ExitDemanded` and `DemandServed`, and no other: the account whose debits it stops, or allows again. */
  readonly account?: string;
}

export interface RowRead {
  readonly table: AnyRowTable;
  readonly key: Readonly<Record<string, Json>>;
}

export interface Submitted<R> {
  readonly value: R;
  /** True where this is the stored answer of an earlier request with the same key. */
  readonly replayed: boolean;
}

export interface AccountSpec {
  readonly asset: string;
  readonly role: AccountRole;
  readonly owner: string | null;
  /** What the account is for, within its role: an agreement, a strategy, an entity. */
  readonly reference?: string | null;
}

export interface PositionSpec {
  readonly account: string;
  readonly section: Section;
  /** Whose salt keys it. */
  readonly user: string;
  /** The key's parts, from the user on: see the settlement format. */
  readonly keyParts: readonly string[];
  readonly validUntil: UnixSeconds;
  readonly kind: number;
  readonly quantity: number;
  /** Statements about wallets that stand in the line; with one there is a line though nothing else changes. */
  readonly statements?: readonly Hex[];
}

/** Something that happened, for those who act on it: see docs/events.md. */
export interface LedgerEvent {
  /** Dotted, lower-case, past tense: `lock.created`. */
  readonly type: string;
  /** Whose it is: the user who may see it. Null where it is the ledger's own. */
  readonly subject: string | null;
  readonly data: { readonly [member: string]: Json };
}

export interface View {
  /** Ledger time of this batch. */
  readonly now: UnixSeconds;
  asset(code: string): Asset | null;
  account(id: string): Account | null;
  transfer(id: string): Transfer | null;
  hold(transferId: string): Hold | null;
  owner(id: string): Owner | null;
  position(account: string): Position | null;
  row<Row extends object, Key extends Readonly<Record<string, Json>>>(
    table: RowTable<Row, Key>,
    key: Key,
  ): Row | null;

  /** Posted credits − posted debits − pending debits: what can still be debited. 0 where there is no account. */
  availableBalance(accountId: string): Amount;
  /** The derived account of an owner's role, opened now where it does not exist. Answers its id. */
  openAccount(spec: AccountSpec): string;
  /** Opens an account under an id of the caller's (ledger API). */
  openAccountWithId(account: Account): void;
  /** The user's record with its salt, made now where there is none (`salt` is used then). */
  openOwner(id: string, salt: Uint8Array): Owner;
  rememberWallet(ownerId: string, walletAddress: Uint8Array): void;
  /** What the owner's positions of the asset carry from now on: new ones at once, others with their next line. */
  setOwnerWallet(ownerId: string, asset: string, wallet: OwnerWallet): void;
  /**
   * Decides one list of transfers with its linked chains; a code for each, in order.
   * @param origin whose rules hold; `list`, the default, is anybody's
   */
  tryTransfers(requests: readonly TransferRequest[], origin?: Origin): readonly TransferResult[];
  /** One transfer that this unit depends on: throws `insufficient_balance` where the debit side is short, and an assertion for every other code. */
  move(request: TransferRequest & { debitAccount: string; creditAccount: string; amount: Amount }): Transfer;
  /**
   * Writes a position line where any member but the amount appears or changes. It carries the wallet of its user.
   * Answers the position's 32-byte key.
   */
  setPosition(spec: PositionSpec): Uint8Array;
  /** Gives a position the wallet of its user, and changes nothing else of it. Answers false where it has it already. */
  carryWallet(account: string, user: string): boolean;
  /**
   * Closes an account for good: nothing new moves on it, holds for it can still be voided or expire. Writes a
   * journal line and tells of it (`account.closed`). Answers false, and does nothing, where it was closed before.
   * @throws DomainError `not_found`; `not_closable` with the reason: `system_account`, `has_a_position`, `balance_not_zero`,
   *   `debits_held`
   */
  closeAccount(id: string): boolean;
  /**
   * Writes the journal line of a chain event, directly before the transfers that this unit makes after it. Answers its
   * place in the journal; null, and does nothing, where the line was written before.
   */
  recordChainEvent(event: ChainEvent): number | null;
  putRow<Row extends object, Key extends Readonly<Record<string, Json>>>(
    table: RowTable<Row, Key>,
    row: Row,
  ): void;
  /** All of what `decide` does, or, where it throws a DomainError, none of it: then the answer is null, and the unit goes on. */
  attempt<R>(decide: () => R): R | null;
  /** Tells of what this unit does: written with it, or not at all. The order is that of the calls. */
  emit(event: LedgerEvent): void;
}

export interface TransferResult {
  readonly code: TransferCode;
  /** Of the line written, or of the earlier one for `exists`. */
  readonly transfer: Transfer | null;
}
