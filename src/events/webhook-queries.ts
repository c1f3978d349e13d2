/** Endpoints and what became of their events, for the API. */
import type { Pool } from "pg";
import type { UnixSeconds } from "#kernel";
import type { EventRecord } from "./model.ts";
import { rows, SQL } from "./sql.ts";

export interface WebhookState {
  readonly id: string;
  readonly url: string;
  readonly types: readonly string[] | null;
  readonly createdAt: UnixSeconds;
  /** The newest event that the receiver took; null where none was. */
  readonly deliveredSeq: number | null;
  readonly deliveredAt: UnixSeconds | null;
  /** Every event up to here is done with. */
  readonly afterSeq: number;
  readonly newestSeq: number;
  /** Attempts in a row without success. */
  readonly failures: number;
  readonly lastError: string | null;
  readonly nextAttemptAt: UnixSeconds | null;
  readonly deadLetters: number;
}

export interface DeadLetter {
  readonly event: EventRecord;
  readonly attempts: number;
  readonly error: string;
  readonly diedAt: UnixSeconds;
}

interface WebhookRow {
  id: string;
  url: string;
  types: string[] | null;
  created_at: number;
  delivered_seq: number | null;
  delivered_at: number | null;
  after_seq: number;
  newest_seq: number;
  failures: number;
  last_error: string | null;
  next_attempt_at: number | null;
  dead_letters: number;
}

/** By id, behind `afterId`. */
export async function listWebhooks(
  pool: Pool,
  { afterId, limit }: { afterId: string | null; limit: number },
): Promise<WebhookState[]> {
  return (await rows<WebhookRow>(pool, SQL.listWebhooks, [afterId, limit, null])).map(toState);
}

export async function findWebhook(pool: Pool, id: string): Promise<WebhookState | null> {
  const [row] = await rows<WebhookRow>(pool, SQL.listWebhooks, [null, 1, id]);
  return row ? toState(row) : null;
}

/** Null where the endpoint was deleted meanwhile. */
export async function secretOf(pool: Pool, id: string): Promise<string | null> {
  return (await rows<{ secret: string }>(pool, SQL.secret, [id]))[0]?.secret ?? null;
}

export async function listDeadLetters(
  pool: Pool,
  { id, afterSeq, limit }: { id: string; afterSeq: number; limit: number },
): Promise<DeadLetter[]> {
  type Row = EventRecord & { attempts: number; error: string; died_at: number };
  const found = await rows<Row>(pool, SQL.deadLetters, [id, afterSeq, limit]);
  return found.map(({ attempts, error, died_at, ...event }) => ({ event, attempts, error, diedAt: died_at }));
}

function toState(row: WebhookRow): WebhookState {
  return {
    id: row.id,
    url: row.url,
    types: row.types,
    createdAt: row.created_at,
    deliveredSeq: row.delivered_seq,
    deliveredAt: row.delivered_at,
    afterSeq: row.after_seq,
    newestSeq: row.newest_seq,
    failures: row.failures,
    lastError: row.last_error,
    nextAttemptAt: row.next_attempt_at,
    deadLetters: row.dead_letters,
  };
}
