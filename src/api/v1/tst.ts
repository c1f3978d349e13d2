/** What TST is required for, what a user holds of it and may use: reads alone. */
import { z } from "zod";
import { type AccessProgram, TST } from "#programs/access";
import { defineRoute, type Route } from "../route.ts";
import { amountOut, userId } from "../schemas.ts";
import { accessAnswer, requirementsAnswer } from "./access-schemas.ts";

export function tstRoutes(access: AccessProgram): Route[] {
  return [requirementsRoute(access), accessRoute(access), healthRoute(access)];
}

function requirementsRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/tst/requirements/{action}",
    summary: "What an action requires",
    description:
      "`lock_p2p`, `upgrade_tier`, `reserve_entity`, or one of `p2p_agreement`, `tier_1`, `tier_2`, `tier_3`, `entity_risk`, `entity_strategy`, `entity_memory`. With a token it also says whether its user has enough.",
    tags: ["TST access"],
    auth: { public: true },
    params: z.strictObject({
      action: z.string().regex(/^[a-z0-9_]{1,64}$/, { error: "must be the name of an action" }),
    }),
    response: requirementsAnswer,
    errors: ["not_found"],
    handler: ({ params, principal }) => access.requirementsOf(params.action, principal?.sub ?? null),
  });
}

function accessRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/tst/access/{user_id}",
    summary: "What a user holds and may use",
    tags: ["TST access"],
    auth: {
      roles: ["user", "operator", "auditor"],
      ownUser: { param: "user_id", except: ["operator", "auditor"] },
    },
    params: z.strictObject({ user_id: userId }),
    response: accessAnswer,
    handler: ({ params }) => access.accessOf(params.user_id),
  });
}

function healthRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/tst/health",
    summary: "Whether the access program answers",
    tags: ["TST access"],
    auth: { public: true, ignoreToken: true },
    response: z.strictObject({
      status: z.enum(["ok", "starting"]),
      asset: z.literal(TST.code),
      total_supply: amountOut,
    }),
    handler: async () => {
      const { total, inTreasury } = await access.supply();
      const status = inTreasury ? ("ok" as const) : ("starting" as const);
      return { status, asset: TST.code, total_supply: total };
    },
  });
}
