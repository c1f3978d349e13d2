/**
 * One definition a route: it is what Express serves, what validates, what the
 * OpenAPI document says and what the access tests attack. A mistake in a
 * definition (a lenient schema, a path parameter without a schema) is refused
 * when the process starts, not when a request arrives.
 */
import type { Request } from "express";
import { z } from "zod";
import type { ErrorCode } from "#kernel";
import type { Principal, Role } from "./principal.ts";
import type { EventStream, NdjsonStream, RawContent, Reply } from "./reply.ts";
import { walkSchema } from "./walk-schema.ts";

export type Method = "get" | "post" | "put" | "patch" | "delete";

/**
 * Who may call. There is no default: a route that forgets this does not compile.
 * - `public`: without a token as anonymous, with a token as its principal; a bad
 *   token is still 401. `ignoreToken` is for probes and assets, which never look at it.
 * - `roles`: a token with one of these roles. `ownUser` also binds a path
 *   parameter to the token's subject, except for callers with an `except` role.
 */
export type RouteAuth =
  | { readonly public: true; readonly ignoreToken?: true }
  | {
      readonly roles: readonly [Role, ...Role[]];
      readonly ownUser?: { readonly param: string; readonly except?: readonly Role[] };
    };

/** The stored-answer handle of a POST that carries `Idempotency-Key`; the ledger writer keeps the records. */
export interface Idempotency {
  readonly principal: string;
  readonly key: string;
  /** SHA-256 (lower-case hex) over method, path, query and canonical body. */
  readonly fingerprint: string;
}

export interface RouteContext<P, Q, B, Who = Principal | null> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Null only on public routes called without a token. */
  readonly principal: Who;
  /** Present where the request is a POST with a principal and an `Idempotency-Key`. */
  readonly idempotency?: Idempotency;
  readonly requestId: string;
  readonly req: Request;
}

/** A plain body is answered as 200 JSON; anything else is said by `reply`, `submitted`, `raw` or `ndjson`. */
export type HandlerResult<R> = R | Reply<R> | RawContent | NdjsonStream | EventStream;

type NoMembers = z.ZodObject<Record<never, never>, z.core.$strict>;
type WhoOf<A extends RouteAuth> = A extends { readonly public: true } ? Principal | null : Principal;

export interface RouteDefinition<
  P extends z.ZodObject,
  Q extends z.ZodObject,
  B extends z.ZodType,
  R extends z.ZodType,
  A extends RouteAuth,
> {
  readonly method: Method;
  /** OpenAPI style, `/api/v1/p2p/{agreement_id}/lock-tst`; several are aliases, the first is the canonical one. */
  readonly path: string | readonly [string, ...string[]];
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly [string, ...string[]];
  readonly auth: A;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** Schema of the 200 body. Leave out only for raw content and streams. */
  readonly response?: R;
  /** Media type of the 200 answer where it is not JSON. */
  readonly responseType?: string;
  /** What else the 200 answer can be, by media type, where the request's `Accept` asks for it. */
  readonly otherwise?: Readonly<Record<string, z.ZodType>>;
  /** Codes this route answers beyond the ones every route of its kind has. */
  readonly errors?: readonly ErrorCode[];
  /** Default 1 MB. */
  readonly maxBodyBytes?: number;
  /** Default 30 s, then 503; the work itself may still finish. */
  readonly timeoutMs?: number;
  /** Default true; probes and metrics say false. */
  readonly rateLimited?: boolean;
  /** Left out of the OpenAPI document (assets). */
  readonly hidden?: true;
  handler(
    ctx: RouteContext<z.output<P>, z.output<Q>, z.output<B>, WhoOf<A>>,
  ): HandlerResult<z.input<R>> | Promise<HandlerResult<z.input<R>>>;
}

/** A definition with its types erased: what the app, the document and the tests walk over. */
export interface Route {
  readonly method: Method;
  readonly paths: readonly [string, ...string[]];
  readonly summary: string;
  readonly description: string | undefined;
  readonly tags: readonly string[];
  readonly auth: RouteAuth;
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  readonly body: z.ZodType;
  readonly hasBody: boolean;
  readonly response: z.ZodType | undefined;
  readonly responseType: string;
  readonly otherwise: Readonly<Record<string, z.ZodType>>;
  readonly errors: readonly ErrorCode[];
  readonly maxBodyBytes: number;
  readonly timeoutMs: number;
  readonly rateLimited: boolean;
  readonly hidden: boolean;
  readonly handler: (
    ctx: RouteContext<unknown, unknown, unknown>,
  ) => HandlerResult<unknown> | Promise<HandlerResult<unknown>>;
}

const MEGABYTE = 1_000_000;
const DEFAULT_TIMEOUT_MS = 30_000;
const NO_MEMBERS: NoMembers = z.strictObject({});

/**
 * Checks a definition and erases its types.
 * @throws Error where a schema accepts unknown members or path and `params` disagree
 */
export function defineRoute<
  const A extends RouteAuth,
  P extends z.ZodObject = NoMembers,
  Q extends z.ZodObject = NoMembers,
  B extends z.ZodType = NoMembers,
  R extends z.ZodType = z.ZodUnknown,
>(definition: RouteDefinition<P, Q, B, R, A>): Route {
  const paths: readonly [string, ...string[]] =
    typeof definition.path === "string" ? [definition.path] : definition.path;
  const name = `${definition.method.toUpperCase()} ${paths[0]}`;
  const params: z.ZodObject = definition.params ?? NO_MEMBERS;
  const query: z.ZodObject = definition.query ?? NO_MEMBERS;
  const body: z.ZodType = definition.body ?? NO_MEMBERS;
  for (const path of paths) assertSameNames(name, pathParameters(path), Object.keys(params.shape));
  for (const schema of [params, query, body]) assertStrict(name, schema);
  if ("ownUser" in definition.auth && definition.auth.ownUser !== undefined) {
    if (!(definition.auth.ownUser.param in params.shape))
      throw new Error(`${name}: ownUser names no path parameter`);
  }
  return {
    method: definition.method,
    paths,
    summary: definition.summary,
    description: definition.description,
    tags: definition.tags,
    auth: definition.auth,
    params,
    query,
    body,
    hasBody: definition.body !== undefined,
    response: definition.response,
    responseType: definition.responseType ?? "application/json",
    otherwise: definition.otherwise ?? {},
    errors: definition.errors ?? [],
    maxBodyBytes: definition.maxBodyBytes ?? MEGABYTE,
    timeoutMs: definition.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    rateLimited: definition.rateLimited ?? true,
    hidden: definition.hidden ?? false,
    // The app calls a handler only with what its own schemas returned, so the erased types are met.
    handler: definition.handler as unknown as Route["handler"],
  };
}

/** Names of the `{…}` segments of a path, in order. */
export function pathParameters(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
}

function assertSameNames(route: string, inPath: readonly string[], inSchema: readonly string[]): void {
  if ([...inPath].sort().join() !== [...inSchema].sort().join())
    throw new Error(`${route}: path has {${inPath.join()}}, params has {${inSchema.join()}}`);
}

/** Refuses any object schema that would let unknown members pass. */
function assertStrict(route: string, root: z.ZodType): void {
  walkSchema(root, (schema) => {
    if (schema instanceof z.ZodObject && !(schema.def.catchall instanceof z.ZodNever))
      throw new Error(`${route}: use z.strictObject, unknown members must be refused`);
  });
}
