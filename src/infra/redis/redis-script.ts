/**
 * A Lua script by its hash: sent whole only when the server does not know it
 * (a first use, a restart, a flush of scripts). After a timeout it may run once
 * more than it was asked to, so a script must bear being run twice.
 */
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";

export interface RedisScript {
  /** @throws Error of ioredis: Redis away, timed out, or the script's own failure (`ReplyError`) */
  run(redis: Redis, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
}

export function createRedisScript(lua: string): RedisScript {
  const sha = createHash("sha1").update(lua).digest("hex");
  return {
    run: (redis, keys, args) =>
      redis.evalsha(sha, keys.length, ...keys, ...args).catch((error: unknown) => {
        if (!isUnknownScript(error)) throw error;
        return redis.eval(lua, keys.length, ...keys, ...args);
      }),
  };
}

/** Redis tells its errors apart by their first word. */
function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT ");
}
