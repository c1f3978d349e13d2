/**
 * What the app knows about a request beside what Express holds: kept aside in a
 * typed map, because `res.locals` is untyped.
 */
import type { Request } from "express";
import type { Identity } from "./auth.ts";

export interface RequestState {
  readonly requestId: string;
  readonly startedMs: number;
  identity: Identity;
  /** Template of the route that answers, for logs and metrics. */
  route: string;
}

const states = new WeakMap<Request, RequestState>();

export function beginState(req: Request, state: RequestState): void {
  states.set(req, state);
}

export function stateOf(req: Request): RequestState {
  const state = states.get(req);
  if (!state) throw new Error("request without state: beginRequest must come first");
  return state;
}
