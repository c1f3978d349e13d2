/**
 * The test clock. Present only where the server runs with `TEST_CLOCK` on its
 * embedded chain; whoever composes the app leaves these routes out otherwise.
 */
import { z } from "zod";
import { toRfc3339, type UnixSeconds } from "#kernel";
import { defineRoute, type Route } from "../route.ts";
import { timeOut } from "../schemas.ts";

export interface DevDeps {
  /** Moves ledger time and chain time, runs every job that became due, then answers the new ledger time. */
  advance(seconds: number): Promise<UnixSeconds>;
}

/** Ten years: enough for any lock, and far from what a block's timestamp holds. */
const MAX_ADVANCE_SECONDS = 10 * 366 * 86_400;
/** Jobs that became due run before the answer; a year of daily jobs takes its time. */
const TIMEOUT_MS = 300_000;

export function devRoutes({ advance }: DevDeps): Route[] {
  return [
    defineRoute({
      method: "post",
      path: "/api/v1/dev/clock",
      summary: "Move ledger time and local-chain time forward",
      description:
        "For tests, with `TEST_CLOCK=1` on the embedded chain only. Answers after every job that became due has run; tokens, rate limits and timeouts stay on wall time.",
      tags: ["Development"],
      auth: { roles: ["operator"] },
      body: z.strictObject({ advance_seconds: z.int().min(0).max(MAX_ADVANCE_SECONDS) }),
      response: z.strictObject({ now: timeOut, advanced_seconds: z.int() }),
      timeoutMs: TIMEOUT_MS,
      handler: async ({ body }) => ({
        now: toRfc3339(await advance(body.advance_seconds)),
        advanced_seconds: body.advance_seconds,
      }),
    }),
  ];
}
