/**
 * What a signed message does: links a user's first wallet, changes to another
 * one where the old one signed too, else announces the change. The signatures
 * were checked by the caller, over the members that are given here; whether those
 * are the user's next ones is decided here, so that of two requests one holds.
 */
import { DomainError } from "#kernel";
import type { Idempotency, Unit, View } from "#ledger";
import { encodeStatement, type Hex, type LinkMessage, linkReference, type WalletSignature } from "#proof";
import { type LinkAnswer, linkAnswer } from "../answers.ts";
import { emitWallet } from "../events.ts";
import type { UserWallet } from "../model.ts";
import {
  putUsedWallet,
  putUserWallet,
  usedWalletTable,
  userWalletByKeyTable,
  userWalletTable,
  walletOwnerTable,
} from "../tables.ts";
import { invalidSignature, NO_WALLET, plainPosition, type UnitContext, walletBytes } from "./context.ts";

export interface SignedLink {
  readonly userId: string;
  readonly asset: string;
  readonly message: LinkMessage;
  readonly byWallet: WalletSignature;
  /** The wallet's that is linked now. */
  readonly byPrevious: WalletSignature | null;
}

/** @throws DomainError `invalid_signature`, `wallet_taken`, `wallet_change_announced`, `invalid_request` */
export function linkUnit(
  context: UnitContext,
  request: SignedLink,
  idempotency: Idempotency | undefined,
): Unit<LinkAnswer> {
  const { userId, asset, message } = request;
  const spec = context.balanceAccountOf(userId, asset);
  const account = context.accountId(spec);
  return {
    name: "wallets.link",
    idempotency,
    weight: 2,
    reads: {
      ...{ accounts: [account], positions: [account], owners: [userId], assets: [asset] },
      rows: [
        { table: userWalletTable, key: { user_id: userId, asset } },
        { table: walletOwnerTable, key: { wallet: message.wallet } },
        { table: usedWalletTable, key: { asset, wallet: message.wallet } },
        { table: userWalletByKeyTable, key: { asset, key: message.user } },
      ],
    },
    decide(view) {
      const known = view.row(userWalletTable, { user_id: userId, asset });
      requireNext(view, known, message);
      bind(view, request, known === null || request.byPrevious !== null);
      view.openAccount(spec);
      return known && !request.byPrevious
        ? announce(view, request, known, account)
        : linkNow(view, request, known, account);
    },
  };
}

function requireNext(view: View, known: UserWallet | null, message: LinkMessage): void {
  const { number, previous, deadline, wallet } = message;
  const next = (known?.number ?? 0) + 1;
  if (number !== BigInt(next) || previous !== (known?.wallet ?? NO_WALLET))
    throw invalidSignature(
      "number",
      `The message to sign has changed: its number is ${next} now; ask for it again`,
    );
  if (deadline < BigInt(view.now)) throw invalidSignature("expired", "The signature's deadline is over");
  if (wallet === known?.wallet)
    throw new DomainError("invalid_request", "wallet is linked already", { details: { member: "wallet" } });
}

/** A wallet belongs to the user that it first signed for. */
function bind(view: View, { userId, message }: SignedLink, links: boolean): void {
  const owner = view.row(walletOwnerTable, { wallet: message.wallet });
  if (owner && owner.userId !== userId)
    throw new DomainError("wallet_taken", "The wallet belongs to another user, for ever");
  const linkedAt = owner?.linkedAt ?? (links ? view.now : null);
  const row = { wallet: message.wallet, userId, boundAt: owner?.boundAt ?? view.now, linkedAt };
  view.putRow(walletOwnerTable, row);
}

function linkNow(view: View, request: SignedLink, known: UserWallet | null, account: string): LinkAnswer {
  const { userId, asset, message, byWallet, byPrevious } = request;
  const { user, wallet, number } = message;
  const statements: Hex[] = [encodeStatement({ kind: "link", message, signer: "wallet", ...byWallet })];
  if (byPrevious)
    statements.push(encodeStatement({ kind: "link", message, signer: "previous", ...byPrevious }));
  const proof = linkReference(user, number);
  view.setOwnerWallet(userId, asset, { wallet: walletBytes(wallet), proof });
  view.setPosition({ ...plainPosition(account, "balances", userId), statements });
  const linked: UserWallet = {
    ...{ userId, asset, key: user, number: (known?.number ?? 0) + 1, wallet },
    ...{ linkedBy: (known?.number ?? 0) + 1, linkedAt: view.now, carried: false, announced: null },
  };
  putUserWallet(view, linked);
  putUsedWallet(view, linked);
  emitWallet(view, "wallet.linked", linked, { wallet, previous: known?.wallet ?? null });
  return linkAnswer("linked", linked);
}

function announce(view: View, request: SignedLink, known: UserWallet, account: string): LinkAnswer {
  const { userId, message, byWallet } = request;
  if (known.announced)
    throw new DomainError(
      "wallet_change_announced",
      "Another change is announced; cancel it first, or let the linked wallet sign too",
      { details: { number: known.announced.number } },
    );
  const statement = encodeStatement({ kind: "link", message, signer: "wallet", ...byWallet });
  view.setPosition({ ...plainPosition(account, "balances", userId), statements: [statement] });
  const number = known.number + 1;
  const announced = { wallet: message.wallet, number, at: view.now, statement };
  const row: UserWallet = { ...known, number, announced };
  putUserWallet(view, row);
  emitWallet(view, "wallet.change_announced", row, { wallet: message.wallet, previous: known.wallet });
  return linkAnswer("announced", row);
}
