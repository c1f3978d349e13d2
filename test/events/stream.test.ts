import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { expectCoherent } from "../support/coherence.ts";
import { openTestLedger } from "../support/ledger.ts";
import { bearer, signToken } from "../support/tokens.ts";
import { openSse, type SseReader } from "./sse-reader.ts";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await createWorld({ heartbeatMs: 100, stalledMs: 3_000 });
});
afterEach(async () => {
  await expectCoherent(world.books);
  await world.close();
});

const operator = () => ({ authorization: bearer("op", "operator") });
const stream = (query = "", headers: Record<string, string> = operator()) =>
  openSse(`${world.url}/api/v1/events${query}`, headers);
const seqs = (reader: SseReader) => reader.messages.map(({ data }) => data.seq as number);
const untilMessages = (reader: SseReader, count: number) =>
  vi.waitFor(() => expect(reader.messages.length).toBeGreaterThanOrEqual(count), {
    timeout: 10_000,
    interval: 5,
  });

describe("a stream", () => {
  test("tells what happens from now on, in the shape of its page, and beats while nothing does", async () => {
    await world.emit("alice");
    const reader = await stream();
    expect(reader.headers.get("content-type")).toMatch(/^text\/event-stream/);
    await vi.waitFor(() => expect(reader.comments).toBeGreaterThan(1), { timeout: 20_000 });
    expect(reader.messages).toEqual([]);
    await world.emit("alice", { a: 1, text: "two\nlines: ü" });
    await untilMessages(reader, 1);
    const { body } = await world.get("/api/v1/events", "op", "operator");
    expect(body.next_cursor).toBeNull();
    const { seq } = body.data.at(-1);
    expect(reader.messages).toEqual([{ id: String(seq), type: "lock.created", data: body.data.at(-1) }]);
    expect(body.data.at(-1)).toEqual({
      ...{
        id: expect.stringMatching(/^evt_[0-9a-f]{12}_\d+$/),
        seq,
        type: "lock.created",
        subject: "alice",
      },
      ...{ time: expect.stringMatching(/Z$/), data: { a: 1, text: "two\nlines: ü" } },
    });
    reader.cut();
  });

  test("has begun when its answer begins: what happens then is in it", async () => {
    for (let n = 0; n < 30; n++) {
      const reader = await stream("", { authorization: bearer(`reader-${n}`, "auditor") });
      await world.emit("alice", { n });
      await untilMessages(reader, 1);
      expect(reader.messages[0]?.data.data).toEqual({ n });
      reader.cut();
    }
  });

  test("begins behind `after`, and with Last-Event-ID behind that", async () => {
    for (let n = 0; n < 5; n++) await world.emit(null);
    const all = (await world.all()).map(({ seq }) => seq);
    const fromStart = await stream("?after=0");
    await untilMessages(fromStart, all.length);
    expect(seqs(fromStart)).toEqual(all);
    const behind = await stream("?after=0", { ...operator(), "last-event-id": "3" });
    await untilMessages(behind, all.length - 3);
    expect(seqs(behind)).toEqual(all.slice(3));
    for (const reader of [fromStart, behind]) reader.cut();
    await expect(stream("", { ...operator(), "last-event-id": "x" })).rejects.toThrow(/400.*Last-Event-ID/);
    await expect(stream("?after=-1")).rejects.toThrow("400");
    await expect(stream("?types=lock.created,,")).rejects.toThrow("400");
    // Who asks for what there is not is told so, with what there is.
    for (const types of ["lock.create", "lock.*,locks.*"])
      await expect(stream(`?types=${types}`)).rejects.toThrow(/400.*lock\.created, .*webhook\.deleted/);
  });

  test("that is cut again and again under load misses nothing and tells nothing twice", async () => {
    const other = await openTestLedger(world.books.database);
    const total = 600;
    let written = 0;
    const writing = Promise.all(
      Array.from({ length: 12 }, async (_, place) => {
        const ledger = place % 2 === 0 ? other : world.books.ledger;
        while (written < total) {
          written += 1;
          await ledger.submit({
            name: "tell",
            decide: (view) => {
              view.emit({ type: "lock.created", subject: "alice", data: {} });
              return null;
            },
          });
        }
      }),
    );
    const told: number[] = [];
    let lastId = "0";
    let cuts = 0;
    for (let wanted = 7; told.length < total; cuts++) {
      const reader = await stream("?types=lock.*", { ...operator(), "last-event-id": lastId });
      wanted = Math.min(wanted, total - told.length);
      await untilMessages(reader, wanted);
      reader.cut();
      await reader.ended;
      told.push(...seqs(reader));
      lastId = reader.lastId;
    }
    await writing;
    await other.close();
    const expected = (await world.all()).filter(({ type }) => type === "lock.created").map(({ seq }) => seq);
    expect(told).toEqual(expected);
    expect(cuts).toBeGreaterThan(5);
  });

  test("moves the reader's place on over what is not his, so that it is not read again", async () => {
    const reader = await stream("", { authorization: bearer("alice") });
    for (let n = 0; n < 3; n++) await world.emit("bob");
    const newest = (await world.all()).length;
    await vi.waitFor(() => expect(reader.lastId).toBe(String(newest)), { timeout: 20_000 });
    expect(reader.messages).toEqual([]);
    reader.cut();
  });

  test("hears of what another process writes", async () => {
    const other = await openTestLedger(world.books.database);
    const reader = await stream();
    await vi.waitFor(() => expect(reader.comments).toBeGreaterThan(0), { timeout: 20_000 });
    await other.submit({
      name: "tell",
      decide: (view) => {
        view.emit({ type: "grant.made", subject: null, data: {} });
        return null;
      },
    });
    await untilMessages(reader, 1);
    expect(reader.messages[0]?.type).toBe("grant.made");
    reader.cut();
    await other.close();
  });
});

describe("who reads what", () => {
  test("a user its own, an auditor and an operator all, anybody else nothing", async () => {
    await world.emit("alice");
    await world.emit("bob");
    await world.emit(null);
    const subjects = async (path: string, sub: string, ...roles: string[]) => {
      const { body } = await world.get(path, sub, ...roles);
      return body.data?.map((event: { subject: string | null }) => event.subject) ?? body.error;
    };
    const all = (await world.all()).map(({ subject }) => subject);
    expect(await subjects("/api/v1/events", "alice")).toEqual(["alice"]);
    expect(await subjects("/api/v1/events?subject=alice", "alice")).toEqual(["alice"]);
    expect(await subjects("/api/v1/events?subject=bob", "alice")).toBe("forbidden");
    expect(await subjects("/api/v1/events?subject=bob", "ann", "auditor")).toEqual(["bob"]);
    expect(await subjects("/api/v1/events", "ann", "auditor")).toEqual(all);
    expect(await subjects("/api/v1/events", "op", "operator")).toEqual(all);
    expect(await subjects("/api/v1/events", "eve", "arbiter")).toBe("forbidden");
    const [own, everything] = [
      await stream("?after=0", { authorization: bearer("bob") }),
      await stream("?after=0", { authorization: bearer("ann", "auditor") }),
    ];
    await untilMessages(everything, all.length);
    await untilMessages(own, 1);
    await world.emit("alice");
    await world.emit("bob");
    await untilMessages(own, 2);
    await untilMessages(everything, all.length + 2);
    expect(own.messages.map(({ data }) => data.subject)).toEqual(["bob", "bob"]);
    for (const reader of [own, everything]) reader.cut();
  });

  test("pages go on where they stopped, through a filter too", async () => {
    for (let n = 0; n < 25; n++)
      await world.emit(null, { n }, n % 5 === 0 ? "stake.created" : "lock.created");
    const found: number[] = [];
    let path = "/api/v1/events?types=stake.*&limit=2";
    for (let cursor: string | null = ""; cursor !== null; ) {
      const { body } = await world.get(cursor === "" ? path : `${path}&cursor=${cursor}`, "op", "operator");
      found.push(...body.data.map((event: { data: { n: number } }) => event.data.n));
      cursor = body.next_cursor;
    }
    expect(found).toEqual([0, 5, 10, 15, 20]);
    path = "/api/v1/events?cursor=bm90aGluZw";
    expect((await world.get(path, "op", "operator")).status).toBe(400);
  });
});

describe("an open stream ends", () => {
  test("cleanly when the server stops", async () => {
    const readers = [await stream(), await stream("", { authorization: bearer("alice") })];
    await vi.waitFor(() => expect(readers.every(({ comments }) => comments > 0)).toBe(true), {
      timeout: 20_000,
    });
    await world.closeApi();
    expect(await Promise.all(readers.map(({ ended }) => ended))).toEqual(["end", "end"]);
  });

  test("when its token expires", async () => {
    const exp = Math.floor(Date.now() / 1000) + 2;
    const token = signToken({ sub: "alice", roles: ["user"], exp });
    const reader = await stream("", { authorization: `Bearer ${token}` });
    expect(await reader.ended).toBe("end");
    expect(Math.abs(Date.now() / 1000 - exp)).toBeLessThan(1.5);
  });

  test("and gives its place back: a principal has five at a time", async () => {
    const readers = await Promise.all(Array.from({ length: 5 }, () => stream()));
    await expect(stream()).rejects.toThrow(/429.*rate_limited/);
    const another = await stream("", { authorization: bearer("alice") });
    readers[0]?.cut();
    const sixth = await vi.waitFor(() => stream(), { timeout: 5_000, interval: 20 });
    for (const reader of [...readers, another, sixth]) reader.cut();
  });
});

test("readers who do not read hold no connection of the database, and nobody up", async () => {
  const { hostname, port } = new URL(world.url);
  const sockets = Array.from({ length: 20 }, (_, place) => {
    const socket = connect(Number(port), hostname);
    socket.write(
      `GET /api/v1/events?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer(`op-${place}`, "operator")}\r\n\r\n`,
    );
    socket.pause();
    return socket;
  });
  const text = "x".repeat(2_000);
  const heapBefore = heapUsed();
  for (let n = 0; n < 40; n++)
    await world.books.run((view) => {
      for (let m = 0; m < 200; m++) view.emit({ type: "compute.reserved", subject: null, data: { text } });
      return null;
    });
  const reader = await stream("?after=0&types=compute.reserved");
  await untilMessages(reader, 8_000);
  // 16 MB for each of twenty readers, had it been kept for them.
  expect(heapUsed() - heapBefore).toBeLessThan(200_000_000);
  const busy = await world.books.asOwner(
    "SELECT state FROM pg_stat_activity WHERE application_name = 'anchorbook-events' AND state LIKE 'idle in%'",
  );
  expect(busy).toEqual([]);
  expect((await world.get("/api/v1/events?limit=1", "op", "operator")).status).toBe(200);
  // In the end they are cut off, and those who read are not.
  const open = () => world.metrics.eventStreams.get().then(({ values }) => values[0]?.value);
  await vi.waitFor(async () => expect(await open()).toBe(1), { timeout: 15_000, interval: 50 });
  await world.emit(null, {}, "compute.reserved");
  await untilMessages(reader, 8_001);
  reader.cut();
  for (const socket of sockets) socket.destroy();
});

function heapUsed(): number {
  return process.memoryUsage().heapUsed;
}
