/** What the tables of wallets refuse, in plain SQL as the application's own role. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClient } from "#infra";
import { type Attempt, attempt } from "../support/hostile.ts";
import { startLedger, type TestLedger } from "../support/ledger.ts";

let books: TestLedger;
let app: ReturnType<typeof createClient>;
beforeAll(async () => {
  books = await startLedger();
  app = createClient({ url: books.database.appUrl, schema: books.database.schema, applicationName: "test" });
  await app.connect();
  for (const user of ["alice", "bob"])
    await books.run((view) => {
      view.openOwner(user, new Uint8Array(32).fill(1));
      return null;
    });
  for (const [statement, ...values] of [
    owns("aa", "alice"),
    owns("bb", "alice"),
    owns("cc", "bob"),
    links("alice"),
  ])
    await app.query(statement, values);
});
afterAll(async () => {
  await app.end();
  await books.close();
});

type Statement = readonly [sql: string, ...values: unknown[]];

const owns = (wallet: string, user: string): Statement => [
  "INSERT INTO wallet_owner (wallet, user_id, bound_at) VALUES (decode(repeat($1, 20), 'hex'), $2, 1)",
  ...[wallet, user],
];
const links = (
  user: string,
  more: { wallet?: string; key?: string; number?: number; by?: number } = {},
): Statement => [
  `INSERT INTO wallet_user (user_id, asset, key, number, wallet, linked_by, linked_at, carried)
   VALUES ($1, 'TST', decode(repeat($2, 32), 'hex'), $3, decode(repeat($4, 20), 'hex'), $5, 1, false)`,
  ...[user, more.key ?? "01", more.number ?? 1, more.wallet ?? "aa", more.by ?? 1],
];
const sql = (statement: string): Statement => [statement];
const announced =
  "announced_number = 2, announced_at = 1, announcement = '0x01', number = 2, announced_wallet =";
const withdraws = (amount: number, total: number, id = "0".repeat(32)): Statement => [
  `INSERT INTO withdrawal (id, user_id, asset, account, transfer, wallet, amount, total, created_at)
   VALUES ('wd_' || $1, 'alice', 'TST', $2, $3, decode(repeat('aa', 20), 'hex'), $4, $5, 1)`,
  ...[id, "00000000-0000-4000-8000-000000000001", randomUUID(), amount, total],
];

describe("a wallet", () => {
  test.each<[string, Attempt, string]>([
    ["is 20 bytes", [owns("aaaa", "alice")], "wallet_bytes_check"],
    ["is not zero", [owns("00", "alice")], "wallet_bytes_check"],
    ["belongs to a user that is there", [owns("dd", "nobody")], "wallet_owner_user_id_fkey"],
    ["belongs to one user", [owns("aa", "bob")], "wallet_owner_pkey"],
    ["keeps its user", [sql("UPDATE wallet_owner SET user_id = 'bob'")], "42501"],
    [
      "is linked at one time",
      [sql("UPDATE wallet_owner SET linked_at = 1"), sql("UPDATE wallet_owner SET linked_at = 2")],
      "wallet_owner_fixed",
    ],
    ["is never forgotten", [sql("DELETE FROM wallet_owner")], "42501"],
  ])("%s", async (_, statements, expected) => {
    expect(await attempt(app, statements)).toBe(expected);
  });
});

describe("a user", () => {
  test.each<[string, Attempt, string]>([
    ["links one wallet of an asset", [links("alice", { wallet: "bb", key: "02" })], "wallet_user_pkey"],
    ["links own wallets alone", [links("bob", { key: "02" })], "wallet_user_owns"],
    ["has a key alone", [links("bob", { wallet: "cc" })], "wallet_user_key"],
    [
      "is linked by a number that was signed",
      [links("bob", { wallet: "cc", key: "02", by: 2 })],
      "wallet_user_check",
    ],
    [
      "changes the wallet by a new number",
      [sql("UPDATE wallet_user SET wallet = decode(repeat('bb', 20), 'hex')")],
      "wallet_user_transition",
    ],
    [
      "does not link the same wallet twice",
      [sql("UPDATE wallet_user SET number = 2, linked_by = 2")],
      "wallet_user_transition",
    ],
    [
      "counts numbers up",
      [sql("UPDATE wallet_user SET number = 5"), sql("UPDATE wallet_user SET number = 4")],
      "wallet_user_transition",
    ],
    [
      "announces own wallets alone",
      [sql(`UPDATE wallet_user SET ${announced} decode(repeat('cc', 20), 'hex')`)],
      "wallet_user_owns_announced",
    ],
    [
      "announces another wallet",
      [sql(`UPDATE wallet_user SET ${announced} wallet`)],
      "wallet_user_announced",
    ],
    [
      "announces with a new number",
      [
        sql(
          "UPDATE wallet_user SET announced_number = 1, announced_at = 1, announcement = '0x', announced_wallet = decode(repeat('bb', 20), 'hex')",
        ),
      ],
      "wallet_user_transition",
    ],
    [
      "gets by an old number what was announced, and nothing else",
      [
        owns("dd", "alice"),
        sql(`UPDATE wallet_user SET ${announced} decode(repeat('bb', 20), 'hex')`),
        sql(
          "UPDATE wallet_user SET wallet = decode(repeat('dd', 20), 'hex'), linked_by = 2, announced_wallet = NULL, announced_number = NULL, announced_at = NULL, announcement = NULL",
        ),
      ],
      "wallet_user_transition",
    ],
    [
      "gets what was announced",
      [
        sql(`UPDATE wallet_user SET ${announced} decode(repeat('bb', 20), 'hex')`),
        sql(
          "UPDATE wallet_user SET wallet = announced_wallet, linked_by = 2, announced_wallet = NULL, announced_number = NULL, announced_at = NULL, announcement = NULL",
        ),
      ],
      "done",
    ],
    ["keeps the key", [sql("UPDATE wallet_user SET key = decode(repeat('09', 32), 'hex')")], "42501"],
  ])("%s", async (_, statements, expected) => {
    expect(await attempt(app, statements)).toBe(expected);
  });
});

describe("a withdrawal", () => {
  test.each<[string, Attempt, string]>([
    ["is of something", [withdraws(0, 5)], "withdrawal_amount_check"],
    ["is part of its total", [withdraws(6, 5)], "withdrawal_check"],
    ["has a total of its own", [withdraws(1, 5), withdraws(1, 5, "1".repeat(32))], "withdrawal_total"],
    ["has an id of its own", [withdraws(1, 5), withdraws(1, 6)], "withdrawal_pkey"],
    ["stays", [withdraws(1, 5), sql("UPDATE withdrawal SET amount = 2")], "42501"],
  ])("%s", async (_, statements, expected) => {
    expect(await attempt(app, statements)).toBe(expected);
  });
});
