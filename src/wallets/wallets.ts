/**
 * Wallets and withdrawals as the API and the jobs call them. What is signed is
 * checked here, once, by the key or by the wallet's contract; who may have it
 * signed for is the unit's to decide. Whose request it is was decided by the
 * caller from the token.
 */
import type { DataSource } from "typeorm";
import { type Chain, checkWalletSignature, isChainUnavailable, type Log } from "#infra";
import { DomainError, type Ids, type UnixSeconds } from "#kernel";
import type { Idempotency, Json, Ledger, Submitted, Unit } from "#ledger";
import {
  cancelDigest,
  type Hex,
  linkDigest,
  type Opening,
  type WalletBook,
  type WalletSignature,
  ZERO_ADDRESS,
} from "#proof";
import type { PositionName, Settlement } from "#settlement";
import type { BalanceAccountOf } from "./accounts.ts";
import { type LinkAnswer, type WalletsAnswer, type WithdrawalAnswer, walletsAnswer } from "./answers.ts";
import { carryLink, dueOf, type FollowDeps, type Followed, followLinks } from "./follow-links.ts";
import { LONGEST_DEADLINE_SECONDS } from "./model.ts";
import { createWalletReads, type NextMessage, type WalletReads } from "./reads.ts";
import { type TypedLink, typedLink } from "./typed-link.ts";
import { type CancelRequest, cancelUnit } from "./units/change.ts";
import { invalidSignature, SALT_BYTES, type UnitContext } from "./units/context.ts";
import { linkUnit, type SignedLink } from "./units/link.ts";
import { withdrawUnit } from "./units/withdraw.ts";
import { type ClaimableWithdrawal, Withdrawals } from "./withdrawals.ts";

export interface WalletsOptions {
  readonly ledger: Pick<Ledger, "submit" | "accountId">;
  readonly dataSource: DataSource;
  /** The asset of the book. */
  readonly asset: string;
  readonly settlement: Pick<Settlement, "record" | "epochsOfLines" | "newestFinal" | "proof">;
  /** Null: the ledger settles nowhere. */
  readonly chain: Chain | null;
  readonly balanceAccountOf: BalanceAccountOf;
  /** Time of the newest final block whose events are known; null where nobody follows the chain. */
  readonly chainSeenUntil: () => Promise<UnixSeconds | null>;
  /** The newest block that no reorg takes away; null before anybody has looked. */
  readonly finalBlock: () => Promise<number | null>;
  readonly isFrozen: () => Promise<boolean>;
  readonly ids: Ids;
  readonly log: Log;
}

export interface LinkRequest {
  readonly userId: string;
  /** Lower case. */
  readonly wallet: Hex;
  readonly number: number;
  readonly deadline: UnixSeconds;
  readonly signature: Hex;
  readonly previousSignature: Hex | null;
}

/** With what shows that the message's user key is the user's own. */
export type OpenedLink = TypedLink & { readonly opening: Opening };

type Key = Idempotency | undefined;

const SUGGESTED_DEADLINE_SECONDS = 86_400;
const MOST_LISTED = 100;

export class Wallets {
  readonly #options: WalletsOptions;
  readonly #context: UnitContext;
  readonly #reads: WalletReads;
  readonly #withdrawals: Withdrawals;

  constructor(options: WalletsOptions) {
    const { ledger, ids, balanceAccountOf } = options;
    this.#options = options;
    this.#context = { accountId: (spec) => ledger.accountId(spec), ids, balanceAccountOf };
    this.#reads = createWalletReads(options.dataSource);
    this.#withdrawals = new Withdrawals(options.asset, options.settlement, this.#reads);
  }

  /** That they are linked for, and withdrawn. */
  get asset(): string {
    return this.#options.asset;
  }

  /** The message that a wallet signs to become a user's, for that user's eyes alone. @throws DomainError `not_found` without a book of tokens */
  async message(userId: string, wallet: Hex): Promise<OpenedLink> {
    const book = this.#requireBook();
    const next = (await this.#nextMessage(userId)) ?? (await this.#openOwner(userId));
    const { key, opening, number, previous, now } = next;
    const typed = typedLink(book, {
      ...{ user: key, wallet, previous: previous ?? ZERO_ADDRESS, number: BigInt(number) },
      deadline: BigInt(now + SUGGESTED_DEADLINE_SECONDS),
    });
    return { ...typed, opening };
  }

  /**
   * Links, changes or announces, as `linkUnit` says.
   * @throws DomainError `invalid_signature`, `wallet_taken`, `wallet_change_announced`, `invalid_request`, `unavailable`
   */
  async link(request: LinkRequest, key: Key): Promise<Submitted<LinkAnswer>> {
    const { ledger, asset, log } = this.#options;
    const signed = await refusalOf(this.#checkLink(request));
    const unit =
      signed instanceof DomainError
        ? refusedUnit<LinkAnswer>(signed, key)
        : linkUnit(this.#context, signed, key);
    const submitted = await ledger.submit(unit);
    if (submitted.value.status === "linked" && !submitted.replayed) {
      try {
        // Most users have few positions; what is left is the schedule's.
        const row = await this.#reads.userWallet(request.userId, asset);
        if (row && !row.carried) await carryLink(this.#follow(), row, 1);
      } catch (error) {
        log.warn({ err: error, user: request.userId }, "positions get their wallet by the schedule");
      }
    }
    return submitted;
  }

  async #checkLink(request: LinkRequest): Promise<SignedLink> {
    const book = this.#requireBook();
    const { userId, wallet, number, deadline } = request;
    const next = await this.#nextMessage(userId);
    // A message that was never made cannot have been signed.
    if (!next)
      throw invalidSignature("number", "Ask for the message to sign first: POST /api/v1/wallets/message");
    // Of another number nothing can be right: said first, since the signature is then of an older message.
    if (number !== next.number)
      throw invalidSignature(
        "number",
        `number is ${next.number} in the present message, not ${number}; ask for it again`,
      );
    if (deadline > next.now + LONGEST_DEADLINE_SECONDS)
      throw invalidSignature("deadline", "The deadline lies more than 7 days ahead");
    if (next.previous === null && request.previousSignature !== null)
      throw new DomainError("invalid_request", "previous_signature must be left out: no wallet is linked", {
        details: { member: "previous_signature" },
      });
    const previous = next.previous ?? ZERO_ADDRESS;
    const message = { user: next.key, wallet, previous, number: BigInt(number), deadline: BigInt(deadline) };
    const digest = linkDigest(book, message);
    const byWallet = await this.#requireSignature("signature", wallet, digest, request.signature);
    const byPrevious =
      request.previousSignature === null
        ? null
        : await this.#requireSignature("previous_signature", previous, digest, request.previousSignature);
    return { userId, asset: this.#options.asset, message, byWallet, byPrevious };
  }

  /**
   * Cancels an announced change.
   * @param caller the token's user, who needs no signature for an own change
   * @throws DomainError `not_found`, `unauthenticated`, `invalid_signature`, `unavailable`
   */
  async cancel(
    request: { readonly user: Hex; readonly number: number; readonly signature: Hex | null },
    caller: string | null,
    key: Key,
  ): Promise<Submitted<LinkAnswer>> {
    const checked = await refusalOf(this.#checkCancel(request, caller));
    return this.#options.ledger.submit(
      checked instanceof DomainError
        ? refusedUnit<LinkAnswer>(checked, key)
        : cancelUnit(this.#context, checked, key),
    );
  }

  async #checkCancel(
    request: { readonly user: Hex; readonly number: number; readonly signature: Hex | null },
    caller: string | null,
  ): Promise<CancelRequest> {
    const { asset } = this.#options;
    const book = this.#requireBook();
    const { user, number } = request;
    const row = await this.#reads.userWalletByKey(asset, user);
    if (request.signature === null && (row === null || row.userId !== caller))
      throw new DomainError(
        "unauthenticated",
        "This needs the linked wallet's signature, or the user's own token",
      );
    if (!row?.announced || row.announced.number !== number)
      throw new DomainError("not_found", "No change of that number is announced");
    const { wallet: previous, announced, userId } = row;
    const digest = cancelDigest(book, { user, wallet: announced.wallet, previous, number: BigInt(number) });
    const byPrevious =
      request.signature === null
        ? null
        : await this.#requireSignature("signature", previous, digest, request.signature);
    return { userId, asset, number, byPrevious };
  }

  async walletsOf(userId: string): Promise<WalletsAnswer> {
    const { asset } = this.#options;
    const [row, owned] = await Promise.all([
      this.#reads.userWallet(userId, asset),
      this.#reads.owned(userId, MOST_LISTED),
    ]);
    return walletsAnswer(asset, row, owned, row && ((await dueOf(this.#follow(), row))?.at ?? null));
  }

  /** @throws DomainError as `withdrawUnit` says, `frozen` */
  async withdraw(
    request: {
      readonly userId: string;
      readonly amount: string | number;
      readonly wallet: Hex | null;
    },
    key: Key,
  ): Promise<Submitted<WithdrawalAnswer>> {
    this.#requireBook();
    const { ledger, asset, isFrozen } = this.#options;
    const unit = (await isFrozen())
      ? refusedUnit<WithdrawalAnswer>(
          new DomainError("frozen", "The book is frozen: leave with the positions on-chain, by escape"),
          key,
        )
      : withdrawUnit(this.#context, { ...request, asset }, key);
    return ledger.submit(unit);
  }

  /** @throws DomainError `not_found` */
  withdrawal(id: string, caller: string | null): Promise<ClaimableWithdrawal> {
    return this.#withdrawals.one(id, caller);
  }

  /** A user's, the newest first, below a place. */
  withdrawals(userId: string, below: number | null, limit: number) {
    return this.#withdrawals.list(userId, below, limit);
  }

  /** Of which asset a withdrawal is; null where there is none. */
  async assetOf(withdrawalId: string): Promise<string | null> {
    return (await this.#reads.withdrawal(withdrawalId))?.asset ?? null;
  }

  /** The payouts position behind a withdrawal. */
  async payoutsOf(withdrawalId: string): Promise<PositionName | null> {
    const found = await this.#reads.withdrawal(withdrawalId);
    if (found?.asset !== this.#options.asset) return null;
    return { accountId: found.account, userId: found.userId, keyParts: [found.userId] };
  }

  /** For the schedule. */
  follow(): Promise<Followed> {
    return followLinks(this.#follow());
  }

  #follow(): FollowDeps {
    const { asset, ledger, settlement, chainSeenUntil, log } = this.#options;
    return {
      ...{ asset, ledger, log, chainSeenUntil, reads: this.#reads, context: this.#context },
      anchorOf: async (seq) => {
        const line = (await settlement.epochsOfLines([seq])).get(seq);
        if (line === undefined || line.status === "pending" || line.committedAt === null) return null;
        return { committedAt: line.committedAt, isFinal: line.status === "final" };
      },
    };
  }

  async #nextMessage(userId: string): Promise<NextMessage | null> {
    return this.#reads.nextMessage(userId, this.#options.asset);
  }

  /** A user who was never seen gets the salt that makes the user key. */
  async #openOwner(userId: string): Promise<NextMessage> {
    const salt = this.#context.ids.bytes(SALT_BYTES);
    await this.#options.ledger.submit({
      name: "wallets.open_owner",
      reads: { owners: [userId] },
      decide: (view) => {
        view.openOwner(userId, salt);
        return null;
      },
    });
    const next = await this.#nextMessage(userId);
    if (!next) throw new Error("a user that was opened is there");
    return next;
  }

  async #requireSignature(
    member: string,
    wallet: Hex,
    digest: Hex,
    signature: Hex,
  ): Promise<WalletSignature> {
    const { chain } = this.#options;
    if (!chain) throw noBook();
    try {
      const block = await checkWalletSignature(chain, { wallet, digest, signature }, () =>
        this.#finalBlock(),
      );
      if (block !== null) return { signature, block };
    } catch (error) {
      if (!isChainUnavailable(error)) throw error;
      throw chainAway();
    }
    throw new DomainError("invalid_signature", `${member} is not the wallet's, for the present message`, {
      details: { reason: "signature", member },
    });
  }

  async #finalBlock(): Promise<number> {
    const block = await this.#options.finalBlock();
    if (block === null) throw chainAway();
    return block;
  }

  #requireBook(): WalletBook {
    const { record } = this.#options.settlement;
    if (!record || BigInt(record.token) === 0n) throw noBook();
    return { chainId: BigInt(record.chain_id), registry: record.registry.toLowerCase() as Hex };
  }
}

/** What was found out beforehand is said by a unit, so that a request which was answered before is answered the same. */
function refusedUnit<R extends Json>(refusal: DomainError, idempotency: Key): Unit<R> {
  return {
    name: "wallets.refuse",
    idempotency,
    decide: () => {
      throw refusal;
    },
  };
}

async function refusalOf<T>(checking: Promise<T>): Promise<T | DomainError> {
  try {
    return await checking;
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
}

function chainAway(): DomainError {
  return new DomainError("unavailable", "The chain does not answer; it was to be asked about the wallet", {
    retryAfterSeconds: 5,
  });
}

function noBook(): DomainError {
  return new DomainError("not_found", "This ledger has no tokens on a chain, and so no wallets");
}
