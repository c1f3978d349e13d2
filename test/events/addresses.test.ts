/** In production webhooks reach public addresses alone, whatever the name says and whenever it changes. */
import { hostname } from "node:os";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { isPublicAddress } from "#events";
import { type Receiver, startReceiver } from "./receiver.ts";
import { createWorld, type World } from "./world.ts";

let world: World;
let receiver: Receiver;
beforeAll(async () => {
  world = await createWorld({ allowPrivate: false });
  receiver = await startReceiver();
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});

test.each([
  ...["127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
  ...[
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
  ],
  ...["::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:7f00:1"],
  ...[
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "::127.0.0.1",
    "not an address",
    "",
  ],
])("%s is not public", (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each(["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.169.0.1", "2606:4700:4700::1111", "2a00:1450::1"])(
  "%s is",
  (address) => {
    expect(isPublicAddress(address)).toBe(true);
  },
);

test.each([
  ...[
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
  ],
  ...["https://169.254.169.254/latest", "https://localhost/", "https://a.localhost./", "http://example.com/"],
])("%s is refused when it is named", async (url) => {
  const { status, body } = await world.send("POST", "/api/v1/webhooks", { url });
  expect([status, body.details?.[0]?.member]).toEqual([400, "url"]);
});

test.each(["127.0.0.1", "localhost", hostname()])(
  "an endpoint on %s that was there before is not connected to",
  async (host) => {
    const { body } = await world.send("POST", "/api/v1/webhooks", { url: "https://example.com/" });
    await world.books.asOwner("UPDATE webhook SET url = $2 WHERE id = $1", [
      body.webhook_id,
      `http://${host}:${receiver.port}/`,
    ]);
    await vi.waitFor(
      async () => {
        await world.events.deliver();
        const { body: state } = await world.send("GET", `/api/v1/webhooks/${body.webhook_id}`);
        expect(state.last_error).toBe("ADDRESS_NOT_ALLOWED");
      },
      { timeout: 10_000, interval: 20 },
    );
    expect(receiver.received).toEqual([]);
    await world.send("DELETE", `/api/v1/webhooks/${body.webhook_id}`);
  },
);
