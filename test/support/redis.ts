/** Tests that need a real Redis. */
import { describe, inject } from "vitest";
import { canRun } from "./can-run.ts";

export const describeWithRedis = describe.runIf(canRun(inject("redisUrl") !== null, "redis-server"));

/** Only inside `describeWithRedis`. */
export function redisUrl(): string {
  const url = inject("redisUrl");
  if (url === null) throw new Error("redis-server is not installed");
  return url;
}
