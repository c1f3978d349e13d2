/** Small routes of every kind, so that the shell is tested before and apart from the product's own routes. */
import { z } from "zod";
import { defineRoute, ndjson, type Route, submitted } from "#api";
import { DomainError, formatAmount } from "#kernel";
import {
  opaqueId,
  pagination,
  positiveAmountOfScale,
  queryBoolean,
  queryInteger,
  timeIn,
  userId,
  walletAddress,
} from "../../src/api/schemas.ts";

export interface Seen {
  idempotency?: unknown;
  handled: number;
  streamsClosed: number;
}

/** What the handlers below saw is told through `seen`, so that a test can say "never reached". */
export function shellRoutes(seen: Seen): Route[] {
  return [
    lockRoute(seen),
    accountRoute(),
    publicRoute(),
    adminRoute(seen),
    failRoute(),
    streamRoute(seen),
    slowRoute(),
    ...latestRoutes(),
  ];
}

function lockRoute(seen: Seen): Route {
  return defineRoute({
    method: "post",
    path: ["/api/v1/boxes/{box_id}/lock", "/api/v1/boxes/all/{box_id}/lock"],
    summary: "Lock a box",
    tags: ["test"],
    auth: { roles: ["user"] },
    params: z.strictObject({ box_id: opaqueId }),
    body: z.strictObject({
      amount: positiveAmountOfScale(18),
      note: z.string().max(20).optional(),
      wallet_address: walletAddress.optional(),
      parts: z
        .array(z.strictObject({ amount: positiveAmountOfScale(2), kind: z.enum(["a", "b"]) }))
        .max(3)
        .optional(),
    }),
    response: z.strictObject({
      box_id: z.string(),
      amount: z.string(),
      owner: z.string(),
      wallet: z.string().nullable(),
    }),
    errors: ["insufficient_balance"],
    handler: ({ params, body, principal, idempotency }) => {
      seen.handled += 1;
      seen.idempotency = idempotency;
      const value = {
        box_id: params.box_id,
        amount: formatAmount(body.amount, 18),
        owner: principal.sub,
        wallet: body.wallet_address ?? null,
      };
      return submitted({ value, replayed: body.note === "again" }, (box) => box);
    },
  });
}

function accountRoute(): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/boxes/of/{user_id}",
    summary: "A user's boxes",
    tags: ["test"],
    auth: { roles: ["user", "operator", "auditor"], ownUser: { param: "user_id", except: ["auditor"] } },
    params: z.strictObject({ user_id: userId }),
    query: z.strictObject({ ...pagination, at: timeIn.optional() }),
    response: z.strictObject({ user_id: z.string(), limit: z.int(), at: z.int().nullable() }),
    handler: ({ params, query }) => ({ user_id: params.user_id, limit: query.limit, at: query.at ?? null }),
  });
}

function publicRoute(): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/public",
    summary: "For everybody",
    tags: ["test"],
    auth: { public: true },
    response: z.strictObject({ caller: z.string().nullable() }),
    handler: ({ principal }) => ({ caller: principal?.sub ?? null }),
  });
}

function adminRoute(seen: Seen): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/admin/run",
    summary: "Without a body",
    tags: ["test"],
    auth: { roles: ["operator"] },
    query: z.strictObject({ dry_run: queryBoolean.optional(), note: z.string().optional() }),
    response: z.strictObject({ ran: z.literal(true) }),
    handler: ({ idempotency }) => {
      seen.handled += 1;
      seen.idempotency = idempotency;
      return { ran: true as const };
    },
  });
}

const FAILURES: Readonly<Record<string, () => Error>> = {
  bug: () => new TypeError("SELECT secret FROM token at /srv/app.ts:12"),
  replayed: () =>
    new DomainError("insufficient_balance", "Not enough", {
      details: { required: "10", available: "1" },
      replayed: true,
    }),
  quota: () => new DomainError("quota_exceeded", "Used up", { retryAfterSeconds: 12.2 }),
  database: () =>
    new Error("wrapped", { cause: Object.assign(new Error("the server says goodbye"), { code: "57P01" }) }),
  refused: () => new AggregateError([Object.assign(new Error("connect"), { code: "ECONNREFUSED" })]),
  amount: () =>
    new DomainError("invalid_amount", "amount has more than 2 decimals", { details: { member: "amount" } }),
};

function failRoute(): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/fail/{how}",
    summary: "Fails",
    tags: ["test"],
    auth: { public: true },
    params: z.strictObject({ how: z.enum([...Object.keys(FAILURES), "schema"]) }),
    response: z.strictObject({ ok: z.literal(true) }),
    errors: ["insufficient_balance", "quota_exceeded", "invalid_amount"],
    handler: ({ params }) => {
      const failure = FAILURES[params.how];
      if (failure) throw failure();
      // An answer that its own schema refuses.
      return { ok: false } as unknown as { ok: true };
    },
  });
}

function streamRoute(seen: Seen): Route {
  async function* lines(count: number, failAt: number): AsyncGenerator<string> {
    try {
      for (let n = 0; n < count; n++) {
        if (n === failAt) throw new DomainError("not_found", "There is no such epoch");
        yield `{"n":${n}}\n`;
      }
    } finally {
      seen.streamsClosed += 1;
    }
  }
  return defineRoute({
    method: "get",
    path: "/api/v1/stream/{count}/{fail_at}",
    summary: "Streams",
    tags: ["test"],
    auth: { public: true },
    params: z.strictObject({
      count: queryInteger(0, 1_000_000_000),
      fail_at: queryInteger(0, 1_000_000_000),
    }),
    responseType: "application/x-ndjson",
    errors: ["not_found"],
    handler: ({ params }) => ndjson(lines(params.count, params.fail_at)),
  });
}

function slowRoute(): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/slow",
    summary: "Never answers",
    tags: ["test"],
    auth: { roles: ["user"] },
    timeoutMs: 50,
    response: z.strictObject({}),
    handler: () => new Promise<Record<string, never>>(() => {}),
  });
}

function latestRoutes(): Route[] {
  const one = (path: string, answer: string, params?: z.ZodObject) =>
    defineRoute({
      method: "get",
      path,
      summary: answer,
      tags: ["test"],
      auth: { public: true },
      ...(params ? { params } : {}),
      response: z.strictObject({ answer: z.string() }),
      handler: () => ({ answer }),
    });
  return [
    one("/api/v1/epochs/{n}", "numbered", z.strictObject({ n: queryInteger(1, 1_000_000) })),
    one("/api/v1/epochs/latest", "latest"),
  ];
}
