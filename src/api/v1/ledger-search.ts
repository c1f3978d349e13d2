/**
 * Accounts and transfers by what they are, in pages that all show the moment of
 * the first one: the cursor carries the journal's place, never a transaction.
 */
import { z } from "zod";
import { DomainError } from "#kernel";
import { ACCOUNT_ROLES, type LedgerQueries, type Snapshot } from "#ledger";
import { hasRole, requireOwner } from "../principal.ts";
import { defineRoute, type Route } from "../route.ts";
import {
  decodeCursor,
  encodeCursor,
  listOf,
  pagination,
  queryBoolean,
  text,
  timeIn,
  userId,
  uuid,
} from "../schemas.ts";
import { ALL_BOOKS, READERS } from "./ledger-access.ts";
import { accountOf, transferReadOf } from "./ledger-answers.ts";
import {
  accountAnswer,
  assetCode,
  codeText,
  MAX_REFERENCE,
  TRANSFER_PHASES,
  TRANSFER_STATES,
  transferAnswer,
} from "./ledger-schemas.ts";

const tags = ["Ledger"] as const;
/** An account's is an id of up to 128 characters, with what it stands for before it. */
const MAX_ACCOUNT_REFERENCE = 256;
const DIGITS = /^\d{1,15}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ASSET = /^[A-Z][A-Z0-9]{0,15}$/;
const ROLE = /^[a-z]{1,20}$/;

export function ledgerSearchRoutes(queries: LedgerQueries): Route[] {
  return [accountsRoute(queries), transfersRoute(queries)];
}

function accountsRoute(queries: LedgerQueries): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/ledger/accounts",
    summary: "Accounts by owner, asset, role, reference, time of opening, open or closed",
    description:
      "All pages show the accounts and balances of one moment, that of the first page. A page can be shorter than `limit`, even empty, and still have a `next_cursor`: it looked at as many accounts as a page may. A user may ask for its own.",
    tags,
    auth: { roles: READERS },
    query: z.strictObject({
      owner: userId.optional(),
      asset: assetCode.optional(),
      role: z.enum(ACCOUNT_ROLES).optional(),
      reference: text(MAX_ACCOUNT_REFERENCE)
        .optional()
        .meta({ description: "What it is for within its role, such as the agreement of a lock." }),
      closed: queryBoolean.optional(),
      from: timeIn.optional().meta({ description: "Opened at this time or later." }),
      to: timeIn.optional().meta({ description: "Opened before this time." }),
      ...pagination,
    }),
    response: listOf(accountAnswer),
    async handler({ query: { limit, cursor, ...filter }, principal }) {
      if (filter.owner === undefined && !hasRole(principal, ...ALL_BOOKS))
        throw new DomainError("forbidden", `A user may list its own accounts: ?owner=${principal.sub}`);
      requireOwner(principal, filter.owner ?? "", ALL_BOOKS);
      const page = await queries.searchAccounts(filter, { limit, cursor: readAccountCursor(cursor) });
      const { items, snapshot, next } = page;
      return {
        data: items.map((account) => accountOf(account, account, null)),
        next_cursor: next && encodeCursor(...placeOf(snapshot), next.asset, next.role, next.id),
      };
    },
  });
}

function transfersRoute(queries: LedgerQueries): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/ledger/transfers",
    summary: "Transfers by account, owner, reference, code, asset, phase, state and time, newest first",
    description:
      "In the order of the journal. All pages show one moment, that of the first page: no line behind it, and of a pending transfer the state it had then. A page can be shorter than `limit`, even empty, and still have a `next_cursor`: it looked at as many lines as a page may. Account, owner, reference, time and the state `pending` are found by an index; code, asset, phase and the other states choose among what those find.",
    tags,
    auth: { roles: ALL_BOOKS },
    query: z.strictObject({
      account: uuid.optional().meta({ description: "Either of its two accounts." }),
      owner: userId.optional().meta({ description: "Whose either account is." }),
      reference: text(MAX_REFERENCE).optional(),
      code: codeText.optional(),
      asset: assetCode.optional(),
      phase: z.enum(TRANSFER_PHASES).optional(),
      state: z.enum(TRANSFER_STATES).optional(),
      from: timeIn.optional().meta({ description: "Recorded at this time or later." }),
      to: timeIn.optional().meta({ description: "Recorded before this time." }),
      order: z.enum(["newest", "oldest"]).default("newest"),
      ...pagination,
    }),
    response: listOf(transferAnswer),
    async handler({ query: { limit, cursor, order, ...filter } }) {
      const { items, snapshot, next } = await queries.searchTransfers(filter, {
        ...{ limit, order, cursor: readTransferCursor(cursor) },
      });
      return {
        data: items.map(transferReadOf),
        next_cursor: next === null ? null : encodeCursor(...placeOf(snapshot), String(next)),
      };
    },
  });
}

function placeOf({ seq, time }: Snapshot): [string, string] {
  return [String(seq), String(time)];
}

function readAccountCursor(cursor: string | undefined) {
  if (cursor === undefined) return null;
  const [seq, time, asset = "", role = "", id = ""] = decodeCursor(cursor, DIGITS, DIGITS, ASSET, ROLE, UUID);
  return { snapshot: { seq: whole(seq), time: whole(time) }, position: { asset, role, id } };
}

function readTransferCursor(cursor: string | undefined) {
  if (cursor === undefined) return null;
  const [seq, time, position] = decodeCursor(cursor, DIGITS, DIGITS, DIGITS);
  return { snapshot: { seq: whole(seq), time: whole(time) }, position: whole(position) };
}

function whole(digits: string | undefined): number {
  return Number.parseInt(digits ?? "", 10);
}
