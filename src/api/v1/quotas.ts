/**
 * Quotas over HTTP: today's, what was used hour by hour, and what is told of. A
 * user sees its own, operators and auditors everybody's.
 */
import { z } from "zod";
import { DomainError, SECONDS_PER_DAY, toRfc3339 } from "#kernel";
import { dateOf } from "#quota";
import { requireOwner } from "../principal.ts";
import { defineRoute, type Route } from "../route.ts";
import { decodeCursor, encodeCursor, listOf, pagination, timeIn } from "../schemas.ts";
import { kindFor, type QuotaRouteDeps, quotaHoldRoutes } from "./quota-holds.ts";
import {
  entityTypeIn,
  hourAnswer,
  ofUser,
  quotasAnswer,
  thresholdsAnswer,
  thresholdsBody,
} from "./quota-schemas.ts";

const tags = ["Quotas"] as const;
const SECONDS_PER_HOUR = 3_600;
const HOUR = /^\d{1,9}$/;
const READERS = ["operator", "auditor"] as const;

export function quotaRoutes(deps: QuotaRouteDeps): Route[] {
  return [
    quotasRoute(deps),
    usageRoute(deps),
    ...quotaHoldRoutes(deps),
    thresholdsRoute(deps),
    setThresholdsRoute(deps),
  ];
}

function quotasRoute({ quota }: QuotaRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/quotas",
    summary: "A user's quotas of today",
    description:
      "`used`, `held` and `remaining` add up to `limit`, unless that was lowered below what is taken.",
    tags,
    auth: { roles: ["user", "operator", "auditor"] },
    query: z.strictObject({ user_id: ofUser }),
    response: quotasAnswer,
    async handler({ query, principal }) {
      const asked = query.user_id ?? principal.sub;
      requireOwner(principal, asked, READERS);
      const uses = await quota.usageOf(asked);
      const day = uses[0]?.day ?? 0;
      return {
        user_id: asked,
        day: dateOf(day),
        resets_at: toRfc3339((day + 1) * SECONDS_PER_DAY),
        quotas: uses.map((use) => ({
          entity_type: use.entityType,
          entity: use.name,
          limit: use.limit,
          used: use.used - use.held,
          held: use.held,
          remaining: use.remaining,
        })),
      };
    },
  });
}

function usageRoute({ holds }: QuotaRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/quotas/usage",
    summary: "What a user used, hour by hour",
    description:
      "The hours in which anything was used, oldest first: those of the last day, or from the hour of `from` up to the time `to`. A hold counts for the hour in which it is committed, after its day for the last hour of that.",
    tags,
    auth: { roles: ["user", "operator", "auditor"] },
    query: z.strictObject({
      user_id: ofUser,
      entity_type: entityTypeIn,
      from: timeIn.optional(),
      to: timeIn.optional(),
      ...pagination,
    }),
    response: listOf(hourAnswer),
    async handler({ query, principal }) {
      const userId = query.user_id ?? principal.sub;
      requireOwner(principal, userId, READERS);
      const { from, to, limit, cursor } = query;
      if (from !== undefined && to !== undefined && from >= to)
        throw new DomainError("invalid_request", "from must be before to", { details: { member: "from" } });
      const [after] = cursor === undefined ? [] : decodeCursor(cursor, HOUR);
      const found = await holds.usedByHour(
        { userId, entityType: query.entity_type },
        {
          fromHour: after === undefined ? hourOf(from) : Number.parseInt(after, 10) + 1,
          untilHour: to === undefined ? null : Math.ceil(to / SECONDS_PER_HOUR),
          limit: limit + 1,
        },
      );
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        data: page.map(({ hour, used }) => ({ hour: toRfc3339(hour * SECONDS_PER_HOUR), used })),
        next_cursor: last ? encodeCursor(`${last.hour}`) : null,
      };
    },
  });
}

function thresholdsRoute({ holds }: QuotaRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/quotas/thresholds",
    summary: "Which parts of a day's quota are told of",
    tags,
    auth: { roles: ["user", "operator", "auditor"] },
    response: listOf(thresholdsAnswer),
    handler: async () => ({
      data: (await holds.kinds()).map(({ id, name, thresholds }) => ({
        entity_type: id,
        entity: name,
        thresholds: [...thresholds],
      })),
      next_cursor: null,
    }),
  });
}

function setThresholdsRoute({ quota, holds }: QuotaRouteDeps): Route {
  return defineRoute({
    method: "put",
    path: "/api/v1/quotas/thresholds",
    summary: "Say which parts of a day's quota are told of",
    description:
      "Per cent of the limit. An event `quota.threshold_reached` tells of each, once a user, quota and day; of none below one that was told of that day.",
    tags: ["Operator"],
    auth: { roles: ["operator"] },
    body: thresholdsBody,
    response: thresholdsAnswer,
    async handler({ body }) {
      const { id } = kindFor(quota.kinds, body);
      return (await holds.setThresholds(id, body.thresholds)).value;
    },
  });
}

/** Null: of the last day. */
function hourOf(from: number | undefined): number | null {
  return from === undefined ? null : Math.floor(from / SECONDS_PER_HOUR);
}
