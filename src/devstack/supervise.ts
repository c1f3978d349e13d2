/**
 * Keeps a part of the stack running: where it ends by itself it is started
 * again on the same address, after a pause, for ever. Clients see what they
 * would see of a database or a node that was restarted by its own supervisor.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "#infra";

interface Part {
  readonly pid: number;
  readonly exited: Promise<number>;
  stop(): Promise<void>;
}

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 15_000;

/**
 * @param address what clients know it by; a part that came back elsewhere is stopped and started again
 * @returns the first one, with a `stop` that ends whichever runs then
 * @throws what the first start throws
 */
export async function supervise<T extends Part>(
  name: string,
  start: () => Promise<T>,
  address: (part: T) => string,
  log: Log,
): Promise<T> {
  const first = await start();
  const stopping = new AbortController();
  const watch = async () => {
    for (let current = first; ; ) {
      const code = await Promise.race([current.exited, aborted(stopping.signal)]);
      if (stopping.signal.aborted) return current.stop();
      log.error({ part: name, code }, `${name} ended; starting it again`);
      // Where only its guard was killed, it is still there, on its address.
      await current.stop();
      const next = await restart(
        name,
        start,
        (part) => address(part) === address(first),
        stopping.signal,
        log,
      );
      if (!next) return;
      current = next;
      log.info({ part: name, pid: current.pid }, `${name} is back`);
    }
  };
  const watched = watch();
  return {
    ...first,
    stop: async () => {
      stopping.abort();
      await watched;
    },
  };
}

async function restart<T extends Part>(
  name: string,
  start: () => Promise<T>,
  isSamePlace: (part: T) => boolean,
  stopping: AbortSignal,
  log: Log,
): Promise<T | undefined> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    await delay(pauseMs, undefined, { signal: stopping }).catch(() => {});
    if (stopping.aborted) return undefined;
    try {
      const part = await start();
      if (isSamePlace(part)) return part;
      await part.stop();
      log.warn({ part: name }, `${name} came back at another address; trying again`);
    } catch (error) {
      log.warn({ part: name, err: error }, `${name} does not start yet`);
    }
  }
}

/** At once where it is aborted already: a part can come back just after it was asked to stop. */
function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
