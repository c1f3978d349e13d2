/**
 * The ledger over HTTP: assets, accounts, transfers and the trial balance. Lists
 * that are written answer a code for each element; what cannot be read at all is
 * refused as a whole, before anything of it is done.
 */
import type { DataSource } from "typeorm";
import { z } from "zod";
import { DomainError, parseAmount } from "#kernel";
import {
  closeAccount,
  type Ledger,
  type LedgerQueries,
  ledgerQueries,
  openAsset,
  prepareTransfers,
  submitAccounts,
  submitTransfers,
  tryAccounts,
  tryTransfers,
} from "#ledger";
import { hasRole } from "../principal.ts";
import { submitted } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { decodeCursor, encodeCursor, listOf, pagination, timeIn, uuid } from "../schemas.ts";
import { ALL_BOOKS, READERS, readableAccount } from "./ledger-access.ts";
import { accountOf, assetOf, lineOf, transferReadOf, trialBalanceOf } from "./ledger-answers.ts";
import { accountBalancesRoute } from "./ledger-balances.ts";
import {
  accountAnswer,
  accountLineAnswer,
  accountResults,
  accountsBody,
  assetAnswer,
  assetBody,
  closedAccountAnswer,
  dryRunQuery,
  MAX_ELEMENTS,
  openedAssetAnswer,
  toTransferText,
  transferAnswer,
  transferResults,
  transfersBody,
  trialBalanceAnswer,
} from "./ledger-schemas.ts";
import { ledgerSearchRoutes } from "./ledger-search.ts";

export interface LedgerDeps {
  readonly ledger: Ledger;
  readonly database: DataSource;
}

const MAX_BODY_BYTES = 16_000_000;
/** Eight thousand lines through a queue that others fill too. */
const BULK_TIMEOUT_MS = 120_000;
const tags = ["Ledger"] as const;
const byId = z.strictObject({ id: uuid });
const SEQ = /^\d{1,16}$/;

export function ledgerRoutes(deps: LedgerDeps): Route[] {
  const queries = ledgerQueries(deps.database);
  return [
    createAssetRoute(deps),
    assetsRoute(queries),
    createAccountsRoute(deps),
    ...ledgerSearchRoutes(queries),
    accountRoute(queries),
    closeAccountRoute(deps),
    accountBalancesRoute(queries),
    accountTransfersRoute(queries),
    createTransfersRoute(deps),
    transferRoute(queries),
    trialBalanceRoute(queries),
  ];
}

function createAssetRoute({ ledger, database }: LedgerDeps): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/ledger/assets",
    summary: "Make an asset",
    description:
      "With its policy, for good, and with its system accounts. The same again answers the same; another policy under the same code is refused.",
    tags,
    auth: { roles: ["operator"] },
    body: assetBody,
    response: openedAssetAnswer,
    errors: ["invalid_amount"],
    async handler({ body, idempotency }) {
      const { supply_cap, ...policy } = body;
      const supplyCap = supply_cap === undefined ? null : parseAmount(supply_cap, body.scale, "supply_cap");
      if (supplyCap === 0n)
        throw new DomainError("invalid_amount", "supply_cap must be above zero", {
          details: { member: "supply_cap" },
        });
      return submitted(
        await openAsset(ledger, database, { ...policy, supplyCap }, idempotency),
        (asset) => asset,
      );
    },
  });
}

function assetsRoute(queries: LedgerQueries): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/ledger/assets",
    summary: "All assets with their policy",
    tags,
    auth: { roles: ALL_BOOKS },
    response: listOf(assetAnswer),
    handler: async () => ({ data: (await queries.assets()).map(assetOf), next_cursor: null }),
  });
}

function createAccountsRoute({ ledger }: LedgerDeps): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/ledger/accounts",
    summary: "Open accounts",
    description: "Up to 8,000 under ids of the caller's; a code for each, in order.",
    tags,
    auth: { roles: ["operator"] },
    query: dryRunQuery,
    body: accountsBody,
    response: accountResults,
    errors: ["payload_too_large"],
    maxBodyBytes: MAX_BODY_BYTES,
    timeoutMs: BULK_TIMEOUT_MS,
    async handler({ body, query, idempotency }) {
      assertNotTooMany(body.accounts, "accounts");
      const requests = body.accounts.map(({ id, asset, owner, limit, metadata }) => ({
        id,
        asset,
        owner: owner ?? null,
        debitAllowance: limit === "debits_must_not_exceed_credits" ? 0n : null,
        creditAllowance: limit === "credits_must_not_exceed_debits" ? 0n : null,
        metadata: metadata ?? null,
      }));
      if (query.dry_run) return { results: await tryAccounts(ledger, requests) };
      return submitted(await submitAccounts(ledger, requests, idempotency), (results) => ({ results }));
    },
  });
}

function createTransfersRoute({ ledger, database }: LedgerDeps): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/ledger/transfers",
    summary: "Make transfers",
    description:
      "Up to 8,000; a code for each, in order. Linked elements stand or fall together. The same id with the same members again answers `exists`.",
    tags,
    auth: { roles: ["operator"] },
    query: dryRunQuery,
    body: transfersBody,
    response: transferResults,
    errors: ["invalid_amount", "payload_too_large"],
    maxBodyBytes: MAX_BODY_BYTES,
    timeoutMs: BULK_TIMEOUT_MS,
    async handler({ body, query, idempotency }) {
      assertNotTooMany(body.transfers, "transfers");
      const transfers = await prepareTransfers(database, body.transfers.map(toTransferText), "transfers");
      if (query.dry_run) return { results: await tryTransfers(ledger, transfers) };
      return submitted(await submitTransfers(ledger, transfers, idempotency), (results) => ({ results }));
    },
  });
}

function accountRoute(queries: LedgerQueries): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/ledger/accounts/{id}",
    summary: "An account with its balances, now or at a past time",
    description: "With `at` the balances at the end of that second, by the time of effect of each line.",
    tags,
    auth: { roles: READERS },
    params: byId,
    query: z.strictObject({ at: timeIn.optional() }),
    response: accountAnswer,
    errors: ["not_found"],
    async handler({ params, query, principal }) {
      const account = await readableAccount(queries, params.id, principal);
      if (query.at === undefined) return accountOf(account, account, null);
      if (query.at > (await queries.now()))
        throw new DomainError("invalid_request", "at must not be in the future", {
          details: { member: "at" },
        });
      return accountOf(account, await queries.balancesAt(account.id, query.at), query.at);
    },
  });
}

function closeAccountRoute({ ledger }: LedgerDeps): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/ledger/accounts/{id}/close",
    summary: "Close an account, for good",
    description:
      "Its debits and credits must be equal and nothing held from it. Holds for it may stay: they can be voided or expire, not posted. Closing it again is no error. Nothing opens it again. Accounts of the system and of programs, and accounts with a settled position, stay open.",
    tags,
    auth: { roles: ["operator"] },
    params: byId,
    response: closedAccountAnswer,
    errors: ["not_found", "not_closable"],
    handler: async ({ params, idempotency }) =>
      submitted(await closeAccount(ledger, params.id, idempotency), (closed) => closed),
  });
}

function accountTransfersRoute(queries: LedgerQueries): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/ledger/accounts/{id}/transfers",
    summary: "An account's lines with their effect on it, newest first",
    description:
      "By place in the journal, which is the order of recording: `newest` first or, for reading on where one stopped, `oldest` first.",
    tags,
    auth: { roles: READERS },
    params: byId,
    query: z.strictObject({ ...pagination, order: z.enum(["newest", "oldest"]).default("newest") }),
    response: listOf(accountLineAnswer),
    errors: ["not_found"],
    async handler({ params, query, principal }) {
      const { id } = await readableAccount(queries, params.id, principal);
      const { limit, order, cursor } = query;
      const [text] = cursor === undefined ? [] : decodeCursor(cursor, SEQ);
      const fromSeq = text === undefined ? null : Number.parseInt(text, 10);
      const lines = await queries.transfersOf(id, { limit: limit + 1, order, fromSeq });
      const { page, last } = pageOf(lines, limit);
      return {
        data: page.map(lineOf),
        next_cursor: last ? encodeCursor(String(last.seq)) : null,
      };
    },
  });
}

function transferRoute(queries: LedgerQueries): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/ledger/transfers/{id}",
    summary: "A transfer with its state",
    tags,
    auth: { roles: READERS },
    params: byId,
    response: transferAnswer,
    errors: ["not_found"],
    async handler({ params, principal }) {
      const transfer = await queries.transfer(params.id);
      if (!transfer) throw new DomainError("not_found", "There is no such transfer");
      if (!transfer.owners.includes(principal.sub) && !hasRole(principal, ...ALL_BOOKS))
        throw new DomainError("forbidden", "This belongs to another user");
      return transferReadOf(transfer);
    },
  });
}

function trialBalanceRoute(queries: LedgerQueries): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/ledger/trial-balance",
    summary: "Debits and credits of all accounts, by asset",
    description: "Added up from every account; the difference is 0, or the books are wrong.",
    tags,
    auth: { roles: ALL_BOOKS },
    response: listOf(trialBalanceAnswer),
    timeoutMs: BULK_TIMEOUT_MS,
    handler: async () => ({
      data: (await queries.trialBalance()).map(trialBalanceOf),
      next_cursor: null,
    }),
  });
}

/** Of one item more than a page holds: the page, and its last item where another page follows. */
function pageOf<T>(found: readonly T[], limit: number): { page: readonly T[]; last: T | undefined } {
  const page = found.slice(0, limit);
  return { page, last: found.length > limit ? page.at(-1) : undefined };
}

function assertNotTooMany(elements: readonly unknown[], member: string): void {
  if (elements.length > MAX_ELEMENTS)
    throw new DomainError("payload_too_large", `${member} must have at most ${MAX_ELEMENTS} elements`, {
      details: { member },
    });
}
