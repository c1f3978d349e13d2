/** Withdrawals over HTTP: from the ledger to the token's user's own wallet, and to nobody else's. */
import { z } from "zod";
import type { Hex } from "#proof";
import type { Wallets } from "#wallets";
import { hasRole, requireAgreement } from "../principal.ts";
import { submitted } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { decodeCursor, encodeCursor, listOf, pagination } from "../schemas.ts";
import { claimableOut, withdrawalId, withdrawalOut, withdrawBody } from "./wallet-schemas.ts";

const tags = ["Wallets"] as const;
const PLACE = /^[1-9]\d{0,14}$/;

export function withdrawalRoutes(wallets: Wallets): Route[] {
  return [withdrawRoute(wallets), listRoute(wallets), readRoute(wallets)];
}

function withdrawRoute(wallets: Wallets): Route {
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
        ...{ userId: principal.sub, asset: body.asset ?? null, amount: body.amount },
        wallet: body.wallet === undefined ? null : (body.wallet.toLowerCase() as Hex),
      };
      return submitted(await wallets.withdraw(request, idempotency), (answer) => answer);
    },
  });
}

function listRoute(wallets: Wallets): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/withdrawals",
    summary: "The user's withdrawals, newest first",
    tags,
    auth: { roles: ["user"] },
    query: z.strictObject(pagination),
    response: listOf(withdrawalOut),
    async handler({ query: { limit, cursor }, principal }) {
      const below = cursor === undefined ? null : Number.parseInt(decodeCursor(cursor, PLACE)[0] ?? "", 10);
      const found = await wallets.withdrawals(principal.sub, below, limit + 1);
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        data: page.map(({ answer }) => answer),
        next_cursor: last ? encodeCursor(`${last.place}`) : null,
      };
    },
  });
}

function readRoute(wallets: Wallets): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/withdrawals/{withdrawal_id}",
    summary: "A withdrawal as it is now, with what a claim needs",
    tags,
    auth: { roles: ["user", "operator", "auditor"] },
    params: z.strictObject({ withdrawal_id: withdrawalId }),
    response: claimableOut,
    errors: ["not_found", "unavailable"],
    handler: ({ params, principal }) =>
      wallets.withdrawal(
        params.withdrawal_id,
        hasRole(principal, "operator", "auditor") ? null : principal.sub,
      ),
  });
}
