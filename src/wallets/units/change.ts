/** How an announced change ends: it is cancelled, or it completes when its time is over. */
import { DomainError, type UnixSeconds } from "#kernel";
import type { Idempotency, Unit, View } from "#ledger";
import { encodeStatement, linkReference, type WalletSignature } from "#proof";
import { type LinkAnswer, linkAnswer } from "../answers.ts";
import { emitWallet } from "../events.ts";
import type { UserWallet } from "../model.ts";
import { putUsedWallet, putUserWallet, userWalletTable, walletOwnerTable } from "../tables.ts";
import { plainPosition, type UnitContext, walletBytes } from "./context.ts";

export interface CancelRequest {
  readonly userId: string;
  readonly asset: string;
  readonly number: number;
  /** The linked wallet's; null where the user asks with a token. */
  readonly byPrevious: WalletSignature | null;
}

/** @throws DomainError `not_found` where no such change is announced (any more) */
export function cancelUnit(
  context: UnitContext,
  request: CancelRequest,
  idempotency: Idempotency | undefined,
): Unit<LinkAnswer> {
  const { userId, asset, number, byPrevious } = request;
  const account = context.accountId(context.balanceAccountOf(userId, asset));
  return {
    name: "wallets.cancel",
    idempotency,
    reads: {
      ...{ accounts: [account], positions: [account], owners: [userId], assets: [asset] },
      rows: [{ table: userWalletTable, key: { user_id: userId, asset } }],
    },
    decide(view) {
      const known = view.row(userWalletTable, { user_id: userId, asset });
      const { announced } = known ?? { announced: null };
      if (!known || announced?.number !== number)
        throw new DomainError("not_found", "No change of that number is announced");
      if (byPrevious) {
        const { key: user, wallet: previous } = known;
        const message = { user, wallet: announced.wallet, previous, number: BigInt(number) };
        const statement = encodeStatement({ kind: "cancel", message, ...byPrevious });
        view.setPosition({ ...plainPosition(account, "balances", userId), statements: [statement] });
      }
      return linkAnswer("cancelled", endChange(view, known, byPrevious ? "wallet" : "user"));
    },
  };
}

/** Also for the watcher: the old wallet cancelled on-chain. */
export function endChange(view: View, known: UserWallet, by: "wallet" | "user" | "chain"): UserWallet {
  const ended: UserWallet = { ...known, announced: null };
  putUserWallet(view, ended);
  const { wallet, number } = known.announced ?? { wallet: null, number: null };
  emitWallet(view, "wallet.change_cancelled", known, { wallet, number, by });
  return ended;
}

/**
 * Completes an announced change that is still announced and due.
 * @param dueAt as docs/wallets.md counts it; the caller has seen the chain beyond it
 * @returns whether this unit did
 */
export function completeUnit(
  context: UnitContext,
  change: {
    readonly userId: string;
    readonly asset: string;
    readonly number: number;
    readonly dueAt: UnixSeconds;
  },
): Unit<boolean> {
  const { userId, asset, number, dueAt } = change;
  const account = context.accountId(context.balanceAccountOf(userId, asset));
  return {
    name: "wallets.complete",
    reads: {
      ...{ accounts: [account], positions: [account], owners: [userId], assets: [asset] },
      rows: [{ table: userWalletTable, key: { user_id: userId, asset } }],
    },
    decide(view) {
      const known = view.row(userWalletTable, { user_id: userId, asset });
      if (known?.announced?.number !== number || view.now < dueAt) return false;
      const { wallet } = known.announced;
      const owner = view.row(walletOwnerTable, { wallet });
      if (!owner) throw new Error("an announced wallet has an owner");
      view.putRow(walletOwnerTable, { ...owner, linkedAt: owner.linkedAt ?? view.now });
      view.setOwnerWallet(userId, asset, {
        wallet: walletBytes(wallet),
        proof: linkReference(known.key, BigInt(number)),
      });
      // The line that completes the change; it refers to the announcement.
      view.carryWallet(account, userId);
      const row: UserWallet = {
        ...{ ...known, wallet, linkedBy: number, linkedAt: view.now },
        ...{ carried: false, announced: null },
      };
      putUserWallet(view, row);
      putUsedWallet(view, row);
      emitWallet(view, "wallet.linked", row, { wallet, previous: known.wallet });
      return true;
    },
  };
}
