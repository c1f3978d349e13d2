/** What every unit of this program is made with, and the steps they share. */

import { type Amount, DomainError, type Ids } from "#kernel";
import { type AccountSpec, exitDemanded, type Ledger, type View } from "#ledger";
import { availableAccount } from "../accounts.ts";
import { tst } from "../answers.ts";

export interface UnitContext {
  readonly accountId: Ledger["accountId"];
  readonly ids: Ids;
}

/** What a unit draws before it is decided, because deciding must be repeatable. */
export interface Drawn {
  readonly transferId: string;
  readonly salt: Uint8Array;
}

const SALT_BYTES = 32;

export function draw(ids: Ids): Drawn {
  return { transferId: ids.uuid(), salt: ids.bytes(SALT_BYTES) };
}

/** The user's record; a wallet that came with the request is remembered, not proven. */
export function openUser(view: View, userId: string, salt: Uint8Array, wallet: Uint8Array | undefined): void {
  const owner = view.openOwner(userId, salt);
  if (wallet && !(owner.walletAddress && Buffer.from(owner.walletAddress).equals(wallet)))
    view.rememberWallet(userId, wallet);
}

/**
 * Moves TST from what the user has available to the account of a position.
 * Answers that account's id.
 * @throws DomainError `insufficient_balance`
 */
export function holdTst(
  view: View,
  held: {
    readonly transferId: string;
    readonly userId: string;
    readonly to: AccountSpec;
    readonly amount: Amount;
    readonly code: string;
    readonly reference: string;
  },
): string {
  const available = view.openAccount(availableAccount(held.userId));
  const balance = view.availableBalance(available);
  if (balance < held.amount) {
    throw new DomainError("insufficient_balance", "User does not have enough TST balance", {
      details: `Required: ${tst(held.amount)} TST, Available: ${tst(balance)} TST`,
    });
  }
  const account = view.openAccount(held.to);
  // What goes in would go out with the rest, to the owner's wallet.
  if (view.account(account)?.exitDemanded) throw exitDemanded();
  view.move({
    id: held.transferId,
    debitAccount: available,
    creditAccount: account,
    amount: held.amount,
    code: held.code,
    reference: held.reference,
  });
  return account;
}

/** The other way round: from a position's account back to its user. */
export function returnTst(
  view: View,
  returned: {
    readonly transferId: string;
    readonly userId: string;
    readonly from: string;
    readonly amount: Amount;
    readonly code: string;
    readonly reference: string;
  },
): void {
  view.move({
    id: returned.transferId,
    debitAccount: returned.from,
    creditAccount: view.openAccount(availableAccount(returned.userId)),
    amount: returned.amount,
    code: returned.code,
    reference: returned.reference,
  });
}

/** The key of a position that is known to exist. */
export function positionKeyOf(view: View, account: string): Uint8Array {
  const position = view.position(account);
  if (!position) throw new Error(`account ${account} has no position`);
  return position.key;
}
