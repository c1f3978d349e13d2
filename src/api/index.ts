/** The HTTP API: routes in, one Express app out. It holds no business rule: parse, call, map. */
export { type AppDeps, createApp } from "./app.ts";
export { type Authenticate, createAuthenticate, type Identity, type TokenKeys } from "./auth.ts";
export { errorsMarkdown } from "./docs-page.ts";
export { type HttpServer, listen } from "./http-server.ts";
export { createLifecycle, type Lifecycle } from "./lifecycle.ts";
export { buildOpenApi, codesOf, type OpenApiDocument } from "./openapi.ts";
export { hasRole, type Principal, ROLES, type Role, requireAgreement, requireOwner } from "./principal.ts";
export { PROBLEMS, type ProblemCode, type ProblemDocument } from "./problem.ts";
export {
  EventStream,
  NdjsonStream,
  ndjson,
  RawContent,
  Reply,
  reply,
  type Submitted,
  submitted,
} from "./reply.ts";
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
export { accessRoutes } from "./v1/access.ts";
export { auditRoutes } from "./v1/audit.ts";
export { chainRoutes } from "./v1/chain.ts";
export { type DevDeps, devRoutes } from "./v1/dev.ts";
export { type EventRouteDeps, eventRoutes } from "./v1/events.ts";
export { grantRoutes } from "./v1/grants.ts";
export { type ImportRouteDeps, importRoutes } from "./v1/imports.ts";
export { type InterLedgerDeps, interLedgerRoutes } from "./v1/inter-ledger.ts";
export { type LedgerDeps, ledgerRoutes } from "./v1/ledger.ts";
export { type LedgerAdminDeps, ledgerAdminRoutes } from "./v1/ledgers.ts";
export { type LogRouteDeps, logRoutes } from "./v1/log.ts";
export { logTileRoutes } from "./v1/log-tiles.ts";
export type { QuotaRouteDeps } from "./v1/quota-holds.ts";
export { quotaRoutes } from "./v1/quotas.ts";
export { type Probe, type ServiceDeps, serviceRoutes } from "./v1/service.ts";
export { type SettlementRouteDeps, settlementRoutes } from "./v1/settlement.ts";
export type { BookRoutesDeps } from "./v1/settlement-books.ts";
export { type WalletRouteDeps, walletRoutes } from "./v1/wallets.ts";
export { webhookRoutes } from "./v1/webhooks.ts";
export { withdrawalRoutes } from "./v1/withdrawals.ts";
