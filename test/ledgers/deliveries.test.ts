/** When deliveries to other ledgers run: whatever is asked for while one is under way is looked at, and no ledger waits for another. */
import { setImmediate as nextTick } from "node:timers/promises";
import { expect, test } from "vitest";
import { Deliveries } from "../../src/inter-ledger/deliveries.ts";

/** Turns that wait until they are let go, by ledger. */
function held() {
  const begun: string[] = [];
  const open: (() => void)[] = [];
  const deliveries = new Deliveries((ledger) => {
    begun.push(ledger);
    return new Promise<void>((done) => open.push(done));
  });
  const letGo = async () => {
    open.shift()?.();
    await nextTick();
  };
  return { deliveries, begun, letGo };
}

test("asked while busy it takes one more turn, however often it was asked", async () => {
  const { deliveries, begun, letGo } = held();
  deliveries.wake("north");
  await nextTick();
  for (let time = 0; time < 5; time++) deliveries.wake("north");
  expect(begun).toEqual(["north"]);
  await letGo();
  expect(begun).toEqual(["north", "north"]);
  await letGo();
  await deliveries.idle();
  expect(begun).toHaveLength(2);
  deliveries.wake("north");
  await nextTick();
  expect(begun).toHaveLength(3);
  await letGo();
  await deliveries.idle();
});

test("a ledger that does not answer keeps no other waiting", async () => {
  const { deliveries, begun, letGo } = held();
  deliveries.wake("silent");
  deliveries.wake("north");
  await nextTick();
  expect(begun).toEqual(["silent", "north"]);
  await letGo();
  await letGo();
  await deliveries.idle();
});

test("stopped it ends the turn it is at, and takes no other", async () => {
  const { deliveries, begun, letGo } = held();
  deliveries.wake("north");
  await nextTick();
  deliveries.wake("north");
  const stopped = deliveries.stop();
  deliveries.wake("south");
  await letGo();
  await stopped;
  expect(begun).toEqual(["north"]);
});
