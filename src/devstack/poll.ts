/** Waiting for a condition of another process that sends no event. */
import { setTimeout as delay } from "node:timers/promises";

/**
 * @param condition a value once it holds, `undefined` until then
 * @returns the value, or `undefined` after `timeoutMs`
 */
export async function poll<T>(
  condition: () => T | undefined | Promise<T | undefined>,
  timeoutMs: number,
  intervalMs = 20,
): Promise<T | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined) return value;
    if (performance.now() > deadline) return undefined;
    await delay(intervalMs);
  }
}
