/** What every unit here is made with, and the steps they share. */
import { DomainError, type Ids } from "#kernel";
import type { AccountSpec, Ledger, PositionSpec, View } from "#ledger";
import type { Hex } from "#proof";
import type { BalanceAccountOf } from "../accounts.ts";

export interface UnitContext {
  readonly accountId: Ledger["accountId"];
  readonly ids: Ids;
  readonly balanceAccountOf: BalanceAccountOf;
}

export const SALT_BYTES = 32;
export const NO_WALLET: Hex = `0x${"00".repeat(20)}`;

export function walletBytes(wallet: Hex): Uint8Array {
  return Buffer.from(wallet.slice(2), "hex");
}

/** The position of an account whose leaf says nothing but owner and amount. */
export function plainPosition(
  account: string,
  section: "balances" | "payouts",
  user: string,
): Omit<PositionSpec, "statements"> {
  return { account, section, user, keyParts: [user], validUntil: 0, kind: 0, quantity: 0 };
}

/** The account, with its position; both made now where they are not there. Answers its id. */
export function openWithPosition(
  view: View,
  spec: AccountSpec,
  section: "balances" | "payouts",
  user: string,
): string {
  const account = view.openAccount(spec);
  view.setPosition(plainPosition(account, section, user));
  return account;
}

export function invalidSignature(reason: string, message: string): DomainError {
  return new DomainError("invalid_signature", message, { details: { reason } });
}
