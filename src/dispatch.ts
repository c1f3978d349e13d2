/**
 * Leads each request to the ledger that its `X-Ledger` names, or its path where
 * that is one of a log's tiles, and refuses names that are none. Handlers behind
 * it know nothing of other ledgers.
 */
import type { IncomingMessage, RequestListener } from "node:http";
import { createApp, type createAuthenticate, type Lifecycle } from "#api";
import type { Log, Metrics } from "#infra";
import { DomainError, systemClock, systemIds } from "#kernel";
import { DEFAULT_LEDGER, isLedgerName } from "./ledger-registry.ts";
import type { RunningLedger, RunningLedgers } from "./running-ledgers.ts";

export interface DispatchDeps {
  readonly log: Log;
  readonly lifecycle: Lifecycle;
  readonly authenticate: ReturnType<typeof createAuthenticate>;
  /** Of the default ledger: refusals are counted there. */
  readonly metrics: Metrics;
  readonly rateLimitPerMinute: number;
  /** The default ledger. */
  readonly main: RequestListener;
  readonly others: Pick<RunningLedgers<RunningLedger & { readonly app: RequestListener }>, "get" | "find">;
}

export function dispatch(deps: DispatchDeps): RequestListener {
  const { main, others } = deps;
  const unknown = refusal(deps, "unknown");
  const failed = refusal(deps, "failed");
  return (req, res) => {
    const name = nameIn(req);
    if (name === undefined || name === DEFAULT_LEDGER) return main(req, res);
    if (typeof name !== "string" || !isLedgerName(name)) return unknown(req, res);
    const known = others.get(name);
    if (known) return known.app(req, res);
    void others.find(name).then((found) => {
      if (found === "failed") failed(req, res);
      else (found?.app ?? unknown)(req, res);
    });
  };
}

function nameIn({ headers, url }: IncomingMessage): string | string[] | undefined {
  return headers["x-ledger"] ?? ledgerInPath(url);
}

/** For a message; "" of what nobody would take for a name. */
function shownName(req: IncomingMessage): string {
  const name = nameIn(req);
  return typeof name === "string" && /^[\x21-\x7e]{1,40}$/.test(name) ? ` "${name}"` : "";
}

/** Tools that read tiles send no headers of ours. A name that cannot be one is left to the route to refuse. */
function ledgerInPath(url = ""): string | undefined {
  const name = /^\/log\/([^/?]+)\//.exec(url)?.[1];
  return name !== undefined && isLedgerName(name) ? name : undefined;
}

function refusal(deps: DispatchDeps, why: "unknown" | "failed"): RequestListener {
  const { log, metrics, lifecycle, authenticate, rateLimitPerMinute } = deps;
  return createApp({
    ...{ routes: [], clock: systemClock, ids: systemIds, log, metrics, lifecycle, authenticate },
    ...{ rateLimitPerMinute, checkResponses: false },
    refuse: (req) =>
      why === "unknown"
        ? new DomainError(
            "not_found",
            `X-Ledger or the path names no ledger of this server:${shownName(req) || " it cannot be a ledger's name"}. It may have been moved or detached: anchorbook ledger list. Without a name it is the default one; anchorbook ledger create NAME makes one`,
          )
        : new DomainError(
            "unavailable",
            `The ledger${shownName(req)} that X-Ledger or the path names cannot be opened now`,
            { retryAfterSeconds: 5 },
          ),
  });
}
