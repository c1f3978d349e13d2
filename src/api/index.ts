/** The HTTP API: routes in, one Express app out. It holds no business rule: parse, call, map. */
export { hasRole, type Principal, ROLES, type Role, requireAgreement, requireOwner } from "./principal.ts";
export { NdjsonStream, ndjson, RawContent, Reply, reply, type Submitted, submitted } from "./reply.ts";
export {
  defineRoute,
  type HandlerResult,
  type Idempotency,
  type Method,
  type Route,
  type RouteAuth,
  type RouteContext,
  type RouteDefinition,
} from "./route.ts";
