/**
 * Holds of quota over HTTP: reserve, extend, commit, release. A user acts for
 * itself, an operator for any user; a hold that an operator made for a user is the
 * operators' to end.
 */
import { z } from "zod";
import { DomainError, toRfc3339 } from "#kernel";
import {
  dateOf,
  QUOTA_GATE_HEADER,
  type Quota,
  type QuotaHold,
  type QuotaHolds,
  type QuotaKind,
} from "#quota";
import { hasRole, type Principal, requireOwner } from "../principal.ts";
import { submitted } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { decodeCursor, encodeCursor, listOf, opaqueId, pagination } from "../schemas.ts";
import {
  commitBody,
  entityTypeIn,
  extendBody,
  holdAnswer,
  holdBody,
  ofUser,
  releaseBody,
} from "./quota-schemas.ts";

export interface QuotaRouteDeps {
  readonly quota: Pick<Quota, "usageOf" | "kinds">;
  readonly holds: QuotaHolds;
}

const tags = ["Quotas"] as const;
const HOLD_ID = /^[A-Za-z0-9_-]{1,64}$/;
const holdParams = z.strictObject({ hold_id: opaqueId });
const READERS = ["operator", "auditor"] as const;

export function quotaHoldRoutes(deps: QuotaRouteDeps): Route[] {
  return [
    reserveRoute(deps),
    openHoldsRoute(deps),
    holdRoute(deps),
    commitRoute(deps),
    releaseRoute(deps),
    extendRoute(deps),
  ];
}

function reserveRoute({ quota, holds }: QuotaRouteDeps): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/quotas/holds",
    summary: "Hold units of today's quota",
    description: `For work whose cost is known only afterwards: nobody else can use the units until the hold is committed with what it cost, released, or expires. A refusal takes nothing. At most 1,000 are open of one quota and day. \`${QUOTA_GATE_HEADER}: bypassed\` says that the counters in front of the database were not asked.`,
    tags,
    auth: { roles: ["user", "operator"] },
    body: holdBody,
    response: holdAnswer,
    errors: ["quota_exceeded"],
    async handler({ body, principal, idempotency, req }) {
      const userId = body.user_id ?? principal.sub;
      requireOwner(principal, userId, ["operator"]);
      const request = {
        userId,
        entityType: kindFor(quota.kinds, body).id,
        units: body.units,
        ttlSeconds: body.ttl_seconds,
        createdBy: principal.sub,
        reference: body.reference ?? null,
      };
      const onGateBypassed = () => req.res?.set(QUOTA_GATE_HEADER, "bypassed");
      return submitted(await holds.reserve(request, idempotency, onGateBypassed), answerOf(quota));
    },
  });
}

function openHoldsRoute({ quota, holds }: QuotaRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/quotas/holds",
    summary: "A user's open holds of one quota",
    tags,
    auth: { roles: ["user", "operator", "auditor"] },
    query: z.strictObject({ user_id: ofUser, entity_type: entityTypeIn, ...pagination }),
    response: listOf(holdAnswer),
    async handler({ query, principal }) {
      const userId = query.user_id ?? principal.sub;
      requireOwner(principal, userId, READERS);
      const { limit, cursor } = query;
      const afterId = cursor === undefined ? null : (decodeCursor(cursor, HOLD_ID)[0] ?? null);
      const target = { userId, entityType: query.entity_type };
      const found = await holds.openHolds(target, { limit: limit + 1, afterId });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return { data: page.map(answerOf(quota)), next_cursor: last ? encodeCursor(last.id) : null };
    },
  });
}

function holdRoute({ quota, holds }: QuotaRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/quotas/holds/{hold_id}",
    summary: "A hold as it is now",
    tags,
    auth: { roles: ["user", "operator", "auditor"] },
    params: holdParams,
    response: holdAnswer,
    errors: ["not_found"],
    async handler({ params, principal }) {
      const hold = await holds.holdOf(params.hold_id);
      requireOwner(principal, hold.userId, READERS);
      return answerOf(quota)(hold);
    },
  });
}

function commitRoute({ quota, holds }: QuotaRouteDeps): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/quotas/holds/{hold_id}/commit",
    summary: "Book what a hold cost",
    description:
      "The rest is given back. More than was held is booked as far as the hold's day has it free; where it has not, `quota_exceeded`, and the hold stays as it is. The same again answers the same; `not_active` where it was released, expired, or committed with another number.",
    tags,
    auth: { roles: ["user", "operator"] },
    params: holdParams,
    body: commitBody,
    response: holdAnswer,
    errors: ["not_found", "not_active", "quota_exceeded"],
    async handler({ params, body, principal, idempotency }) {
      const hold = requireOwnHold(principal, await holds.holdOf(params.hold_id));
      return submitted(await holds.commit(hold, body.units, idempotency), answerOf(quota));
    },
  });
}

function releaseRoute({ quota, holds }: QuotaRouteDeps): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/quotas/holds/{hold_id}/release",
    summary: "Give back what a hold keeps",
    description:
      "Of a hold that was released or has expired nothing is kept, so that it is answered as it is; `not_active` where it was committed.",
    tags,
    auth: { roles: ["user", "operator"] },
    params: holdParams,
    body: releaseBody,
    response: holdAnswer,
    errors: ["not_found", "not_active"],
    async handler({ params, principal, idempotency }) {
      const hold = requireOwnHold(principal, await holds.holdOf(params.hold_id));
      return submitted(await holds.release(hold, idempotency), answerOf(quota));
    },
  });
}

function extendRoute({ quota, holds }: QuotaRouteDeps): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/quotas/holds/{hold_id}/extend",
    summary: "Let a hold live longer, or hold more or less",
    description:
      "It never lives shorter by this. More units are held as far as the hold's day has them free; where it has not, `quota_exceeded`, and the hold stays as it is.",
    tags,
    auth: { roles: ["user", "operator"] },
    params: holdParams,
    body: extendBody,
    response: holdAnswer,
    errors: ["not_found", "not_active", "quota_exceeded"],
    async handler({ params, body, principal, idempotency }) {
      const hold = requireOwnHold(principal, await holds.holdOf(params.hold_id));
      const change = {
        ttlSeconds: body.ttl_seconds,
        ...(body.units === undefined ? {} : { units: body.units }),
      };
      return submitted(await holds.extend(hold, change, idempotency), answerOf(quota));
    },
  });
}

/** @throws DomainError `forbidden` where the hold is another user's, or was made by somebody else */
function requireOwnHold(principal: Principal, hold: QuotaHold): QuotaHold {
  requireOwner(principal, hold.userId, ["operator"]);
  if (hold.createdBy !== principal.sub && !hasRole(principal, "operator"))
    throw new DomainError("forbidden", "An operator made this hold, and operators end it");
  return hold;
}

/** @throws DomainError `invalid_request` */
export function kindFor(
  kinds: readonly QuotaKind[],
  asked: { readonly entity_type?: number | undefined; readonly entity?: string | undefined },
): QuotaKind {
  const { entity_type, entity } = asked;
  const kind = kinds.find(({ id, name }) =>
    entity_type === undefined ? name === entity : id === entity_type,
  );
  if (!kind) {
    const member = entity_type === undefined ? "entity" : "entity_type";
    throw new DomainError("invalid_request", `${member} does not exist`, { details: { member } });
  }
  if (entity !== undefined && entity !== kind.name)
    throw new DomainError("invalid_request", "entity does not agree with entity_type", {
      details: { member: "entity" },
    });
  return kind;
}

function answerOf({ kinds }: Pick<Quota, "kinds">): (hold: QuotaHold) => z.input<typeof holdAnswer> {
  return (hold) => ({
    hold_id: hold.id,
    status: hold.status,
    user_id: hold.userId,
    entity_type: hold.entityType,
    entity: kinds.find(({ id }) => id === hold.entityType)?.name ?? "",
    units: hold.units,
    committed: hold.committed,
    reference: hold.reference,
    day: dateOf(hold.day),
    created_at: toRfc3339(hold.createdAt),
    expires_at: toRfc3339(hold.expiresAt),
    ended_at: hold.endedAt === null ? null : toRfc3339(hold.endedAt),
  });
}
