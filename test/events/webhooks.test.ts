import { createHmac, timingSafeEqual } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Log } from "#infra";
import { expectCoherent } from "../support/coherence.ts";
import { unusedPort } from "../support/server-process.ts";
import { accept, answer, type Received, type Receiver, startReceiver } from "./receiver.ts";
import { createWorld, type World } from "./world.ts";

const logged: string[] = [];
const keep = (...what: unknown[]) => {
  logged.push(JSON.stringify(what, plain));
};
const log: Log = { debug: keep, info: keep, warn: keep, error: keep, child: () => log };

function plain(_: string, value: unknown): unknown {
  return value instanceof Error ? { ...value, message: value.message, stack: value.stack } : value;
}

let world: World;
let receiver: Receiver;
beforeEach(async () => {
  logged.length = 0;
  world = await createWorld({ log, timeoutMs: 400 });
  receiver = await startReceiver();
});
afterEach(async () => {
  await expectCoherent(world.books);
  await world.close();
  await receiver.close();
});

async function create(body: Record<string, unknown> = {}): Promise<{ id: string; secret: string }> {
  const made = await world.send("POST", "/api/v1/webhooks", {
    url: receiver.url,
    types: ["lock.*"],
    ...body,
  });
  expect(made.status).toBe(200);
  return { id: made.body.webhook_id, secret: made.body.secret };
}

const state = async (id: string) => (await world.send("GET", `/api/v1/webhooks/${id}`)).body;
const deadLetters = async (id: string) =>
  (await world.send("GET", `/api/v1/webhooks/${id}/dead-letters`)).body.data;

async function emitMany(count: number): Promise<number[]> {
  const before = (await world.all()).length;
  for (let n = 0; n < count; n++) await world.emit("alice", { n });
  return (await world.all()).slice(before).map(({ seq }) => seq);
}

/** Retries are due after milliseconds here; the job that looks for them runs as often as asked. */
async function until(condition: () => unknown, timeout = 10_000): Promise<void> {
  await vi.waitFor(
    async () => {
      await world.events.deliver();
      await condition();
    },
    { timeout, interval: 10 },
  );
}
const seqsOf = (received: readonly Received[]) => received.map(({ seq }) => seq);

describe("a delivery", () => {
  test("is the event, signed so that a receiver can tell in a few lines who sent it and when", async () => {
    const { id, secret } = await create();
    await world.emit("alice", { text: "ü" });
    await until(() => expect(receiver.received).toHaveLength(1));
    const [one] = receiver.received;
    if (!one) throw new Error("nothing was received");
    const { body } = await world.get("/api/v1/events?types=lock.*", "op", "operator");
    expect(JSON.parse(one.body)).toEqual(body.data[0]);
    expect(one.headers).toMatchObject({
      "content-type": "application/json; charset=utf-8",
      "anchorbook-event-id": body.data[0].id,
      "anchorbook-event-seq": String(body.data[0].seq),
      "anchorbook-event-type": "lock.created",
      "anchorbook-webhook-id": id,
      "anchorbook-attempt": "1",
    });
    const header = String(one.headers["anchorbook-signature"]);
    expect(verify(header, one.body, secret, Date.now() / 1000)).toBe(true);
    expect(verify(header, `${one.body} `, secret, Date.now() / 1000)).toBe(false);
    expect(verify(header, one.body, `${secret}x`, Date.now() / 1000)).toBe(false);
    expect(verify(header, one.body, secret, Date.now() / 1000 + 600)).toBe(false);
    await until(async () =>
      expect(await state(id)).toMatchObject({ delivered_seq: one.seq, failures: 0, last_error: null }),
    );
  });

  test("goes out in order, one at a time, of the types that were asked for alone", async () => {
    let open = 0;
    let most = 0;
    receiver.behave = (_, res) => {
      open += 1;
      most = Math.max(most, open);
      setImmediate(() => {
        open -= 1;
        res.writeHead(200).end("ok");
      });
    };
    await create();
    await world.emit(null, {}, "other.thing");
    const seqs = await emitMany(60);
    await until(() => expect(seqsOf(receiver.received)).toEqual(seqs));
    expect(most).toBe(1);
  });

  test("tells an endpoint that wants all of its own making first", async () => {
    await create({ types: undefined });
    await until(() => expect(receiver.received.length).toBeGreaterThan(0));
    expect(JSON.parse(receiver.received[0]?.body ?? "")).toMatchObject({
      type: "webhook.created",
      subject: null,
    });
    expect(receiver.received[0]?.body).not.toContain("127.0.0.1");
  });
});

describe("a receiver", () => {
  test("that is down gets all of it, in order, when it is up", async () => {
    const port = await unusedPort();
    const { id } = await create({ url: `http://127.0.0.1:${port}/hook` });
    const seqs = await emitMany(5);
    await until(async () => expect((await state(id)).failures).toBeGreaterThan(4));
    expect(await state(id)).toMatchObject({
      last_error: "ECONNREFUSED",
      dead_letters: 0,
      delivered_seq: null,
    });
    const late = await startReceiver(port);
    await until(() => expect(seqsOf(late.received)).toEqual(seqs));
    await late.close();
  });

  test("that refuses one event gets the next ones, and that one is kept until a replay delivers it", async () => {
    const { id } = await create();
    const poison = (await world.all()).length + 2;
    receiver.behave = (one, res) => answer(one.seq === poison ? 500 : 200)(one, res, res.req);
    const seqs = await emitMany(4);
    await until(() => expect(seqsOf(receiver.received).at(-1)).toBe(seqs.at(-1)));
    expect(seqsOf(receiver.received)).toEqual([poison - 1, poison, poison, poison, poison + 1, poison + 2]);
    expect(receiver.received.slice(1, 4).map(({ headers }) => headers["anchorbook-attempt"])).toEqual([
      "1",
      "2",
      "3",
    ]);
    expect(new Set(receiver.received.slice(1, 4).map(({ id: event }) => event)).size).toBe(1);
    expect(await deadLetters(id)).toMatchObject([
      { event: { seq: poison, type: "lock.created" }, attempts: 3, error: "answered 500" },
    ]);

    receiver.behave = accept;
    receiver.received.length = 0;
    const replayed = await world.send("POST", `/api/v1/webhooks/${id}/replay`, { from_seq: poison }, "again");
    expect(replayed.body).toEqual({ webhook_id: id, from_seq: poison });
    await until(() => expect(seqsOf(receiver.received)).toEqual(seqs.slice(1)));
    await until(async () => expect(await deadLetters(id)).toEqual([]));
    const repeated = await world.send("POST", `/api/v1/webhooks/${id}/replay`, { from_seq: poison }, "again");
    expect(repeated.headers.get("idempotent-replayed")).toBe("true");
    await emitMany(1);
    await until(() => expect(receiver.received).toHaveLength(4));
  });

  test("that is slow is not waited for longer than the time limit, and holds no transaction open", async () => {
    const { id } = await create();
    const held: Received[] = [];
    receiver.behave = (one, res) => {
      if (held.push(one) > 1) accept(one, res, res.req);
    };
    const [seq] = await emitMany(1);
    await until(() => expect(held).toHaveLength(1));
    const open = await world.books.asOwner(
      "SELECT query FROM pg_stat_activity WHERE application_name = 'anchorbook-events' AND state <> 'idle'",
    );
    expect(open).toEqual([]);
    await until(() => expect(seqsOf(held)).toEqual([seq, seq]));
    await until(async () => expect((await state(id)).delivered_seq).toBe(seq));
  });

  test("that is killed in the middle gets the same event again", async () => {
    await create();
    const requests: Received[] = [];
    receiver.behave = (one, res, req) => {
      if (requests.push(one) === 1) req.socket.destroy();
      else accept(one, res, req);
    };
    const seqs = await emitMany(3);
    await until(() => expect(seqsOf(requests)).toEqual([seqs[0], ...seqs]));
    expect(requests[0]?.id).toBe(requests[1]?.id);
  });

  test("is not followed to another place, and its long answer is not read to the end", async () => {
    const elsewhere = await startReceiver();
    const { id } = await create();
    receiver.behave = answer(307, { location: elsewhere.url });
    await emitMany(1);
    await until(async () => expect(await deadLetters(id)).toHaveLength(1));
    expect((await deadLetters(id))[0].error).toBe("answered 307");
    expect(elsewhere.received).toEqual([]);
    let sent = 0;
    receiver.behave = (_, res) => {
      res.writeHead(200);
      const more = () => {
        while (!res.destroyed && sent < 500_000_000) {
          sent += 65_536;
          if (!res.write(Buffer.alloc(65_536))) return res.once("drain", more);
        }
        return res.end();
      };
      more();
    };
    const [seq] = await emitMany(1);
    await until(async () => expect((await state(id)).delivered_seq).toBe(seq));
    expect(sent).toBeLessThan(50_000_000);
    await elsewhere.close();
  });
});

test("an endpoint that is out of reach for too long gives up old events, and a replay brings them back", async () => {
  const hasty = { firstDelayMs: 10, longestDelayMs: 20, refusals: 3, unreachableMs: 0 };
  const own = await createWorld({ backOff: hasty });
  const port = await unusedPort();
  const body = { url: `http://127.0.0.1:${port}/`, types: ["lock.*"] };
  const { webhook_id: id } = (await own.send("POST", "/api/v1/webhooks", body)).body;
  for (let n = 0; n < 3; n++) await own.emit(null, { n });
  const letters = async () => (await own.send("GET", `/api/v1/webhooks/${id}/dead-letters?limit=2`)).body;
  await vi.waitFor(
    async () => {
      await own.events.deliver();
      expect((await own.send("GET", `/api/v1/webhooks/${id}`)).body.dead_letters).toBe(3);
    },
    { timeout: 10_000, interval: 10 },
  );
  const first = await letters();
  expect(first.data).toMatchObject([{ error: "ECONNREFUSED", attempts: 2 }, { attempts: 1 }]);
  const rest = await own.send("GET", `/api/v1/webhooks/${id}/dead-letters?cursor=${first.next_cursor}`);
  expect(rest.body).toMatchObject({ data: [{ attempts: 1 }], next_cursor: null });
  const late = await startReceiver(port);
  await own.send("POST", `/api/v1/webhooks/${id}/replay`, { from_seq: 1 });
  await vi.waitFor(
    async () => {
      await own.events.deliver();
      expect(late.received).toHaveLength(3);
      expect((await letters()).data).toEqual([]);
    },
    { timeout: 10_000, interval: 10 },
  );
  await own.close();
  await late.close();
});

describe("two processes", () => {
  test("deliver everything to an endpoint once and in order between them", async () => {
    const other = await world.another();
    await create();
    const all = emitMany(80);
    await until(async () => {
      await other.deliver();
      expect(receiver.received).toHaveLength(80);
    });
    expect(seqsOf(receiver.received)).toEqual(await all);
  });

  test("leave an endpoint to whoever has it, until the lease has run out", async () => {
    const { id } = await create();
    const begun = performance.now();
    await world.books.asOwner(
      "UPDATE webhook_delivery SET lease = gen_random_uuid(), lease_until = clock_timestamp() + interval '700 ms' WHERE webhook = $1",
      [id],
    );
    await emitMany(1);
    await until(() => expect(receiver.received).toHaveLength(1));
    expect(performance.now() - begun).toBeGreaterThan(600);
  });

  test("whose lease was taken while a receiver thought records nothing: the event is delivered again", async () => {
    const { id } = await create();
    receiver.behave = async (one, res, req) => {
      if (receiver.received.length === 1)
        await world.books.asOwner(
          "UPDATE webhook_delivery SET lease = gen_random_uuid() WHERE webhook = $1",
          [id],
        );
      accept(one, res, req);
    };
    const [seq] = await emitMany(1);
    await until(() => expect(receiver.received).toHaveLength(1));
    await world.books.asOwner(
      "UPDATE webhook_delivery SET lease_until = clock_timestamp() WHERE webhook = $1",
      [id],
    );
    await until(() => expect(seqsOf(receiver.received)).toEqual([seq, seq]));
  });
});

describe("an operator", () => {
  test("is shown the secret once, and it is in no log, list, record of a request, or event", async () => {
    const body = { url: receiver.url };
    const made = await world.send("POST", "/api/v1/webhooks", body, "key");
    const { secret, webhook_id } = made.body;
    expect(secret).toMatch(/^whsec_[0-9a-f]{64}$/);
    const again = await world.send("POST", "/api/v1/webhooks", body, "key");
    expect(again.body).toEqual({ ...made.body, secret: null });
    await emitMany(1);
    await until(() => expect(receiver.received).toHaveLength(2));
    receiver.behave = answer(400);
    await emitMany(1);
    await until(async () => expect(await deadLetters(webhook_id)).toHaveLength(1));
    const list = await world.send("GET", "/api/v1/webhooks");
    expect(list.body.data).toHaveLength(1);
    expect(list.body.data[0]).toEqual(await state(webhook_id));
    const kept = await world.books.asOwner(
      "SELECT outcome::text AS text FROM idempotency UNION ALL SELECT data::text FROM event UNION ALL SELECT to_jsonb(w)::text FROM webhook w",
    );
    expect(logged.length).toBeGreaterThan(3);
    for (const text of [JSON.stringify(list.body), JSON.stringify(kept), logged.join()])
      expect(text).not.toContain(secret.slice(6));
  });

  test("deletes an endpoint, and nothing is sent there any more", async () => {
    const { id } = await create();
    await emitMany(1);
    await until(() => expect(receiver.received).toHaveLength(1));
    expect((await world.send("DELETE", `/api/v1/webhooks/${id}`)).body).toEqual({
      webhook_id: id,
      deleted: true,
    });
    for (const [method, path, body] of [
      ["DELETE", "", undefined],
      ["GET", "", undefined],
      ["GET", "/dead-letters", undefined],
      ["POST", "/replay", { from_seq: 1 }],
    ] as const)
      expect((await world.send(method, `/api/v1/webhooks/${id}${path}`, body)).status).toBe(404);
    const kept = await create();
    const seqs = await emitMany(2);
    await until(async () => expect((await state(kept.id)).delivered_seq).toBe(seqs[1]));
    expect(receiver.received.filter(({ headers }) => headers["anchorbook-webhook-id"] === id)).toHaveLength(
      1,
    );
    expect(await world.books.asOwner("SELECT FROM webhook_secret WHERE webhook = $1", [id])).toEqual([]);
  });

  test("cannot replay from where nothing is yet, nor name what is no place or type", async () => {
    const { id } = await create();
    const replay = (from_seq: unknown) => world.send("POST", `/api/v1/webhooks/${id}/replay`, { from_seq });
    for (const from of [0, -1, 1.5, "1", 1_000_000, null]) expect((await replay(from)).status).toBe(400);
    for (const body of [
      { url: "ftp://example.com" },
      { url: "not a url" },
      { url: "https://user:secret@example.com" },
      { url: "https://example.com/#part" },
      { url: receiver.url, types: [] },
      { url: receiver.url, types: ["Lock.Created"] },
      { url: receiver.url, types: ["lock*"] },
      { url: receiver.url, types: ["lock.create"] },
      { url: receiver.url, types: ["lock.*", "locks.*"] },
    ]) {
      const { status, body: problem } = await world.send("POST", "/api/v1/webhooks", body);
      expect([status, problem.error]).toEqual([400, "invalid_request"]);
    }
  });

  test("alone may do any of it", async () => {
    for (const roles of [["user"], ["auditor"], ["arbiter"]])
      expect((await world.get("/api/v1/webhooks", "eve", ...roles)).status).toBe(403);
  });
});

/** A receiver's check, written from the documentation. */
function verify(header: string, body: string, secret: string, now: number): boolean {
  const parts = new Map(header.split(",").map((part) => part.split("=", 2) as [string, string]));
  const time = parts.get("t") ?? "";
  const expected = createHmac("sha256", secret).update(`${time}.${body}`).digest();
  const given = Buffer.from(parts.get("v1") ?? "", "hex");
  return (
    given.length === expected.length &&
    timingSafeEqual(given, expected) &&
    Math.abs(now - Number(time)) <= 300
  );
}
