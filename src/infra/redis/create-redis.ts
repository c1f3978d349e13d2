/**
 * A Redis client that fails at once when Redis is away, instead of queueing:
 * every caller has Postgres to fall back to. It reconnects by itself, for ever.
 */
import { Redis } from "ioredis";
import type { Log } from "../log.ts";

const MAX_RECONNECT_DELAY_MS = 1_000;
const RECONNECT_STEP_MS = 50;
/** Waiting longer for a counter than the database takes to answer would be no gain. */
const COMMAND_TIMEOUT_MS = 200;
const CONNECT_TIMEOUT_MS = 2_000;

/**
 * Connects in the background: a command before the connection stands rejects.
 *
 * @param url `redis://…`, `rediss://…` or `unix:///path/to/socket`
 * @param settings.commandTimeoutMs after which a command rejects, though Redis may still run it; default 200
 */
export function createRedis(url: string, log: Log, settings: { commandTimeoutMs?: number } = {}): Redis {
  const socket = url.startsWith("unix:") ? decodeURIComponent(new URL(url).pathname) : undefined;
  const options = {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: settings.commandTimeoutMs ?? COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (attempt: number) => Math.min(attempt * RECONNECT_STEP_MS, MAX_RECONNECT_DELAY_MS),
    // After a failover the old primary answers writes with READONLY: connect anew to find the new one.
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
    // What one turn of the event loop asks goes out together, in one write.
    enableAutoPipelining: true,
  };
  const redis = socket === undefined ? new Redis(url, options) : new Redis({ ...options, path: socket });
  let away = false;
  redis.on("error", (error: Error) => {
    if (!away) log.warn({ err: error }, "Redis is away; counters are taken from Postgres");
    away = true;
  });
  redis.on("ready", () => {
    if (away) log.info({}, "Redis is back");
    away = false;
  });
  return redis;
}
