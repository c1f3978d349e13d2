/** Books in which every code of a transfer can be had: accounts, holds and lines in every state that a code speaks of. */
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { Account, TransferRequest } from "#ledger";
import { type TestLedger, transfer } from "../support/ledger.ts";

const MAX = 2n ** 128n - 1n;

export interface CodeWorld {
  a: string;
  b: string;
  /** Accounts of another asset: one open, one closed, one that nothing may go into. */
  other: string;
  otherClosed: string;
  otherIssuance: string;
  closed: string;
  /** No asset leads money into it. */
  issuance: string;
  /** Of an owner's; nothing but its available account may follow. */
  locked: string;
  /** Debits must not exceed its credits, of which it has none, and the mirror. */
  poor: string;
  full: string;
  /** Has debits of almost 2^128; the second may not have more debits than credits either. */
  whale: string;
  poorWhale: string;
  /** Of an asset whose 100 units are all issued. */
  cap: { issuance: string; user: string; full: string; closed: string; locked: string };
  clearing: string;
  failedId: string;
  /** Single transfers: between open accounts, with a closed one, with what lies between ledgers. */
  singles: { open: string; closed: string; clearing: string };
  /** By where the hold stands, and whether its account is closed or lies between ledgers. */
  pendings: Record<HoldState | `${HoldState}Closed` | `${HoldState}Clearing` | "closedClearing", string>;
  /** Requests that were written, and of which a part could not be written any more. */
  written: Record<WrittenName, TransferRequest>;
}
type HoldState = "open" | "posted" | "voided" | "expired" | "postedDue" | "voidedDue";
type WrittenName =
  | "single"
  | "linked"
  | "linkedPost"
  | "linkedVoid"
  | "pending"
  | "post"
  | "void"
  | "postDue"
  | "closed"
  | "clearing"
  | "whale"
  | "poor"
  | "full"
  | "cap";

const MEMBERS = { code: "c", effectiveAt: 5, reference: "r", metadata: { x: 1 } } as const;
const TIMEOUT_SECONDS = 10;

export async function createCodeWorld(books: TestLedger): Promise<CodeWorld> {
  const { open, send, asOwner, run } = books;
  await asOwner("SELECT create_asset('EUR', 2::smallint, true, true, NULL, 0)");
  await asOwner("SELECT create_asset('CAP', 0::smallint, true, true, 100, 0)");
  const system = (asset: string, role: "issuance" | "clearing" | "locked", owner: string | null = null) =>
    run((view) => view.openAccount({ asset, role, owner, reference: role === "issuance" ? null : "r" }));
  const capped = (account: Partial<Account> = {}) => open({ asset: "CAP", debitAllowance: 0n, ...account });
  const [a, b, closed, whale, sink] = [await open(), await open(), await open(), await open(), await open()];
  const [poor, full] = [await open({ debitAllowance: 0n }), await open({ creditAllowance: 0n })];
  const [loan, purse] = [await open({ creditAllowance: 0n }), await open({ debitAllowance: 0n })];
  const poorWhale = await open({ debitAllowance: 0n });
  const [other, otherClosed] = [await open({ asset: "EUR" }), await open({ asset: "EUR" })];
  const clearing = await system("USD", "clearing");
  const cap = {
    ...{ issuance: await system("CAP", "issuance"), locked: await system("CAP", "locked", "u") },
    ...{ user: await capped(), full: await capped({ creditAllowance: 0n }), closed: await capped() },
  };

  const failed = transfer(poor, b, 1n);
  const single = transfer(a, b, 5n, MEMBERS);
  const linked = transfer(a, b, 5n, { ...MEMBERS, linked: true });
  const pending = transfer(a, b, 5n, { ...MEMBERS, phase: "pending", timeoutSeconds: 1_000_000 });
  const written = {
    ...{ single, linked, pending, closed: transfer(a, closed, 1n) },
    whale: transfer(whale, sink, MAX - 5n),
    poor: transfer(purse, b, 3n),
    full: transfer(a, loan, 3n),
    cap: transfer(cap.issuance, cap.user, 100n),
  };
  const sure = async (...requests: readonly TransferRequest[]) =>
    expect(await send(...requests)).toEqual(requests.map(() => "ok"));
  expect(await send(failed)).toEqual(["exceeds_credits"]);
  await sure(single, linked, transfer(a, b, 1n), pending, written.closed, transfer(closed, a, 1n));
  await sure(written.whale, transfer(sink, poorWhale, MAX - 5n), transfer(poorWhale, await open(), MAX - 5n));
  await sure(transfer(a, purse, 3n), written.poor, transfer(loan, b, 3n), written.full, written.cap);

  const program = async (...requests: readonly TransferRequest[]) =>
    expect(await run((view) => view.tryTransfers(requests, "program").map(({ code }) => code))).toEqual(
      requests.map(() => "ok"),
    );
  const holds = await makeHolds({ a, b, closed, clearing }, program);
  for (const id of [closed, otherClosed, cap.closed]) await run((view) => view.closeAccount(id));
  await books.advance(TIMEOUT_SECONDS);
  return {
    ...{ a, b, other, otherClosed, closed, poor, full, whale, poorWhale, cap, clearing },
    ...{ issuance: await system("USD", "issuance"), otherIssuance: await system("EUR", "issuance") },
    ...{ locked: await system("USD", "locked", "u"), failedId: failed.id },
    singles: { open: single.id, closed: written.closed.id, clearing: holds.clearingSingle.id },
    pendings: holds.pendings,
    written: { ...written, ...holds.written, clearing: holds.clearingSingle },
  };
}

/** A hold in each state, to an open account, to one that will be closed, and to what lies between ledgers. */
async function makeHolds(
  { a, b, closed, clearing }: Record<"a" | "b" | "closed" | "clearing", string>,
  send: (...requests: readonly TransferRequest[]) => Promise<void>,
) {
  const pendings: Record<string, string> = {};
  const resolutions: Record<string, TransferRequest> = {};
  for (const [suffix, from, to] of [
    ["", a, b],
    ["Closed", a, closed],
    ["Clearing", a, clearing],
  ] as const) {
    for (const state of ["open", "posted", "voided", "expired", "postedDue", "voidedDue"]) {
      const due = state === "expired" || state.endsWith("Due") ? { timeoutSeconds: TIMEOUT_SECONDS } : {};
      const held = transfer(from, to, 10n, { phase: "pending", ...due });
      await send(held);
      pendings[`${state}${suffix}`] = held.id;
      if (state === "open" || state === "expired") continue;
      const phase = state.startsWith("posted") ? "post" : "void";
      const amount = phase === "post" ? 4n : 10n;
      const accounts = { debitAccount: from, creditAccount: to };
      const resolution = {
        ...MEMBERS,
        ...accounts,
        id: randomUUID(),
        phase,
        pendingId: held.id,
        amount,
      } as const;
      await send(resolution);
      resolutions[`${state}${suffix}`] = resolution;
      // What is to be closed is closed at zero.
      if (suffix === "Closed" && phase === "post") await send(transfer(closed, a, amount));
    }
  }
  const ends = (["post", "void"] as const).map(async (phase) => {
    const held = transfer(a, b, 10n, { phase: "pending" });
    const accounts = { debitAccount: a, creditAccount: b };
    const end = {
      ...MEMBERS,
      ...accounts,
      id: randomUUID(),
      phase,
      pendingId: held.id,
      amount: 10n,
      linked: true,
    };
    await send(held, end, transfer(a, b, 1n));
    return end;
  });
  const [linkedPost, linkedVoid] = await Promise.all(ends);
  const between = transfer(clearing, closed, 10n, { phase: "pending" });
  const clearingSingle = transfer(a, clearing, 1n);
  await send(between, clearingSingle);
  return {
    clearingSingle,
    pendings: { ...pendings, closedClearing: between.id } as CodeWorld["pendings"],
    written: {
      ...{ linkedPost: linkedPost as TransferRequest, linkedVoid: linkedVoid as TransferRequest },
      post: resolutions.posted as TransferRequest,
      void: resolutions.voided as TransferRequest,
      postDue: resolutions.postedDue as TransferRequest,
    },
  };
}
