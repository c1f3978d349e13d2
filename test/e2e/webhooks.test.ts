/** A whole server with a webhook, killed where it hurts: after the receiver took an event and before that is recorded. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { accept, type Received, type Receiver, startReceiver } from "../events/receiver.ts";
import { openSse } from "../events/sse-reader.ts";
import { TestServer } from "../support/server-client.ts";
import { bearer } from "../support/tokens.ts";

let server: TestServer;
let receiver: Receiver;
beforeAll(async () => {
  server = new TestServer();
  receiver = await startReceiver();
  await server.start();
});
afterAll(async () => {
  await server.remove();
  await receiver.close();
});

test("an event whose delivery a killed server could not record is delivered again, and none is missing", async () => {
  const operator = ["operator"] as const;
  const made = await server.post(
    "/api/v1/webhooks",
    { url: receiver.url, types: ["grant.*"] },
    "op",
    operator,
  );
  expect(made.status).toBe(200);
  const stream = await openSse(`${server.url}/api/v1/events`, { authorization: bearer("op", "operator") });
  await server.grant("alice", 1);
  await vi.waitFor(() => expect(receiver.received).toHaveLength(1), { timeout: 10_000 });
  await vi.waitFor(() => expect(stream.messages.some(({ type }) => type === "grant.made")).toBe(true), {
    timeout: 10_000,
  });

  // Taken, but the answer never comes: the server dies first.
  const inHand = new Promise<Received>((taken) => {
    receiver.behave = (one) => taken(one);
  });
  await server.grant("bob", 2);
  const { id } = await inHand;
  await server.kill();
  expect(await stream.ended).toBe("cut");
  receiver.behave = accept;
  await server.start();
  await server.grant("carol", 3);
  await vi.waitFor(() => expect(receiver.received).toHaveLength(4), { timeout: 40_000, interval: 50 });
  const users = receiver.received.map(({ body }) => JSON.parse(body).subject);
  expect(users).toEqual(["alice", "bob", "bob", "carol"]);
  expect(receiver.received[2]?.id).toBe(id);

  // And a reader that was cut off goes on where it was.
  const again = await openSse(`${server.url}/api/v1/events?types=grant.*`, {
    authorization: bearer("op", "operator"),
    "last-event-id": stream.lastId,
  });
  await vi.waitFor(() => expect(again.messages.at(-1)?.data.subject).toBe("carol"), { timeout: 10_000 });
  const told = [...stream.messages, ...again.messages].filter(({ type }) => type === "grant.made");
  expect(told.map(({ data }) => data.subject)).toEqual(["alice", "bob", "carol"]);
  expect(await server.stop()).toBe(0);
  expect(await again.ended).toBe("end");
}, 120_000);
