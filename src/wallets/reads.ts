/** Reads of wallets and withdrawals: ordinary queries, a fixed number for each answer. They see what is committed. */
import type { DataSource } from "typeorm";
import type { Amount, UnixSeconds } from "#kernel";
import { type Hex, type Opening, positionKey, toHex } from "#proof";
import type { Announced, UserWallet, WalletOwner, Withdrawal } from "./model.ts";
import { type DbRecord, sqlText, toUserWallet, toWalletOwner, toWithdrawal } from "./tables.ts";

const SQL = {
  announcement: sqlText("read-announcement"),
  notCarried: sqlText("read-not-carried"),
  now: sqlText("read-now"),
  owned: sqlText("read-owned"),
  toCarry: sqlText("read-to-carry"),
  user: sqlText("read-user"),
  userWallet: sqlText("read-user-wallet"),
  userWalletByKey: sqlText("read-user-wallet-by-key"),
  waiting: sqlText("read-waiting"),
  withdrawal: sqlText("read-withdrawal"),
  withdrawals: sqlText("list-withdrawals"),
} as const;

/** What a user's next message says. */
export interface NextMessage {
  readonly key: Hex;
  /** What the key is made of. */
  readonly opening: Opening;
  readonly number: number;
  /** Null: it is the first. */
  readonly previous: Hex | null;
  readonly now: UnixSeconds;
}

export interface ReadWithdrawal extends Withdrawal {
  readonly place: number;
  /** Of the line that credits it. */
  readonly seq: number;
  readonly scale: number;
  /** All that was claimed of the account, and all that was withdrawn to it. */
  readonly claimed: Amount;
  readonly withdrawn: Amount;
}

/** Where a search among a user's accounts goes on. */
export interface AccountCursor {
  readonly id: string;
  readonly role: string;
}

const FIRST_ACCOUNT: AccountCursor = { id: "00000000-0000-0000-0000-000000000000", role: "" };

export interface WalletReads {
  now(): Promise<UnixSeconds>;
  /** Null where the user was never seen. */
  nextMessage(userId: string, asset: string): Promise<NextMessage | null>;
  userWallet(userId: string, asset: string): Promise<UserWallet | null>;
  userWalletByKey(asset: string, key: Hex): Promise<UserWallet | null>;
  /** The newest first. */
  owned(userId: string, limit: number): Promise<WalletOwner[]>;
  notCarried(asset: string, after: UserWallet | null, limit: number): Promise<UserWallet[]>;
  /** Users with a change announced at `until` or before, the oldest first. */
  waiting(asset: string, until: UnixSeconds, after: UserWallet | null, limit: number): Promise<UserWallet[]>;
  /** The journal line of an announcement; null where it has none. */
  lineOf(account: string, announced: Announced): Promise<number | null>;
  toCarry(link: UserWallet, after: AccountCursor | null, limit: number): Promise<AccountCursor[]>;
  withdrawal(id: string): Promise<ReadWithdrawal | null>;
  withdrawals(userId: string, asset: string, below: number | null, limit: number): Promise<ReadWithdrawal[]>;
}

export function createWalletReads(dataSource: DataSource): WalletReads {
  const all = (sql: string, parameters: unknown[]): Promise<DbRecord[]> => dataSource.query(sql, parameters);
  const one = async (sql: string, parameters: unknown[]): Promise<DbRecord | null> =>
    (await all(sql, parameters))[0] ?? null;
  return {
    now: async () => (await one(SQL.now, []))?.now as UnixSeconds,
    nextMessage: async (userId, asset) => {
      const record = await one(SQL.user, [userId, asset]);
      return record && toNextMessage(userId, record);
    },
    userWallet: async (userId, asset) => optional(await one(SQL.userWallet, [userId, asset]), toUserWallet),
    userWalletByKey: async (asset, key) =>
      optional(await one(SQL.userWalletByKey, [asset, bytes(key)]), toUserWallet),
    owned: async (userId, limit) => (await all(SQL.owned, [userId, limit])).map(toWalletOwner),
    notCarried: async (asset, after, limit) =>
      (await all(SQL.notCarried, [asset, after?.userId ?? "", limit])).map(toUserWallet),
    waiting: async (asset, until, after, limit) => {
      const from = [after?.announced?.at ?? -1, after?.userId ?? ""];
      return (await all(SQL.waiting, [asset, until, ...from, limit])).map(toUserWallet);
    },
    lineOf: async (account, { at, statement }) =>
      ((await one(SQL.announcement, [account, at, statement]))?.seq as number | null | undefined) ?? null,
    toCarry: async ({ userId, asset, wallet }, after, limit) => {
      const { role, id } = after ?? FIRST_ACCOUNT;
      return (await all(SQL.toCarry, [
        userId,
        asset,
        bytes(wallet),
        role,
        id,
        limit,
      ])) as unknown as AccountCursor[];
    },
    withdrawal: async (id) => optional(await one(SQL.withdrawal, [id]), toReadWithdrawal),
    withdrawals: async (userId, asset, below, limit) =>
      (await all(SQL.withdrawals, [userId, asset, below, limit])).map(toReadWithdrawal),
  };
}

function toNextMessage(userId: string, record: DbRecord): NextMessage {
  const opening = { salt: toHex(record.salt as Uint8Array), parts: [userId] };
  return {
    ...{ key: positionKey(opening), opening },
    number: ((record.number as number | null) ?? 0) + 1,
    previous: record.wallet === null ? null : toHex(record.wallet as Uint8Array),
    now: record.now as UnixSeconds,
  };
}

function toReadWithdrawal(record: DbRecord): ReadWithdrawal {
  return {
    ...toWithdrawal(record),
    place: record.place as number,
    seq: record.seq as number,
    scale: record.scale as number,
    claimed: record.claimed as bigint,
    withdrawn: record.withdrawn as bigint,
  };
}

function optional<T>(record: DbRecord | null, decode: (record: DbRecord) => T): T | null {
  return record && decode(record);
}

function bytes(hex: Hex): Buffer {
  return Buffer.from(hex.slice(2), "hex");
}
