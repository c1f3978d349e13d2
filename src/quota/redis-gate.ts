/**
 * The counters in Redis: the last published state of each quota. They can only
 * say that a request would be denied, and whoever asks must know by itself how
 * far to trust that; so nothing that Redis loses, repeats or remembers wrongly
 * can admit anything. When Redis fails, callers are sent past it at once, and one
 * request at a time tries whether it is back.
 */
import { readFileSync } from "node:fs";
import { createRedisScript, type Redis } from "#infra";
import type { Clock } from "#kernel";
import { type QuotaState, type QuotaTarget, secondsUntilChange } from "./model.ts";

/** What Redis holds of a quota. */
export interface Counter {
  readonly day: number;
  readonly version: number;
  readonly used: number;
  readonly held: number;
  readonly limit: number;
}

/** Redis cannot be asked now. */
export class GateAway extends Error {}

export interface RedisGate {
  /**
   * @returns the counter where it would deny, `null` where it would not or nothing is known
   * @throws GateAway
   */
  check(target: QuotaTarget, units: number): Promise<Counter | null>;
  /**
   * Publishes a committed state; the newer one stays. Does nothing where Redis is away.
   *
   * @param options.replaces a counter seen in Redis before this state was read from the database, and
   *   therefore wrong where it seems newer
   * @param options.urgent tries even where Redis failed a moment ago
   */
  publish(state: QuotaState, options: { replaces?: Counter | undefined; urgent: boolean }): Promise<void>;
  /** @throws GateAway */
  read(target: QuotaTarget): Promise<Counter | null>;
}

const CHECK = createRedisScript(luaText("check"));
const PUBLISH = createRedisScript(luaText("publish"));
/** Nothing stored has more units used than this, so that asking for it reads the counter whatever it says. */
const MORE_THAN_ANY_LIMIT = 1_000_000_000_001;
/** How long Redis is left alone after a failure before one request tries it again. */
const PAUSE_MS = 250;

/** @param ledgerId keeps the counters of several ledgers on one Redis apart */
export function createRedisGate(options: { redis: Redis; ledgerId: string; clock: Clock }): RedisGate {
  const { redis, ledgerId, clock } = options;
  let triedMs: number | null = null;

  /** A clock that was set back must not prolong the pause, so the distance counts. */
  const mayAsk = () => {
    if (triedMs === null) return true;
    const nowMs = clock.nowMs();
    if (Math.abs(nowMs - triedMs) < PAUSE_MS) return false;
    triedMs = nowMs;
    return true;
  };
  const noteFailure = (error: unknown) => {
    // An answer that is an error is about one key; only silence is about Redis.
    if (!isReplyError(error)) triedMs = clock.nowMs();
  };
  // The hash tag keeps a user's counters in one slot; a brace of the user's own is escaped.
  const keyOf = ({ userId, entityType }: QuotaTarget) =>
    `quota:${ledgerId}:{${encodeURIComponent(userId)}}:${entityType}`;
  const check = (target: QuotaTarget, units: number) =>
    CHECK.run(redis, [keyOf(target)], [units]).then(
      (reply) => {
        triedMs = null;
        return toCounter(reply);
      },
      (error: unknown) => {
        noteFailure(error);
        throw new GateAway("Redis cannot be asked", { cause: error });
      },
    );

  return {
    check: (target, units) =>
      mayAsk() ? check(target, units) : Promise.reject(new GateAway("Redis failed a moment ago")),
    read: (target) => check(target, MORE_THAN_ANY_LIMIT),
    publish: async (state, { replaces, urgent }) => {
      if (!urgent && !mayAsk()) return;
      const args = [
        ...[state.day, state.version, state.used, state.held, state.limit, secondsUntilChange(state)],
        ...[replaces?.day ?? "", replaces?.version ?? ""],
      ];
      try {
        await PUBLISH.run(redis, [keyOf(state)], args);
        triedMs = null;
      } catch (error) {
        noteFailure(error);
      }
    },
  };
}

function toCounter(reply: unknown): Counter | null {
  if (!Array.isArray(reply)) return null;
  const [day, version, used, held, limit] = reply as [number, number, number, number, number];
  return { day, version, used, held, limit };
}

function isReplyError(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

function luaText(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), "utf8");
}
