/** Redis, which may vanish at any time and keeps nothing that Postgres does not. */

export type { Redis } from "ioredis";
export { createRedis } from "./create-redis.ts";
export { createRedisScript, type RedisScript } from "./redis-script.ts";
