/**
 * Follows a ledger's events from a place on, for as long as somebody reads: a
 * page at a time, each event once, in order, without a gap. Between pages it
 * holds neither a connection nor more than it has just handed out, so a reader
 * who stops reading costs nothing but his place.
 */
import type { Pool } from "pg";
import type { Clock } from "#kernel";
import type { EventTail } from "./event-tail.ts";
import type { EventRecord } from "./model.ts";
import { readPage } from "./read-events.ts";
import type { TypeFilter } from "./type-filter.ts";

export interface FollowRequest {
  /** Events behind this number; null begins with what happens from now on. */
  readonly after: number | null;
  readonly subject: string | null;
  readonly wanted: TypeFilter;
  /** How long to be silent at most. */
  readonly heartbeatMs: number;
}

export interface Followed {
  /** Empty at the beginning and after a silence. */
  readonly events: readonly EventRecord[];
  /** All that is wanted up to here was handed out. */
  readonly readTo: number;
}

export interface FollowParts {
  readonly pool: Pool;
  readonly tail: EventTail;
  readonly clock: Clock;
}

const EVENTS_A_PAGE = 100;

/** Ends when `signal` is aborted. @throws what the database throws where it is away */
export async function* follow(
  { pool, tail, clock }: FollowParts,
  request: FollowRequest,
  signal: AbortSignal,
): AsyncGenerator<Followed> {
  const { newest, detach } = await tail.attach();
  try {
    let readTo = request.after ?? newest;
    let spokenAt = clock.nowMs();
    yield { events: [], readTo };
    while (!signal.aborted) {
      const page = await nextPage(pool, tail, request, readTo);
      readTo = page.readTo;
      const events = page.events.filter(({ type }) => request.wanted(type));
      // Events that are not wanted are no sign of life to whoever waits.
      const silentMs = clock.nowMs() - spokenAt;
      if (events.length > 0 || silentMs >= request.heartbeatMs) {
        yield { events, readTo };
        spokenAt = clock.nowMs();
      } else if (!page.more) await tail.beyond(readTo, signal, request.heartbeatMs - silentMs);
    }
  } finally {
    detach();
  }
}

async function nextPage(pool: Pool, tail: EventTail, { subject }: FollowRequest, after: number) {
  const recent = tail.recentAfter(after);
  if (recent === null) return readPage(pool, { after, limit: EVENTS_A_PAGE, subject });
  const events = recent.slice(0, EVENTS_A_PAGE);
  return {
    events: subject === null ? events : events.filter((event) => event.subject === subject),
    readTo: events.at(-1)?.seq ?? after,
    more: recent.length > events.length,
  };
}
