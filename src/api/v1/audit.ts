/**
 * What an auditor reads: the leaf files and the journal, line by line, in the
 * bytes that epochs commit to. Public: keys are salted and ids opaque.
 */
import { z } from "zod";
import type { Settlement } from "#settlement";
import { ndjson } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { queryBoolean, queryInteger } from "../schemas.ts";
import { assetQuery, type SettlementBooks, settlementOf } from "./settlement-books.ts";
import { sectionName } from "./settlement-schemas.ts";

const STREAM_TIMEOUT_MS = 600_000;
const DEFAULT_LINES = 10_000;
const MAX_LINES = 1_000_000;
const tags = ["Audit"] as const;

export function auditRoutes(settlement: Settlement, books?: SettlementBooks["books"]): Route[] {
  const leaves = defineRoute({
    method: "get",
    path: "/api/v1/audit/epochs/{n}/leaves",
    summary: "The leaf file of a section",
    description:
      "The leaves that the epoch changed, in index order, one canonical JSON object a line: exactly the bytes that the header's data hash binds. With `full=true` all leaves of the section as they were then, which no hash binds but the root does.",
    tags,
    auth: { public: true },
    params: z.strictObject({ n: queryInteger(1, Number.MAX_SAFE_INTEGER) }),
    query: z.strictObject({ section: sectionName, full: queryBoolean.optional(), ...assetQuery }),
    responseType: "application/x-ndjson",
    errors: ["not_found"],
    timeoutMs: STREAM_TIMEOUT_MS,
    handler: async ({ params, query }) =>
      ndjson(
        await settlementOf({ settlement, books }, query.asset).leaves(
          params.n,
          query.section,
          query.full ?? false,
        ),
      ),
  });
  const journal = defineRoute({
    method: "get",
    path: "/api/v1/audit/journal",
    summary: "Journal lines",
    description:
      "Canonical lines from number `from` on, of those that an epoch holds: line n is leaf n of the log tree whose root the header carries. An empty answer is the end.",
    tags,
    auth: { public: true },
    query: z.strictObject({
      from: queryInteger(0, Number.MAX_SAFE_INTEGER).default(0),
      limit: queryInteger(1, MAX_LINES).default(DEFAULT_LINES),
    }),
    responseType: "application/x-ndjson",
    timeoutMs: STREAM_TIMEOUT_MS,
    handler: async ({ query: { from, limit } }) => ndjson(await settlement.journal(from, limit)),
  });
  return [leaves, journal];
}
