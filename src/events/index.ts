/**
 * Events to the outside: pages, a resumable stream, signed webhooks. Promises:
 * in order, none missing, to a stream once and to a webhook at least once. Must
 * not write an event (that is the ledger's, with the effect), nor know what one
 * means, nor HTTP's server side.
 */
export { isPublicAddress } from "./address-policy.ts";
export type { BackOff } from "./back-off.ts";
export { EVENT_TYPES } from "./event-types.ts";
export { type Events, type EventsOptions, openEvents } from "./events.ts";
export type { Followed } from "./follow.ts";
export type { EventAnswer, EventRecord } from "./model.ts";
export { MAX_TYPE_PATTERNS, TYPE_PATTERN, typeFilter, wantsAny } from "./type-filter.ts";
export type { DeadLetter, WebhookState } from "./webhook-queries.ts";
