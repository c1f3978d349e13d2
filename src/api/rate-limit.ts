/**
 * Requests a minute for each principal, or each address without a valid token,
 * counted in this process on wall time. Protects the service from one caller; it
 * is not a quota of the product.
 */
import type { RequestHandler } from "express";
import { ipKeyGenerator, rateLimit } from "express-rate-limit";
import { DomainError } from "#kernel";
import { stateOf } from "./request-state.ts";

const WINDOW_MS = 60_000;

/** @param limitPerMinute 0 turns it off */
export function createRateLimit(limitPerMinute: number): RequestHandler {
  if (limitPerMinute === 0) return (_req, _res, next) => next();
  return rateLimit({
    windowMs: WINDOW_MS,
    limit: limitPerMinute,
    standardHeaders: "draft-8",
    legacyHeaders: false,
    keyGenerator: (req) => {
      const { identity } = stateOf(req);
      return identity.kind === "principal"
        ? `user ${identity.principal.sub}`
        : `address ${ipKeyGenerator(req.ip ?? "unknown")}`;
    },
    handler: (_req, res, next) => {
      const retryAfterSeconds = Number.parseInt(String(res.getHeader("Retry-After")), 10) || WINDOW_MS / 1000;
      next(new DomainError("rate_limited", "Too many requests this minute", { retryAfterSeconds }));
    },
    // Forwarding headers are not trusted here, so that they come at all is no mistake.
    validate: { xForwardedForHeader: false, forwardedHeader: false },
  });
}
