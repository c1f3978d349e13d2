/**
 * The Express app around a list of routes. The way of a request is one line:
 * request id and log → identity → rate limit → access → body → schemas →
 * handler → answer. Access is decided before a byte of the body is read, and
 * what no route names is 404.
 */
import express, { type Express, type Request, type RequestHandler, type Response } from "express";
import helmet from "helmet";
import type { Log, Metrics } from "#infra";
import { type Clock, DomainError, type Ids } from "#kernel";
import { authorize } from "./access.ts";
import type { Authenticate } from "./auth.ts";
import { bindCursor, type ListAsked, unbindCursor } from "./cursor-binding.ts";
import { idempotencyOf, parseIdempotencyKey } from "./idempotency.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { codesOf } from "./openapi.ts";
import { HttpRefusal, toProblem } from "./problem.ts";
import { createRateLimit } from "./rate-limit.ts";
import { createReadBody, type ReadBody } from "./read-body.ts";
import { EventStream, NdjsonStream, RawContent, Reply } from "./reply.ts";
import { beginRequest } from "./request-log.ts";
import { stateOf } from "./request-state.ts";
import type { HandlerResult, Route, RouteContext } from "./route.ts";
import { sendProblem, sendResult } from "./send.ts";
import { assertStorable } from "./strict-json.ts";
import { validate } from "./validate.ts";

export interface AppDeps {
  readonly routes: readonly Route[];
  readonly authenticate: Authenticate;
  /** Wall time. */
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly lifecycle: Lifecycle;
  /** 0 turns it off. */
  readonly rateLimitPerMinute: number;
  /** Answers that do not fit their schema become 500. For tests and development; it costs time. */
  readonly checkResponses: boolean;
  /** What every request is refused with, whatever it asks for. */
  readonly refuse?: (req: Request) => DomainError;
  /** Told of every error code that a route answers without listing it in its `errors`. For tests. */
  readonly onUndocumented?: (finding: string) => void;
}

export function createApp(deps: AppDeps): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.enable("case sensitive routing");
  app.set("query parser", "simple");
  app.use(beginRequest(deps));
  app.use(securityHeaders());
  const { refuse } = deps;
  if (refuse)
    app.use((req) => {
      throw refuse(req);
    });

  const identify = createIdentify(deps.authenticate);
  const limit = createRateLimit(deps.rateLimitPerMinute);
  for (const { route, path } of bySpecificity(deps.routes)) {
    const ignoresToken = "ignoreToken" in route.auth && route.auth.ignoreToken === true;
    app[route.method](
      toExpressPath(path),
      nameRoute(path),
      ...(ignoresToken ? [] : [identify]),
      ...(route.rateLimited ? [limit] : []),
      serve(route, deps),
    );
  }
  for (const [path, allowed] of methodsByPath(deps.routes))
    app.all(toExpressPath(path), nameRoute(path), identify, limit, refuseMethod(allowed));
  app.use(identify, limit, () => {
    throw new DomainError("not_found", "There is no such path");
  });
  app.use(failWith(deps.log));
  return app;
}

/** The page at /docs runs its own scripts and styles only; everything else is data. */
function securityHeaders(): RequestHandler {
  const self = ["'self'"];
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: self,
        // Swagger UI sets style attributes.
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", "data:"],
        fontSrc: self,
        connectSrc: self,
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
  });
}

function createIdentify(authenticate: Authenticate): RequestHandler {
  return async (req, _res, next) => {
    stateOf(req).identity = await authenticate(req.get("authorization"));
    next();
  };
}

function nameRoute(path: string): RequestHandler {
  return (req, _res, next) => {
    stateOf(req).route = path;
    next();
  };
}

function serve(route: Route, deps: AppDeps): RequestHandler {
  const readBody = createReadBody(route.maxBodyBytes);
  return async (req, res) => {
    try {
      const principal = authorize(route, stateOf(req).identity, req.params);
      const ctx = await contextOf(route, req, res, principal, readBody);
      const list = { path: req.path, query: ctx.query as ListAsked["query"] };
      const result = bindCursor(list, await withinTime(route, route.handler(ctx)));
      if (deps.checkResponses) assertFits(route, result);
      await sendResult(req, res, result, deps);
    } catch (error) {
      if (deps.onUndocumented && error instanceof DomainError && !codesOf(route).includes(error.code))
        deps.onUndocumented(
          `${req.method} ${route.paths[0]} answers ${error.code}, which its errors do not list`,
        );
      throw error;
    }
  };
}

async function contextOf(
  route: Route,
  req: Request,
  res: Response,
  principal: RouteContext<unknown, unknown, unknown>["principal"],
  readBody: ReadBody,
): Promise<RouteContext<unknown, unknown, unknown>> {
  const takesBody = route.method !== "get" && route.method !== "delete";
  const key =
    route.method === "post" && principal ? parseIdempotencyKey(req.get("idempotency-key")) : undefined;
  const rawParams = textMembers(req.params);
  const params = validate(route.params, rawParams);
  const rawQuery = textMembers(req.query);
  const asked = validate(route.query, rawQuery) as ListAsked["query"];
  const query = unbindCursor({ path: req.path, query: asked });
  const rawBody = takesBody ? await readBody(req, res) : {};
  const body = validate(route.body, rawBody);
  const base = { params, query, body, principal, requestId: stateOf(req).requestId, req };
  if (key === undefined || !principal) return base;
  const request = { key, principal: principal.sub, params: rawParams, query: rawQuery, body: rawBody };
  return { ...base, idempotency: idempotencyOf(route, request) };
}

/** Path or query members; one that came twice is refused, as is text that cannot be stored. */
function textMembers(source: object): Record<string, string> {
  const members: [string, string][] = Object.entries(source).map(([name, value]: [string, unknown]) => {
    if (typeof value !== "string") throw invalidMember(name, "is given twice");
    assertStorable(name, "a member's name");
    assertStorable(value, name);
    // What bytes become that are no UTF-8.
    if (`${name}${value}`.includes("\ufffd")) throw invalidMember(name, "must be UTF-8");
    return [name, value];
  });
  return Object.fromEntries(members);
}

function invalidMember(member: string, reason: string): DomainError {
  return new DomainError("invalid_request", `${member} ${reason}`, { details: { member } });
}

async function withinTime(
  route: Route,
  work: HandlerResult<unknown> | Promise<HandlerResult<unknown>>,
): Promise<HandlerResult<unknown>> {
  if (!(work instanceof Promise)) return work;
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tookTooLong()), route.timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function tookTooLong(): DomainError {
  return new DomainError("unavailable", "This took too long; ask again with the same Idempotency-Key", {
    retryAfterSeconds: 1,
  });
}

function assertFits(route: Route, result: unknown): void {
  if (!route.response || isRaw(result)) return;
  const body: unknown = result instanceof Reply ? result.body : result;
  const fit = route.response.safeParse(body);
  if (!fit.success)
    throw new Error(`${route.paths[0]} answered what its schema refuses`, { cause: fit.error });
}

function isRaw(result: unknown): boolean {
  return result instanceof RawContent || result instanceof NdjsonStream || result instanceof EventStream;
}

function refuseMethod(allowed: readonly string[]): RequestHandler {
  const allow = allowed.join(", ");
  return (req, res) => {
    if (req.method !== "OPTIONS")
      throw new HttpRefusal("invalid_request", 405, `The path answers ${allow} only`, { Allow: allow });
    res.set("Allow", allow).status(204).end();
  };
}

function failWith(log: Log): express.ErrorRequestHandler {
  return (error: unknown, req, res, _next) => {
    const { requestId } = stateOf(req);
    const problem = toProblem(error, { path: req.path, requestId });
    if (problem.unexpected) log.error({ request_id: requestId, err: error }, "request failed unexpectedly");
    else if (problem.status >= 500)
      log.warn({ request_id: requestId, ...reasonOf(error) }, "request could not be served now");
    // A body that began cannot be taken back: cutting it is the only honest sign.
    if (res.headersSent || res.destroyed) res.destroy();
    else sendProblem(res, problem);
  };
}

/** What we refused by ourselves says all there is to say; behind anything else somebody may have to look at the stack. */
function reasonOf(error: unknown): { why: string } | { err: unknown } {
  const isOurs = error instanceof DomainError && error.cause === undefined;
  return isOurs ? { why: error.message } : { err: error };
}

/** Literal segments before parameters, so that `/epochs/latest` is not taken for an epoch's number. */
function bySpecificity(routes: readonly Route[]): { route: Route; path: string }[] {
  const rank = (path: string): string => path.replace(/\{\w+\}/g, "\uffff");
  return routes
    .flatMap((route) => route.paths.map((path) => ({ route, path })))
    .sort((a, b) => (rank(a.path) < rank(b.path) ? -1 : 1));
}

function methodsByPath(routes: readonly Route[]): Map<string, string[]> {
  const methods = new Map<string, string[]>();
  for (const { route, path } of bySpecificity(routes)) {
    const allowed = methods.get(path) ?? [];
    allowed.push(route.method.toUpperCase(), ...(route.method === "get" ? ["HEAD"] : []));
    methods.set(path, allowed);
  }
  return methods;
}

function toExpressPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ":$1");
}
