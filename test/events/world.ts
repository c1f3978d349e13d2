/** A ledger with its events, over real HTTP; and a second server process's part on the same database where asked. */
import type { Pool } from "pg";
import type { Response } from "supertest";
import { eventRoutes, webhookRoutes } from "#api";
import { type BackOff, type Events, openEvents } from "#events";
import { createMetrics, createPool, type Log, type Metrics, silentLog } from "#infra";
import { systemClock, systemIds } from "#kernel";
import type { Json, Ledger } from "#ledger";
import { startApi } from "../support/api-app.ts";
import { startLedger, type TestLedger } from "../support/ledger.ts";
import { bearer } from "../support/tokens.ts";

export interface World {
  readonly url: string;
  readonly books: TestLedger;
  readonly events: Events;
  readonly pool: Pool;
  readonly metrics: Metrics;
  /** One unit of work that tells of one thing. */
  emit(subject: string | null, data?: Readonly<Record<string, Json>>, type?: string): Promise<void>;
  /** What is in the table, in order. */
  all(): Promise<{ seq: number; type: string; subject: string | null }[]>;
  get(path: string, sub: string, ...roles: string[]): Promise<Answer>;
  send(method: string, path: string, body?: unknown, key?: string): Promise<Answer>;
  /** Another process on the same ledger, which is told of no batch. */
  another(): Promise<Events>;
  closeApi(): Promise<void>;
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON of many shapes; the server checks each answer against its schema. */
  readonly body: Response["body"];
}

export interface WorldOptions {
  readonly heartbeatMs?: number;
  readonly stalledMs?: number;
  readonly allowPrivate?: boolean;
  readonly backOff?: BackOff;
  readonly timeoutMs?: number;
  readonly log?: Log;
}

/** Waits of milliseconds where the server waits seconds. */
export const HASTY: BackOff = { firstDelayMs: 10, longestDelayMs: 40, refusals: 3, unreachableMs: 60_000 };

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const told: { events?: Events } = {};
  const books = await startLedger({ onBatch: () => told.events?.wake() });
  const metrics = createMetrics();
  const log = options.log ?? silentLog();
  const { appUrl: databaseUrl, schema } = books.database;
  const open = (ledger: Pick<Ledger, "submit"> = books.ledger) =>
    openEvents({
      ...{ databaseUrl, schema, ledger, clock: systemClock, ids: systemIds, log, metrics },
      allowPrivateWebhooks: options.allowPrivate ?? true,
      delivery: { timeoutMs: options.timeoutMs ?? 2_000, backOff: options.backOff ?? HASTY },
    });
  const events = await open();
  told.events = events;
  const others: Events[] = [];
  const api = await startApi(
    [
      ...eventRoutes({
        ...{ events, metrics },
        ...(options.heartbeatMs === undefined ? {} : { heartbeatMs: options.heartbeatMs }),
        ...(options.stalledMs === undefined ? {} : { stalledMs: options.stalledMs }),
      }),
      ...webhookRoutes(events),
    ],
    { metrics, log },
  );
  const pool = createPool({
    ...{ url: databaseUrl, schema, applicationName: "test", max: 2, log: silentLog() },
  });
  const ask = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(`${api.url}${path}`, init);
    return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
  };
  let apiClosed = false;
  const closeApi = async () => {
    if (apiClosed) return;
    apiClosed = true;
    await api.close();
  };
  return {
    ...{ url: api.url, books, events, pool, metrics, closeApi },
    emit: async (subject, data = {}, type = "lock.created") => {
      await books.run((view) => {
        view.emit({ type, subject, data });
        return null;
      });
    },
    all: async () => (await pool.query("SELECT seq, type, subject FROM event ORDER BY seq")).rows,
    get: (path, sub, ...roles) =>
      ask(path, { headers: { authorization: bearer(sub, ...roles), accept: "application/json" } }),
    send: (method, path, body, key) =>
      ask(path, {
        method,
        headers: {
          authorization: bearer("op", "operator"),
          "content-type": "application/json",
          ...(key === undefined ? {} : { "idempotency-key": key }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    another: async () => {
      const other = await open();
      others.push(other);
      return other;
    },
    closeApi,
    close: async () => {
      await closeApi();
      await events.stop();
      for (const other of others) await other.stop();
      await pool.end();
      await books.close();
    },
  };
}
