import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, expect, test } from "vitest";
import { createDiskGuard, createMetrics, type DiskGuard, silentLog } from "#infra";

const metrics = createMetrics();
const guards: DiskGuard[] = [];
afterEach(() => {
  for (const guard of guards.splice(0)) guard.close();
});

function guardAt(watermarkBytes: number, folder = tmpdir()): DiskGuard {
  const guard = createDiskGuard({ folder, watermarkBytes, log: silentLog(), metrics, everyMs: 5 });
  guards.push(guard);
  return guard;
}
const freeNow = () => {
  const { bavail, bsize } = statfsSync(tmpdir());
  return bavail * bsize;
};

test("with less than the watermark, writes are refused and told to come back", async () => {
  const guard = guardAt(freeNow() * 2);
  expect(() => guard.assertRoom()).not.toThrow(); // it has not looked yet
  await guard.start();
  expect(guard.isLow).toBe(true);
  expect(() => guard.assertRoom()).toThrow(
    expect.objectContaining({
      code: "unavailable",
      retryAfterSeconds: 10,
      message: expect.stringMatching(/nearly full \(\d+ MiB are free, writes need \d+\)/),
    }),
  );
  expect((await metrics.writesHalted.get()).values[0]?.value).toBe(1);
});

test("with more, or without a watermark, nothing is refused, and what is free is told", async () => {
  for (const watermark of [0, 1]) {
    const guard = guardAt(watermark);
    await guard.start();
    expect(guard.isLow).toBe(false);
    expect(() => guard.assertRoom()).not.toThrow();
    expect(guard.freeBytes).toBeGreaterThan(0);
    expect((await metrics.diskFree.get()).values[0]?.value).toBe(guard.freeBytes);
    expect((await metrics.writesHalted.get()).values[0]?.value).toBe(0);
  }
});

test("a folder that is not there is an error at the start", async () => {
  await expect(guardAt(1, "/no/such/folder").start()).rejects.toThrow("ENOENT");
});
