/**
 * What follows a link, in bounded steps: the user's other positions get the
 * wallet, and what had come in by it before goes over to the user. Each step asks
 * again what is still to do, so that it is done once however often it is begun.
 */
import type { Unit } from "#ledger";
import { depositedAccount, ownerOfWallet } from "../accounts.ts";
import type { UserWallet } from "../model.ts";
import { putUserWallet, userWalletTable } from "../tables.ts";
import { openWithPosition, type UnitContext } from "./context.ts";

type Link = Pick<UserWallet, "userId" | "asset" | "wallet" | "linkedBy">;

/** Gives positions of the user its present wallet. Answers how many did not have it. */
export function carryUnit({ userId, asset }: Link, accounts: readonly string[]): Unit<number> {
  return {
    name: "wallets.carry",
    bulk: true,
    weight: accounts.length,
    reads: { accounts, positions: accounts, owners: [userId], assets: [asset] },
    decide: (view) => accounts.filter((account) => view.carryWallet(account, userId)).length,
  };
}

/**
 * Moves what came in by the wallet to the user. Only after the line that links is written: in the journal it goes
 * from a position of the wallet to one of the user whose wallet it is.
 * @returns false where its owner has demanded to leave with it on-chain, so that it has to wait
 */
export function takeOverUnit(context: UnitContext, link: Link): Unit<boolean> {
  const { userId, asset, wallet } = link;
  const transferId = context.ids.uuid();
  const deposited = context.accountId(depositedAccount(wallet, asset));
  const spec = context.balanceAccountOf(userId, asset);
  const balance = context.accountId(spec);
  return {
    name: "wallets.take_over",
    weight: 2,
    reads: {
      ...{ accounts: [deposited, balance], positions: [deposited, balance] },
      ...{ owners: [userId, ownerOfWallet(wallet)], assets: [asset] },
      rows: [{ table: userWalletTable, key: { user_id: userId, asset } }],
    },
    decide(view) {
      const known = view.row(userWalletTable, { user_id: userId, asset });
      const amount = view.availableBalance(deposited);
      if (amount === 0n || known?.linkedBy !== link.linkedBy) return true;
      if (view.account(deposited)?.exitDemanded) return false;
      openWithPosition(view, spec, "balances", userId);
      view.move({
        ...{ id: transferId, debitAccount: deposited, creditAccount: balance, amount },
        code: "wallet_linked",
      });
      return true;
    },
  };
}

/** All is done for this link, unless another one came meanwhile. */
export function carriedUnit({ userId, asset, linkedBy }: Link): Unit<boolean> {
  return {
    name: "wallets.carried",
    reads: { rows: [{ table: userWalletTable, key: { user_id: userId, asset } }] },
    decide(view) {
      const known = view.row(userWalletTable, { user_id: userId, asset });
      if (!known || known.carried || known.linkedBy !== linkedBy) return false;
      putUserWallet(view, { ...known, carried: true });
      return true;
    },
  };
}
