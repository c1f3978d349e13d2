/**
 * Verified tokens for a moment, so that a caller's next request does not cost
 * another signature check (a hop to a worker thread, a sixth of a request's CPU).
 * Never beyond the token's own expiry, and never long. Refusals are not
 * remembered.
 */
import { hash } from "node:crypto";
import { Remembered } from "#kernel";
import type { Principal } from "./principal.ts";

const REMEMBER_MS = 30_000;
const MAX_TOKENS = 10_000;

/** Who a token speaks for, and until when. */
export interface Bearer {
  readonly principal: Principal;
  readonly expiresMs: number;
}

export interface RememberedTokens {
  find(token: string, nowMs: number): Bearer | undefined;
  remember(token: string, bearer: Bearer, nowMs: number): void;
}

export function createRememberedTokens(): RememberedTokens {
  // By hash: a heap dump or a debugger then shows no token that works.
  const byHash = new Remembered<string, Bearer & { readonly untilMs: number }>(MAX_TOKENS);
  return {
    find(token, nowMs) {
      const known = byHash.get(hashOf(token));
      if (!known || nowMs >= known.untilMs) return undefined;
      return { principal: known.principal, expiresMs: known.expiresMs };
    },
    remember(token, { principal, expiresMs }, nowMs) {
      byHash.set(hashOf(token), { principal, expiresMs, untilMs: Math.min(expiresMs, nowMs + REMEMBER_MS) });
    },
  };
}

function hashOf(token: string): string {
  return hash("sha256", token, "base64");
}
