/** Withdrawals over HTTP: from the ledger to the token's user's own wallet, and to nobody else's. */
import { z } from "zod";
import type { Hex } from "#proof";
import { hasRole, requireAgreement } from "../principal.ts";
import { submitted } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { decodeCursor, encodeCursor, listOf, pagination } from "../schemas.ts";
import { assetQuery } from "./settlement-books.ts";
import { type WalletBooks, walletsFor } from "./wallet-books.ts";
import { claimableOut, withdrawalId, withdrawalOut, withdrawBody } from "./wallet-schemas.ts";

const tags = ["Wallets"] as const;
const PLACE = /^[1-9]\d{0,14}$/;

export function withdrawalRoutes(books: WalletBooks): Route[] {
  return [withdrawRoute(books), listRoute(books), readRoute(books)];
}

function withdrawRoute(books: WalletBooks): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/withdrawals",
    summary: "Withdraw to the own wallet",
    description:
      "Moves what the user has available to what is paid out on-chain, at once. With the next final epoch the linked wallet claims it. Needs a linked wallet.",
    tags,
    auth: { roles: ["user"] },
    body: withdrawBody,
    response: withdrawalOut,
    errors: ["insufficient_balance", "invalid_amount", "no_wallet", "frozen", "exit_demanded", "not_found"],
    async handler({ body, principal, idempotency }) {
      requireAgreement(body, { user_id: principal.sub });
      const request = {
        ...{ userId: principal.sub, amount: body.amount },
        wallet: body.wallet === undefined ? null : (body.wallet.toLowerCase() as Hex),
      };
      return submitted(
        await walletsFor(books, body.asset).withdraw(request, idempotency),
        (answer) => answer,
      );
    },
  });
}

function listRoute(books: WalletBooks): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/withdrawals",
    summary: "The user's withdrawals, newest first",
    tags,
    auth: { roles: ["user"] },
    query: z.strictObject({ ...pagination, ...assetQuery }),
    response: listOf(withdrawalOut),
    errors: ["not_found"],
    async handler({ query: { limit, cursor, asset }, principal }) {
      const below = cursor === undefined ? null : Number.parseInt(decodeCursor(cursor, PLACE)[0] ?? "", 10);
      const found = await walletsFor(books, asset).withdrawals(principal.sub, below, limit + 1);
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        data: page.map(({ answer }) => answer),
        next_cursor: last ? encodeCursor(`${last.place}`) : null,
      };
    },
  });
}

function readRoute(books: WalletBooks): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/withdrawals/{withdrawal_id}",
    summary: "A withdrawal as it is now, with what a claim needs",
    tags,
    auth: { roles: ["user", "operator", "auditor"] },
    params: z.strictObject({ withdrawal_id: withdrawalId }),
    response: claimableOut,
    errors: ["not_found", "unavailable"],
    async handler({ params: { withdrawal_id: id }, principal }) {
      const asset = (await books.wallets.assetOf(id)) ?? undefined;
      const caller = hasRole(principal, "operator", "auditor") ? null : principal.sub;
      return walletsFor(books, asset).withdrawal(id, caller);
    },
  });
}
