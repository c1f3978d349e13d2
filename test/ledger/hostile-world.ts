/** Books with something of everything that an attacker could want, and his connections to them. */
import { randomUUID } from "node:crypto";
import type { Client } from "pg";
import { expect } from "vitest";
import { expectCoherent } from "../support/coherence.ts";
import { type Attempt, insertLines, type Line } from "../support/hostile.ts";
import { connect, startLedger, type TestLedger, transfer } from "../support/ledger.ts";

export const APPEND_ONLY = [
  ...["transfer", "position_change", "account_closing", "chain_line", "idempotency", "failed_transfer"],
];
/** Tables that the application only reads. */
export const READ_ONLY = [
  ...[
    "journal_head",
    "event",
    "hold",
    "position",
    "section_count",
    "asset",
    "asset_route",
    "ledger_identity",
    "account_day",
    "account_day_watermark",
  ],
];
/** SQLSTATE insufficient_privilege. */
export const DENIED = "42501";

const accounts = {
  ...{ a: "", b: "", purse: "", loan: "", closed: "", revenue: "", issuance: "" },
  ...{ custody: "", treasury: "", alice: "", aliceLocked: "", bob: "", bobLocked: "", clearing: "" },
  ...{ gigsCustody: "", gigsTreasury: "", gigsAlice: "", gigsBob: "" },
};

export interface HostileWorld {
  readonly books: TestLedger;
  /** As the application's role. */
  readonly app: Client;
  /** As the owner of the tables. */
  readonly owner: Client;
  /** `purse` and `loan` are bound, `alice` … hold TST, `closed` is. */
  readonly accounts: typeof accounts;
  /** A pending transfer of 10 from `a` to `b`. */
  readonly hold: string;
  /** An account that has a position. */
  readonly positioned: string;
  /** Where the journal goes on; `look` asks again. */
  readonly head: { next_seq: number; time: number };
  look(): Promise<void>;
  /** One INSERT of lines that continue the journal. */
  lines(...lines: readonly Line[]): Attempt;
  close(): Promise<void>;
}

export async function startHostileWorld(): Promise<HostileWorld> {
  const books = await startLedger();
  const app = await connect(books.database.appUrl, books.database);
  const owner = await connect(books.database.ownerUrl, books.database);
  await createBooks(owner);
  const world = await settle(books);
  const head = { next_seq: 0, time: 0 };
  return {
    ...{ books, app, owner, head },
    ...world,
    look: async () => {
      const { rows } = await app.query("SELECT next_seq, ledger_now() AS time FROM journal_head");
      Object.assign(head, rows[0]);
    },
    lines: (...all) => insertLines(head, all),
    close: async () => {
      await app.end();
      await owner.end();
      await expectCoherent(books);
      await books.close();
    },
  };
}

/** GIGS has a token on chain 1, behind the registry 0x0505…; the one at 0x0606… is another asset's. */
async function createBooks(owner: Client): Promise<void> {
  await owner.query("SELECT create_asset('GIGS', 2::smallint, true, false, 1000, 0)");
  await owner.query(
    `INSERT INTO book (asset, chain_id, registry, token, custodians, deployed_block)
     SELECT asset, 1, '0x' || repeat(byte, 20), '0x' || repeat('0a', 20), array_fill('0x' || repeat(byte, 20), ARRAY[5]), 0
     FROM (VALUES ('GIGS', '05'), ('TST', '06')) AS b (asset, byte)`,
  );
}

/** That the clearing account is for. */
export const OTHER_LEDGER = "00000000-0000-4000-8000-000000000001";

export const line = (debit: string, credit: string, more: Partial<Line> = {}): Line => ({
  ...{ debit_account: debit, credit_account: credit },
  ...more,
});
export const tst = (debit: string, credit: string, amount: bigint | number = 1): Line =>
  line(debit, credit, { asset: "TST", amount });

async function settle(books: TestLedger): Promise<Pick<HostileWorld, "accounts" | "hold" | "positioned">> {
  const { open, run, send } = books;
  const system = (asset: string, role: "revenue" | "issuance" | "custody" | "treasury") =>
    run((view) => view.openAccount({ asset, role, owner: null }));
  const users = (user: string, role: "available" | "locked") =>
    run((view) => view.openAccount({ asset: "TST", role, owner: user }));
  const gigsOf = (owner: string) =>
    run((view) => view.openAccount({ asset: "GIGS", role: "available", owner }));
  const world: typeof accounts = {
    ...{ a: await open(), b: await open(), closed: await open() },
    ...{ purse: await open({ debitAllowance: 0n }), loan: await open({ creditAllowance: 0n }) },
    ...{ revenue: await system("USD", "revenue"), issuance: await system("USD", "issuance") },
    ...{ custody: await system("TST", "custody"), treasury: await system("TST", "treasury") },
    ...{ alice: await users("alice", "available"), aliceLocked: await users("alice", "locked") },
    ...{ bob: await users("bob", "available"), bobLocked: await users("bob", "locked") },
    ...{ gigsCustody: await system("GIGS", "custody"), gigsTreasury: await system("GIGS", "treasury") },
    ...{ gigsAlice: await gigsOf("alice"), gigsBob: await gigsOf("bob") },
    clearing: await run((view) =>
      view.openAccount({ asset: "USD", role: "clearing", owner: null, reference: OTHER_LEDGER }),
    ),
  };
  const { a, b, purse, custody, treasury, alice, gigsCustody, gigsTreasury } = world;
  const held = transfer(a, b, 10n, { phase: "pending" });
  const codes = await send(transfer(a, purse, 5n), held, transfer(purse, b, 1_000n));
  expect(codes).toEqual(["ok", "ok", "exceeds_credits"]);
  for (const [debitAccount, creditAccount, amount, code] of [
    [custody, treasury, 10n ** 24n, "genesis"],
    [treasury, alice, 100n, "grant"],
    [gigsCustody, gigsTreasury, 500n, "genesis"],
  ] as const) {
    const request = { id: randomUUID(), debitAccount, creditAccount, amount, code };
    await run((view) => view.move(request).id);
  }
  const positioned = await run((view) => {
    view.openOwner("alice", new Uint8Array(32).fill(7));
    const keyParts = ["alice"];
    const position = {
      section: "balances",
      user: "alice",
      keyParts,
      validUntil: 0,
      kind: 0,
      quantity: 0,
    } as const;
    view.setPosition({ ...position, account: alice });
    return alice;
  });
  await books.ledger.submit({
    name: "keyed",
    idempotency: { principal: "olga", key: "k", fingerprint: "00".repeat(32) },
    decide: () => null,
  });
  await run((view) => view.closeAccount(world.closed));
  await run((view) =>
    view.recordChainEvent({
      ...{
        chainId: 1,
        registry: `0x${"05".repeat(20)}`,
        block: 1,
        txHash: `0x${"cd".repeat(32)}`,
        logIndex: 0,
        event: "Claimed",
      },
    }),
  );
  return { accounts: world, hold: held.id, positioned };
}
