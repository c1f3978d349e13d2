/** Redis, which may vanish at any time and keeps nothing that Postgres does not. */
export { createRedis } from "./create-redis.ts";
