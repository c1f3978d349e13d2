/**
 * The first step of every request: its id, its state, and one log line and one
 * observation when it ends. The line has the route's template, never the path or
 * query, whose ids and cursors are the callers' own.
 */
import type { RequestHandler } from "express";
import type { Log, Metrics } from "#infra";
import type { Clock, Ids } from "#kernel";
import type { Lifecycle } from "./lifecycle.ts";
import { beginState, type RequestState } from "./request-state.ts";

const SANE_REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

export interface RequestLogDeps {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly lifecycle: Lifecycle;
}

export function beginRequest(deps: RequestLogDeps): RequestHandler {
  const { clock, ids, log, metrics, lifecycle } = deps;
  return (req, res, next) => {
    const sent = req.get("x-request-id");
    const requestId = sent !== undefined && SANE_REQUEST_ID.test(sent) ? sent : ids.uuid();
    const state: RequestState = {
      requestId,
      startedMs: clock.nowMs(),
      identity: { kind: "anonymous" },
      route: "unknown",
    };
    beginState(req, state);
    res.setHeader("X-Request-Id", requestId);
    res.setHeader("Cache-Control", "no-store");
    if (lifecycle.isDraining()) res.setHeader("Connection", "close");
    metrics.httpRequestsInFlight.inc();
    res.once("close", () => {
      metrics.httpRequestsInFlight.dec();
      const durationMs = Math.max(0, clock.nowMs() - state.startedMs);
      const labels = { method: req.method, route: state.route, status: String(res.statusCode) };
      metrics.httpRequestDuration.observe(labels, durationMs / 1000);
      const line = {
        request_id: requestId,
        ...labels,
        status: res.statusCode,
        duration_ms: durationMs,
        principal: state.identity.kind === "principal" ? state.identity.principal.sub : null,
        ...(res.writableFinished ? {} : { aborted: true }),
      };
      log.info(line, "request");
    });
    next();
  };
}
