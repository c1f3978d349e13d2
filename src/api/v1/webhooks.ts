/** Webhooks: where operators have events sent to, how far that has come, and what could not be delivered. */
import { z } from "zod";
import type { DeadLetter, Events, WebhookState } from "#events";
import { toRfc3339 } from "#kernel";
import { submitted } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { decodeCursor, encodeCursor, listOf, pagination } from "../schemas.ts";
import { deadLetterOut, newWebhookOut, webhookBody, webhookId, webhookOut } from "./event-schemas.ts";

const tags = ["Events"] as const;
const auth = { roles: ["operator"] } as const;
const params = z.strictObject({ id: webhookId });
const errors = ["not_found"] as const;
const SEQ = /^\d{1,16}$/;
const ID = /^wh_[0-9a-f]{24}$/;

export function webhookRoutes(events: Events): Route[] {
  return [
    createRoute(events),
    listRoute(events),
    readRoute(events),
    deleteRoute(events),
    replayRoute(events),
    deadLettersRoute(events),
  ];
}

function createRoute(events: Events): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/webhooks",
    summary: "Have events sent to a URL",
    description:
      "From now on, in order, one at a time, at least once, signed with a secret that only this answer shows.",
    tags,
    auth,
    body: webhookBody,
    response: newWebhookOut,
    async handler({ body, principal, idempotency }) {
      const webhook = { url: body.url, types: body.types ?? null, operator: principal.sub };
      const made = await events.createWebhook(webhook, idempotency);
      return submitted(made, ({ types, ...answer }) => ({ ...answer, types: types && [...types] }));
    },
  });
}

function listRoute(events: Events): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/webhooks",
    summary: "All webhooks and how far they are",
    tags,
    auth,
    query: z.strictObject(pagination),
    response: listOf(webhookOut),
    async handler({ query: { cursor, limit } }) {
      const afterId = cursor === undefined ? null : (decodeCursor(cursor, ID)[0] ?? null);
      const found = await events.webhooks({ afterId, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return { data: page.map(webhookAnswer), next_cursor: last ? encodeCursor(last.id) : null };
    },
  });
}

function readRoute(events: Events): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/webhooks/{id}",
    summary: "A webhook and how far it is",
    tags,
    auth,
    params,
    response: webhookOut,
    errors,
    handler: async ({ params: { id } }) => webhookAnswer(await events.webhook(id)),
  });
}

function deleteRoute(events: Events): Route {
  return defineRoute({
    method: "delete",
    path: "/api/v1/webhooks/{id}",
    summary: "Send no more to a URL",
    description: "An event on its way may still arrive.",
    tags,
    auth,
    params,
    response: z.strictObject({ webhook_id: webhookId, deleted: z.literal(true) }),
    errors,
    handler: async ({ params: { id }, principal }) => (await events.deleteWebhook(id, principal.sub)).value,
  });
}

function replayRoute(events: Events): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/webhooks/{id}/replay",
    summary: "Send events once more",
    description:
      "Everything from a number on, in order, then what comes. Forward or back: dead letters between there and now are delivered too.",
    tags,
    auth,
    params,
    body: z.strictObject({ from_seq: z.int().min(1).max(Number.MAX_SAFE_INTEGER) }),
    response: z.strictObject({ webhook_id: webhookId, from_seq: z.int() }),
    errors,
    async handler({ params: { id }, body, principal, idempotency }) {
      const request = { id, fromSeq: body.from_seq, operator: principal.sub };
      return submitted(await events.replay(request, idempotency), (answer) => answer);
    },
  });
}

function deadLettersRoute(events: Events): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/webhooks/{id}/dead-letters",
    summary: "Events that a webhook was given up for",
    description: "In order. One that a replay delivers leaves the list.",
    tags,
    auth,
    params,
    query: z.strictObject(pagination),
    response: listOf(deadLetterOut),
    errors,
    async handler({ params: { id }, query: { cursor, limit } }) {
      const [place] = cursor === undefined ? [] : decodeCursor(cursor, SEQ);
      const afterSeq = place === undefined ? 0 : Number.parseInt(place, 10);
      const found = await events.deadLetters({ id, afterSeq, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        data: page.map((letter) => deadLetterAnswer(events, letter)),
        next_cursor: last ? encodeCursor(String(last.event.seq)) : null,
      };
    },
  });
}

function webhookAnswer(state: WebhookState): z.input<typeof webhookOut> {
  const time = (seconds: number | null) => (seconds === null ? null : toRfc3339(seconds));
  return {
    webhook_id: state.id,
    url: state.url,
    types: state.types && [...state.types],
    created_at: toRfc3339(state.createdAt),
    delivered_seq: state.deliveredSeq,
    delivered_at: time(state.deliveredAt),
    done_seq: state.afterSeq,
    newest_seq: state.newestSeq,
    failures: state.failures,
    last_error: state.lastError,
    next_attempt_at: time(state.nextAttemptAt),
    dead_letters: state.deadLetters,
  };
}

function deadLetterAnswer(events: Events, letter: DeadLetter): z.input<typeof deadLetterOut> {
  const { event, attempts, error, diedAt } = letter;
  return { event: events.answer(event), attempts, error, given_up_at: toRfc3339(diedAt) };
}
