/**
 * A ledger's events: a stream that can be resumed, or pages. A user reads the
 * events whose subject it is; operators and auditors read all.
 */
import type { Request } from "express";
import { z } from "zod";
import { type Events, typeFilter } from "#events";
import type { Metrics } from "#infra";
import { DomainError } from "#kernel";
import { hasRole, type Principal } from "../principal.ts";
import { EventStream } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { decodeCursor, encodeCursor, listOf, pagination, queryInteger, userId } from "../schemas.ts";
import { eventOut, typesQuery } from "./event-schemas.ts";

export interface EventRouteDeps {
  readonly events: Events;
  readonly metrics: Pick<Metrics, "eventStreams">;
  /** How long a stream is silent at most. For tests; default 15 s. */
  readonly heartbeatMs?: number;
  /** For tests; default a minute. */
  readonly stalledMs?: number;
}

const HEARTBEAT_MS = 15_000;
/** Four heartbeats. */
const STALLED_MS = 60_000;
const RECONNECT_MS = 2_000;
const STREAMS_A_PRINCIPAL = 5;
const STREAMS_A_PROCESS = 2_000;
const SEQ = /^\d{1,16}$/;
const MAX_SEQ = Number.MAX_SAFE_INTEGER;

const query = z.strictObject({
  after: queryInteger(0, MAX_SEQ)
    .optional()
    .meta({ description: "Events behind this number; `Last-Event-ID` goes before it." }),
  types: typesQuery,
  subject: userId.optional().meta({ description: "Only events of this user. A user reads no other's." }),
  ...pagination,
});

export function eventRoutes(deps: EventRouteDeps): Route[] {
  const slots = new StreamSlots(deps.metrics);
  return [
    defineRoute({
      method: "get",
      path: "/api/v1/events",
      summary: "What happened, as a stream or in pages",
      description:
        "With `Accept: application/json` a page, oldest first, from the beginning or `after` a number. Else server-sent events that go on, from now or from behind `Last-Event-ID` or `after`, each once and in order. A user sees its own.",
      tags: ["Events"],
      auth: { roles: ["user", "operator", "auditor"] },
      query,
      response: listOf(eventOut),
      otherwise: {
        "text/event-stream": z
          .string()
          .meta({ description: "`id` is the number, `event` the type, `data` the event." }),
      },
      errors: ["rate_limited"],
      handler({ query: asked, principal, req }) {
        const subject = subjectOf(principal, asked.subject);
        const wanted = typeFilter(asked.types ?? null);
        if (req.accepts(["text/event-stream", "application/json"]) === "application/json")
          return pageOf(deps.events, { ...asked, subject, wanted });
        const after = lastEventId(req) ?? asked.after ?? null;
        const request = { after, subject, wanted, heartbeatMs: deps.heartbeatMs ?? HEARTBEAT_MS };
        const slot = slots.take(principal.sub);
        return new EventStream(
          (signal) => streamOf(deps.events, request, signal, slot),
          deps.stalledMs ?? STALLED_MS,
        );
      },
    }),
  ];
}

/** Null reads all. @throws DomainError `forbidden` */
function subjectOf(principal: Principal, asked: string | undefined): string | null {
  if (hasRole(principal, "operator", "auditor")) return asked ?? null;
  if (asked !== undefined && asked !== principal.sub)
    throw new DomainError("forbidden", "These events belong to another user");
  return principal.sub;
}

/** Where a reader that was cut off goes on. @throws DomainError `invalid_request` */
function lastEventId(req: Request): number | undefined {
  const header = req.get("last-event-id");
  if (header === undefined || header === "") return undefined;
  const seq = SEQ.test(header) ? Number.parseInt(header, 10) : Number.NaN;
  if (Number.isSafeInteger(seq)) return seq;
  throw new DomainError("invalid_request", "Last-Event-ID must be the number of an event", {
    details: { member: "Last-Event-ID" },
  });
}

async function pageOf(
  events: Events,
  request: {
    readonly after?: number | undefined;
    readonly cursor?: string | undefined;
    readonly limit: number;
    readonly subject: string | null;
    readonly wanted: (type: string) => boolean;
  },
): Promise<z.input<ReturnType<typeof listOf<typeof eventOut>>>> {
  const { cursor, limit, subject, wanted } = request;
  const [place] = cursor === undefined ? [] : decodeCursor(cursor, SEQ);
  const after = place === undefined ? (request.after ?? 0) : Number.parseInt(place, 10);
  const page = await events.page({ after, limit, subject, wanted });
  return {
    data: page.events.map((event) => events.answer(event)),
    next_cursor: page.more ? encodeCursor(String(page.readTo)) : null,
  };
}

/** @param slot given back when the stream ends */
async function* streamOf(
  events: Events,
  request: Parameters<Events["follow"]>[0],
  signal: AbortSignal,
  slot: () => () => void,
): AsyncGenerator<string> {
  const giveBack = slot();
  try {
    let told = request.after;
    // With the first place, not before it: what happens once the reader sees an answer is in the stream.
    let preamble = `retry: ${RECONNECT_MS}\n\n`;
    for await (const { events: found, readTo } of events.follow(request, signal)) {
      let text = found
        .map(
          (event) =>
            `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(events.answer(event))}\n\n`,
        )
        .join("");
      // An id without data moves the reader's place on and is no event to it: what is not his is not read again.
      if (readTo !== (found.at(-1)?.seq ?? told)) text += `id: ${readTo}\n\n`;
      told = readTo;
      yield preamble + (text === "" ? ": still here\n\n" : text);
      preamble = "";
    }
  } finally {
    giveBack();
  }
}

/** How many streams are open, by principal and in all. */
class StreamSlots {
  readonly #open = new Map<string, number>();
  readonly #metrics: EventRouteDeps["metrics"];
  #all = 0;

  constructor(metrics: EventRouteDeps["metrics"]) {
    this.#metrics = metrics;
  }

  /** Taken when the returned function is called. @throws DomainError `rate_limited`, `unavailable` */
  take(sub: string): () => () => void {
    return () => {
      const own = this.#open.get(sub) ?? 0;
      if (own >= STREAMS_A_PRINCIPAL)
        throw new DomainError("rate_limited", `At most ${STREAMS_A_PRINCIPAL} streams at a time`, {
          retryAfterSeconds: 10,
        });
      if (this.#all >= STREAMS_A_PROCESS)
        throw new DomainError("unavailable", "This server has as many streams as it can take", {
          retryAfterSeconds: 10,
        });
      this.#count(sub, own + 1, 1);
      return () => this.#count(sub, (this.#open.get(sub) ?? 1) - 1, -1);
    };
  }

  #count(sub: string, own: number, change: number): void {
    if (own > 0) this.#open.set(sub, own);
    else this.#open.delete(sub);
    this.#all += change;
    this.#metrics.eventStreams.set(this.#all);
  }
}
