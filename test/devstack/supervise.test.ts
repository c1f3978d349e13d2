/** A part of the stack that ends by itself is started again, until nobody wants it any more. */
import { expect, test, vi } from "vitest";
import { silentLog } from "#infra";
import { supervise } from "../../src/devstack/supervise.ts";

/** Parts that end when they are told to, and start when they are let. */
function parts() {
  const running = new Map<number, () => void>();
  const starting: (() => void)[] = [];
  let pid = 0;
  const part = () => {
    pid += 1;
    const own = pid;
    const exited = new Promise<number>((ended) => running.set(own, () => ended(137)));
    const end = async () => {
      running.get(own)?.();
      running.delete(own);
    };
    return { pid: own, exited, stop: end };
  };
  return {
    running,
    starting,
    start: async () => {
      if (pid > 0) await new Promise<void>((go) => starting.push(go));
      return part();
    },
  };
}

test("one that comes back just after it was asked to stop is stopped too", async () => {
  const { running, starting, start } = parts();
  const supervised = await supervise("it", start, () => "here", silentLog());
  running.get(supervised.pid)?.();
  await vi.waitFor(() => expect(starting).toHaveLength(1), { timeout: 20_000 });
  const stopped = supervised.stop();
  starting[0]?.();
  await stopped;
  expect([...running.keys()]).toEqual([]);
});

test("one that ended is stopped before it is started again: only its guard may be gone", async () => {
  const { running, starting, start } = parts();
  const supervised = await supervise("it", start, () => "here", silentLog());
  running.get(supervised.pid)?.();
  await vi.waitFor(() => expect(starting).toHaveLength(1), { timeout: 20_000 });
  expect([...running.keys()]).toEqual([]);
  starting[0]?.();
  await vi.waitFor(() => expect([...running.keys()]).toHaveLength(1), { timeout: 20_000 });
  await supervised.stop();
  expect([...running.keys()]).toEqual([]);
});
