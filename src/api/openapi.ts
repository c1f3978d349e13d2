/**
 * The OpenAPI 3.1 document, made from the same definitions and zod schemas that
 * serve and validate. Every answer a route can give is in it, with the stable
 * codes of its problem documents.
 */
import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from "@asteasolutions/zod-to-openapi";
import { z } from "zod";
import { PROBLEMS, type ProblemCode } from "./problem.ts";
import type { Route } from "./route.ts";
import { amountIn } from "./schemas.ts";
import { walkSchema } from "./walk-schema.ts";

export type OpenApiDocument = ReturnType<OpenApiGeneratorV31["generateDocument"]>;

const problemSchema = z
  .object({
    type: z.string().meta({ description: "A page about the code." }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().meta({ description: "The path of the request." }),
    error: z
      .enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]])
      .meta({ description: "The stable code." }),
    message: z.string().meta({ description: "The same as `detail`." }),
    details: z
      .unknown()
      .meta({ description: "For bad input a list of `{member, reason}`; else what helps, or null." }),
  })
  .meta({ id: "Problem", description: "An RFC 9457 problem document." });

const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/)
  .optional()
  .meta({
    description:
      "Makes a repetition safe: the same request under the same key answers the first answer again. Kept for ever.",
  });

const ledgerSchema = z.string().optional().meta({
  description: "Which ledger the request is for; without it, or as `default`, the default one. Unknown: 404.",
});

/** The 500 of each route carries the schema itself, which makes it a component. */
const PROBLEM_REF = { $ref: "#/components/schemas/Problem" };

const RATE_LIMIT_HEADERS = {
  "RateLimit-Policy": textHeader("The limit and its window in seconds."),
  RateLimit: textHeader("What remains in this window, and seconds until it ends."),
};

/** @param version of the product */
export function buildOpenApi(routes: readonly Route[], version: string): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  registry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "Claims: `sub`, the user id; `roles`, a list of `user`, `operator`, `auditor`, `arbiter`.",
  });
  for (const route of routes) {
    if (route.hidden) continue;
    route.paths.forEach((path, at) => {
      registry.registerPath(operation(route, path, at));
    });
  }
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: "3.1.0",
    info: {
      title: "Anchorbook API",
      version,
      description:
        "Amounts are decimal strings in whole units, times RFC 3339 in UTC, ids opaque. Errors are RFC 9457 problem documents with a stable `error` code.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
  });
}

/** Every code the route can answer, in the order of `PROBLEMS`. */
export function codesOf(route: Route): ProblemCode[] {
  const codes = new Set<ProblemCode>([...route.errors, "invalid_request", "internal_error", "unavailable"]);
  if (takesAmounts(route)) codes.add("invalid_amount");
  if (route.method !== "get") codes.add("payload_too_large");
  if (!("public" in route.auth)) codes.add("unauthenticated").add("forbidden");
  else if (!route.auth.ignoreToken) codes.add("unauthenticated");
  if (route.rateLimited) codes.add("rate_limited");
  if (isIdempotent(route)) codes.add("idempotency_key_reused");
  return (Object.keys(PROBLEMS) as ProblemCode[]).filter((code) => codes.has(code));
}

function operation(route: Route, path: string, aliasNumber: number): RouteConfig {
  const alias = aliasNumber > 0 ? `The same as \`${route.paths[0]}\`.` : "";
  const description = [route.description, alias].filter(Boolean).join("\n\n");
  return {
    method: route.method,
    path,
    operationId: operationId(route.method, path),
    summary: route.summary,
    ...(description === "" ? {} : { description }),
    tags: [...route.tags],
    security: security(route),
    request: {
      params: route.params,
      query: route.query,
      headers: z.object({
        "X-Ledger": ledgerSchema,
        ...(isIdempotent(route) ? { "Idempotency-Key": idempotencyKeySchema } : {}),
      }),
      ...(route.hasBody ? { body: { content: { "application/json": { schema: route.body } } } } : {}),
    },
    responses: { ...success(route), ...problems(route) },
  };
}

function success(route: Route): RouteConfig["responses"] {
  const headers = {
    "X-Request-Id": textHeader("The id of this request, as sent or made."),
    ...(route.rateLimited ? RATE_LIMIT_HEADERS : {}),
    ...(isIdempotent(route)
      ? { "Idempotent-Replayed": textHeader("`true` where this is the first answer again.") }
      : {}),
  };
  const schema = route.response ?? z.string();
  const others = Object.entries(route.otherwise).map(([type, other]) => [type, { schema: other }]);
  const content = { [route.responseType]: { schema }, ...Object.fromEntries(others) };
  return { 200: { description: "Done.", headers, content } };
}

function problems(route: Route): RouteConfig["responses"] {
  const byStatus = Map.groupBy(codesOf(route), (code) => PROBLEMS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join("\n\n"),
        ...(status === 429 || status === 503 ? { headers: { "Retry-After": textHeader("Seconds.") } } : {}),
        content: {
          "application/problem+json": {
            schema:
              status === 500
                ? problemSchema
                : { allOf: [PROBLEM_REF, { properties: { error: { enum: codes } } }] },
          },
        },
      },
    ]),
  );
}

function security(route: Route): Record<string, string[]>[] {
  if (!("public" in route.auth)) return [{ bearer: [] }];
  return route.auth.ignoreToken ? [] : [{}, { bearer: [] }];
}

function isIdempotent(route: Route): boolean {
  return route.method === "post" && !("public" in route.auth);
}

function takesAmounts(route: Route): boolean {
  let found = false;
  walkSchema(route.body, (schema) => {
    found ||= schema === amountIn;
  });
  return found;
}

/** `post`, `/api/v1/p2p/{agreement_id}/lock-tst` → `post_p2p_agreement_id_lock_tst`. */
function operationId(method: string, path: string): string {
  return `${method}_${path.replace(/^\/api\/v1\//, "").replace(/[^A-Za-z0-9]+/g, "_")}`
    .replace(/_+$/, "")
    .replace("__", "_");
}

function textHeader(description: string) {
  return { description, schema: { type: "string" as const } };
}
