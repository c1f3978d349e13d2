/** Grants from an asset's treasury: how users come by what they hold. */
import type { AccessProgram } from "#programs/access";
import { submitted } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { grantAnswer, grantBody } from "./access-schemas.ts";

export function grantRoutes(access: AccessProgram): Route[] {
  return [
    defineRoute({
      method: "post",
      path: "/api/v1/admin/grants",
      summary: "Give a user units of an asset from its treasury",
      description: "Never more than the treasury holds. The reason is kept.",
      tags: ["Operator"],
      auth: { roles: ["operator"] },
      body: grantBody,
      response: grantAnswer,
      errors: ["insufficient_balance", "not_found"],
      async handler({ body, principal, idempotency }) {
        const request = {
          userId: body.user_id,
          asset: body.asset,
          amount: body.amount,
          reason: body.reason,
          operator: principal.sub,
        };
        return submitted(await access.grant(request, idempotency), (value) => value);
      },
    }),
  ];
}
