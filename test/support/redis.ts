/**
 * Tests that need a real Redis. Where no redis-server is installed they are
 * reported as skipped, by name; in CI the run fails before it gets here.
 */
import { describe, inject } from "vitest";

export const describeWithRedis = describe.runIf(inject("redisUrl") !== null);

/** Only inside `describeWithRedis`. */
export function redisUrl(): string {
  const url = inject("redisUrl");
  if (url === null) throw new Error("redis-server is not installed");
  return url;
}
