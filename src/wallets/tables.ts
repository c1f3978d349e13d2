/**
 * The tables as the writer sees them. A user's wallet is found by its user and,
 * for what the chain tells of, by its key; both readings are one row, and
 * whoever writes it puts it under both.
 */
import { readFileSync } from "node:fs";
import { column, columns, type RowTable, type View } from "#ledger";
import { type Hex, toHex } from "#proof";
import type { UsedWallet, UserWallet, WalletOwner, Withdrawal } from "./model.ts";

export function sqlText(name: string): string {
  return readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), "utf8");
}

export type DbRecord = Readonly<Record<string, unknown>>;

const hex = (value: unknown): Hex => toHex(value as Uint8Array);

export function toWalletOwner(r: DbRecord): WalletOwner {
  return {
    wallet: hex(r.wallet),
    userId: r.user_id as string,
    boundAt: r.bound_at as number,
    linkedAt: r.linked_at as number | null,
  };
}

export function toUserWallet(r: DbRecord): UserWallet {
  return {
    userId: r.user_id as string,
    asset: r.asset as string,
    key: hex(r.key),
    number: r.number as number,
    wallet: hex(r.wallet),
    linkedBy: r.linked_by as number,
    linkedAt: r.linked_at as number,
    carried: r.carried as boolean,
    announced:
      r.announced_wallet === null
        ? null
        : {
            wallet: hex(r.announced_wallet),
            number: r.announced_number as number,
            at: r.announced_at as number,
            statement: r.announcement as Hex,
          },
  };
}

export function toWithdrawal(r: DbRecord): Withdrawal {
  return {
    id: r.id as string,
    userId: r.user_id as string,
    asset: r.asset as string,
    account: r.account as string,
    transfer: r.transfer as string,
    wallet: hex(r.wallet),
    amount: r.amount as bigint,
    total: r.total as bigint,
    createdAt: r.created_at as number,
  };
}

export const walletOwnerTable: RowTable<WalletOwner, { wallet: string }> = {
  name: "wallet_owner",
  load: { sql: sqlText("load-wallet-owners"), parameters: columns(column.text((key) => key.wallet)) },
  save: {
    sql: sqlText("save-wallet-owners"),
    parameters: columns(
      column.text((row) => row.wallet),
      column.text((row) => row.userId),
      column.int((row) => row.boundAt),
      column.int((row) => row.linkedAt),
    ),
  },
  keyOf: (row) => ({ wallet: row.wallet }),
  decode: toWalletOwner,
};

/** Written after `wallet_owner` (tables are written by name), which it refers to; so is the next. */
export const usedWalletTable: RowTable<UsedWallet, { asset: string; wallet: string }> = {
  name: "wallet_used",
  load: {
    sql: sqlText("load-used-wallets"),
    parameters: columns(
      column.text((key) => key.asset),
      column.text((key) => key.wallet),
    ),
  },
  save: {
    sql: sqlText("save-used-wallets"),
    parameters: columns(
      column.text((row) => row.asset),
      column.text((row) => row.wallet),
      column.text((row) => row.userId),
      column.int((row) => row.since),
    ),
  },
  keyOf: (row) => ({ asset: row.asset, wallet: row.wallet }),
  decode: (r) => ({
    asset: r.asset as string,
    wallet: hex(r.wallet),
    userId: r.user_id as string,
    since: r.since as number,
  }),
};

export const userWalletTable: RowTable<UserWallet, { user_id: string; asset: string }> = {
  name: "wallet_user",
  load: {
    sql: sqlText("load-user-wallets"),
    parameters: columns(
      column.text((key) => key.user_id),
      column.text((key) => key.asset),
    ),
  },
  save: {
    sql: sqlText("save-user-wallets"),
    parameters: columns(
      column.text((row) => row.userId),
      column.text((row) => row.asset),
      column.text((row) => row.key),
      column.int((row) => row.number),
      column.text((row) => row.wallet),
      column.int((row) => row.linkedBy),
      column.int((row) => row.linkedAt),
      column.boolean((row) => row.carried),
      column.text((row) => row.announced?.wallet ?? null),
      column.int((row) => row.announced?.number ?? null),
      column.int((row) => row.announced?.at ?? null),
      column.text((row) => row.announced?.statement ?? null),
    ),
  },
  keyOf: (row) => ({ user_id: row.userId, asset: row.asset }),
  decode: toUserWallet,
};

export const userWalletByKeyTable: RowTable<UserWallet, { asset: string; key: string }> = {
  name: "wallet_user_by_key",
  load: {
    sql: sqlText("load-user-wallets-by-key"),
    parameters: columns(
      column.text((key) => key.asset),
      column.text((key) => key.key),
    ),
  },
  save: null,
  keyOf: (row) => ({ asset: row.asset, key: row.key }),
  decode: toUserWallet,
};

export const withdrawalTable: RowTable<Withdrawal, { id: string }> = {
  name: "withdrawal",
  load: { sql: sqlText("load-withdrawals"), parameters: columns(column.text((key) => key.id)) },
  save: {
    sql: sqlText("save-withdrawals"),
    parameters: columns(
      column.text((row) => row.id),
      column.text((row) => row.userId),
      column.text((row) => row.asset),
      column.uuid((row) => row.account),
      column.uuid((row) => row.transfer),
      column.text((row) => row.wallet),
      column.amount((row) => row.amount),
      column.amount((row) => row.total),
      column.int((row) => row.createdAt),
    ),
  },
  keyOf: (row) => ({ id: row.id }),
  decode: toWithdrawal,
};

export function putUserWallet(view: View, row: UserWallet): void {
  view.putRow(userWalletTable, row);
  view.putRow(userWalletByKeyTable, row);
}

/** From now on what comes in by the wallet is the user's, also once another has its place. */
export function putUsedWallet(view: View, { asset, wallet, userId }: Omit<UsedWallet, "since">): void {
  if (view.row(usedWalletTable, { asset, wallet })) return;
  view.putRow(usedWalletTable, { asset, wallet, userId, since: view.now });
}
