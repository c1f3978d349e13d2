import { connect } from "node:net";
import supertest from "supertest";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startApi, type TestApi } from "../support/api-app.ts";
import { attackAccess, attackInput } from "../support/attack-routes.ts";
import { bearer } from "../support/tokens.ts";
import { type Seen, shellRoutes } from "./shell-routes.ts";

const seen: Seen = { handled: 0, streamsClosed: 0 };
const routes = shellRoutes(seen);
let api: TestApi;

beforeAll(async () => {
  api = await startApi(routes);
});
afterAll(() => api.close());
beforeEach(() => {
  seen.handled = 0;
  seen.streamsClosed = 0;
  delete seen.idempotency;
});

const http = () => supertest(api.url);
const lock = (body: object | string) =>
  http()
    .post("/api/v1/boxes/box-1/lock")
    .set("Authorization", bearer("alice"))
    .set("Content-Type", "application/json")
    .send(body);

describe("access", () => {
  test("every route refuses every bad caller, and no handler runs", async () => {
    const report = await attackAccess({ baseUrl: api.url, routes });
    expect(report.breaches).toEqual([]);
    expect(report.requests).toBeGreaterThan(200);
    expect(seen.handled).toBe(0);
  });

  test("a user reaches its own id, an auditor every one, an operator only its own", async () => {
    const get = (authorization: string) =>
      http().get("/api/v1/boxes/of/alice").set("Authorization", authorization);
    expect((await get(bearer("alice"))).status).toBe(200);
    expect((await get(bearer("alex", "auditor"))).status).toBe(200);
    expect((await get(bearer("olga", "operator"))).status).toBe(403);
  });

  test("a public route serves without a token as anonymous, with one as its subject", async () => {
    expect((await http().get("/api/v1/public")).body).toEqual({ caller: null });
    const known = await http().get("/api/v1/public").set("Authorization", bearer("alice"));
    expect(known.body).toEqual({ caller: "alice" });
  });

  test("an unknown path is 404 and a known path with another method 405 with Allow", async () => {
    const unknown = await http().get("/api/v1/nothing");
    expect(unknown.status).toBe(404);
    expect(unknown.body).toMatchObject({ error: "not_found", instance: "/api/v1/nothing" });
    const method = await http().delete("/api/v1/public");
    expect(method.status).toBe(405);
    expect(method.get("Allow")).toBe("GET, HEAD");
    const options = await http().options("/api/v1/admin/run");
    expect([options.status, options.get("Allow")]).toEqual([204, "POST"]);
  });

  test("a literal path comes before a parameter, whatever the order of definition", async () => {
    expect((await http().get("/api/v1/epochs/latest")).body).toEqual({ answer: "latest" });
    expect((await http().get("/api/v1/epochs/7")).body).toEqual({ answer: "numbered" });
  });
});

describe("input", () => {
  test("every route answers hostile input with a problem document, never with 5xx", async () => {
    const report = await attackInput({ baseUrl: api.url, routes });
    expect(report.breaches).toEqual([]);
    expect(report.requests).toBeGreaterThan(50);
    expect(seen.handled).toBe(0);
  });

  test.each([
    [{ amount: 10 }, "10"],
    [{ amount: "0.5" }, "0.5"],
    [{ amount: 0.1 }, "0.1"],
    [{ amount: "0.000000000000000001" }, "0.000000000000000001"],
  ])("amount %j is read as %s", async (body, amount) => {
    const answer = await lock(body);
    expect(answer.body).toEqual({ box_id: "box-1", amount, owner: "alice", wallet: null });
  });

  test.each([
    ['{"amount":-1}'],
    ['{"amount":0}'],
    ['{"amount":"0.00"}'],
    ['{"amount":""}'],
    ['{"amount":" 1"}'],
    ['{"amount":"1e3"}'],
    ['{"amount":"NaN"}'],
    ['{"amount":"0x10"}'],
    ['{"amount":true}'],
    ['{"amount":null}'],
    ['{"amount":[1]}'],
    ['{"amount":1e400}'],
    ['{"amount":-1e400}'],
    ['{"amount":1e21}'],
    ['{"amount":1e-7}'],
    ['{"amount":1234567890.1234567}'],
    ['{"amount":"0.0000000000000000001"}'],
    [`{"amount":"${"9".repeat(100_000)}"}`],
    [`{"amount":"340282366920938463464"}`],
  ])("amount in %.40s is invalid_amount and names the member", async (body) => {
    const answer = await lock(body);
    expect([answer.status, answer.body.error]).toEqual([400, "invalid_amount"]);
    expect(answer.body.details).toEqual([{ member: "amount", reason: expect.any(String) }]);
    expect(answer.body.message).toMatch(/^amount /);
    expect(JSON.stringify(answer.body).length).toBeLessThan(600);
  });

  test.each([
    ["{}", "amount", "is required"],
    ['{"amount":1,"extra":2}', "extra", "is not known"],
    ['{"amount":1,"note":7}', "note", "must be a string"],
    ['{"amount":1,"note":"aaaaaaaaaaaaaaaaaaaaaaaaa"}', "note", "must be at most 20 characters long"],
    ['{"amount":1,"parts":[{"amount":1,"kind":"c"}]}', "parts[0].kind", 'must be "a" or "b"'],
    ['{"amount":1,"parts":[{"amount":1,"kind":"a","x":1}]}', "parts[0].x", "is not known"],
    ['{"amount":1,"wallet_address":"0x12"}', "wallet_address", "must be 0x and 40 hexadecimal digits"],
    ['{"amount":1,"amount":2}', "amount", "is given twice"],
    ['{"amount":1,"note":"\\u0000"}', "note", "must not contain U+0000"],
    ['{"amount":1,"note":"\\udfff"}', "note", "must not contain lone surrogates"],
    ['{"amount":1,"__proto__":{}}', "__proto__", "is not known"],
    ['{"amount":1,"\\u005f_proto__":{}}', "__proto__", "is not known"],
    ["[]", "body", "must be an object"],
  ])("%s is invalid_request: %s %s", async (body, member, reason) => {
    const answer = await lock(body);
    expect([answer.status, answer.body.error]).toEqual([400, "invalid_request"]);
    expect(answer.body.details).toContainEqual({ member, reason });
    expect(answer.body.message).toBe(`${member} ${reason}`);
  });

  test("all findings are told, and one that is not about an amount makes it invalid_request", async () => {
    const answer = await lock('{"amount":-1,"x":1,"parts":[{"amount":"0.001","kind":"a"}]}');
    expect(answer.body.error).toBe("invalid_request");
    expect(answer.body.details.map((one: { member: string }) => one.member).sort()).toEqual([
      "amount",
      "parts[0].amount",
      "x",
    ]);
  });

  test("malformed JSON, other media types, too large a body and compression are refused as what they are", async () => {
    expect((await lock('{"amount":')).body.error).toBe("invalid_request");
    expect((await lock('{"amount":1,}')).body.message).toBe("The body is not valid JSON, at character 12");
    const broken = await fetch(`${api.url}/api/v1/boxes/box-1/lock`, {
      method: "POST",
      headers: { authorization: bearer("alice"), "content-type": "application/json" },
      body: Buffer.from('{"amount":1,"note":"\xe4"}', "latin1"),
    });
    expect([broken.status, await broken.json()]).toMatchObject([400, { message: "The body is not UTF-8" }]);
    const form = await lock("amount=1").set("Content-Type", "application/x-www-form-urlencoded");
    expect([form.status, form.body.error]).toEqual([415, "invalid_request"]);
    const latin = await lock('{"amount":1}').set("Content-Type", "application/json; charset=iso-8859-1");
    expect(latin.status).toBe(415);
    const large = await lock(`{"amount":1,"note":"${"a".repeat(1_000_000)}"}`);
    expect([large.status, large.body.error]).toEqual([413, "payload_too_large"]);
    expect(large.body.message).toMatch(/accepts: at most \d+ bytes$/);
    const gzip = await lock('{"amount":1}').set("Content-Encoding", "gzip");
    expect([gzip.status, gzip.body.error]).toEqual([415, "invalid_request"]);
  });

  test("a POST without a body passes where nothing is needed, and names what is needed where it is", async () => {
    const run = await http().post("/api/v1/admin/run").set("Authorization", bearer("olga", "operator"));
    expect(run.body).toEqual({ ran: true });
    const empty = await http().post("/api/v1/boxes/box-1/lock").set("Authorization", bearer("alice"));
    expect(empty.body.details).toEqual([{ member: "amount", reason: "is required" }]);
  });

  test.each([
    ["limit=0", "limit"],
    ["limit=1001", "limit"],
    ["limit=1e2", "limit"],
    ["limit=", "limit"],
    ["limit=5&limit=6", "limit"],
    ["at=yesterday", "at"],
    ["at=2026-01-30T12:00:00%2B01:00", "at"],
    ["cursor=%00", "cursor"],
    ["cursor=%ff", "cursor"],
    ["other=1", "other"],
    ["__proto__=1", "__proto__"],
  ])("query %s is refused and %s named", async (query, member) => {
    const answer = await http().get(`/api/v1/boxes/of/alice?${query}`).set("Authorization", bearer("alice"));
    expect([answer.status, answer.body.error]).toEqual([400, "invalid_request"]);
    expect(answer.body.details[0].member).toBe(member);
  });

  test("a query's defaults and times are read", async () => {
    const answer = await http()
      .get("/api/v1/boxes/of/alice?at=2026-01-30T12:00:00.999Z")
      .set("Authorization", bearer("alice"));
    expect(answer.body).toEqual({ user_id: "alice", limit: 50, at: 1769774400 });
  });
});

describe("idempotency", () => {
  const keyed = (path: string, body: string, key: string, Authorization = bearer("alice")) =>
    http()
      .post(path)
      .set({ Authorization, "Content-Type": "application/json", "Idempotency-Key": key })
      .send(body);

  test("handlers get principal, key and fingerprint; without a key nothing", async () => {
    await keyed("/api/v1/boxes/box-1/lock", '{"amount":1}', "key-1");
    expect(seen.idempotency).toEqual({
      principal: "alice",
      key: "key-1",
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    await lock({ amount: 1 });
    expect(seen.idempotency).toBeUndefined();
  });

  test("order of members, whitespace, encoding and alias do not change the fingerprint; anything else does", async () => {
    const fingerprint = async (path: string, body: string) => {
      await keyed(path, body, "k");
      return (seen.idempotency as { fingerprint: string }).fingerprint;
    };
    const first = await fingerprint("/api/v1/boxes/box-1/lock", '{"amount":1,"note":"n"}');
    expect(await fingerprint("/api/v1/boxes/all/box-1/lock", '{ "note":"n", "amount":1.0 }')).toBe(first);
    expect(await fingerprint("/api/v1/boxes/%62ox-1/lock", '{"amount":1,"note":"\\u006e"}')).toBe(first);
    expect(await fingerprint("/api/v1/boxes/box-2/lock", '{"amount":1,"note":"n"}')).not.toBe(first);
    expect(await fingerprint("/api/v1/boxes/box-1/lock", '{"amount":2,"note":"n"}')).not.toBe(first);
    expect(await fingerprint("/api/v1/boxes/box-1/lock", '{"amount":"1","note":"n"}')).not.toBe(first);
  });

  test("the query is part of the request, in any order and encoding of its members", async () => {
    const fingerprint = async (path: string) => {
      await keyed(`/api/v1/admin/run${path}`, "{}", "k", bearer("olga", "operator"));
      return (seen.idempotency as { fingerprint: string }).fingerprint;
    };
    const plain = await fingerprint("");
    const first = await fingerprint("?dry_run=true&note=a%2Fb");
    expect(first).not.toBe(plain);
    expect(await fingerprint("?")).toBe(plain);
    expect(await fingerprint("?note=a/b&dry_run=true")).toBe(first);
    for (const other of ["?dry_run=false&note=a/b", "?dry_run=true", "?note=a/b", "?note=a/b?dry_run=true"])
      expect([plain, first]).not.toContain(await fingerprint(other));
  });

  test.each([["with space"], ["a".repeat(256)], ["tab\there"], ["ä"]])("key %s is refused", async (key) => {
    const answer = await fetch(`${api.url}/api/v1/boxes/box-1/lock`, {
      method: "POST",
      headers: { authorization: bearer("alice"), "content-type": "application/json", "idempotency-key": key },
      body: '{"amount":1}',
    });
    expect(answer.status).toBe(400);
    expect(seen.handled).toBe(0);
  });

  test("replays say so, for answers and for errors", async () => {
    expect((await lock({ amount: 1, note: "again" })).get("Idempotent-Replayed")).toBe("true");
    expect((await lock({ amount: 1 })).get("Idempotent-Replayed")).toBeUndefined();
    const failed = await http().get("/api/v1/fail/replayed");
    expect(failed.get("Idempotent-Replayed")).toBe("true");
    expect(failed.body).toMatchObject({
      error: "insufficient_balance",
      details: { required: "10", available: "1" },
    });
  });
});

describe("errors", () => {
  test("a problem document has all its members", async () => {
    const answer = await http().get("/api/v1/fail/quota");
    expect([answer.status, answer.get("Retry-After")]).toEqual([429, "13"]);
    expect(answer.get("Content-Type")).toBe("application/problem+json");
    expect(answer.body).toEqual({
      type: "/docs/errors#quota_exceeded",
      title: expect.any(String),
      status: 429,
      detail: "Used up",
      instance: "/api/v1/fail/quota",
      error: "quota_exceeded",
      message: "Used up",
      details: null,
    });
  });

  test("a bug is 500 with the request's id and not a word more", async () => {
    const answer = await http().get("/api/v1/fail/bug").set("X-Request-Id", "req-7");
    expect(answer.status).toBe(500);
    expect(answer.body).toMatchObject({ error: "internal_error", details: { request_id: "req-7" } });
    expect(answer.text).not.toMatch(/SELECT|srv|TypeError/);
  });

  test.each([["database"], ["refused"]])("a lost %s is 503 with Retry-After", async (how) => {
    const answer = await http().get(`/api/v1/fail/${how}`);
    expect([answer.status, answer.body.error]).toEqual([503, "unavailable"]);
    expect(Number(answer.get("Retry-After"))).toBeGreaterThan(0);
    expect(answer.text).not.toContain("goodbye");
  });

  test("the kernel's amount errors look like the schemas'", async () => {
    const answer = await http().get("/api/v1/fail/amount");
    expect(answer.body.details).toEqual([{ member: "amount", reason: "has more than 2 decimals" }]);
  });

  test("an answer that its schema refuses is found out", async () => {
    expect((await http().get("/api/v1/fail/schema")).status).toBe(500);
  });

  test("a handler that takes too long is 503, safe to repeat", async () => {
    const answer = await http().post("/api/v1/slow").set("Authorization", bearer("alice"));
    expect([answer.status, answer.get("Retry-After")]).toEqual([503, "1"]);
  });
});

describe("streams", () => {
  test("lines arrive as they are, and the source is closed", async () => {
    const answer = await fetch(`${api.url}/api/v1/stream/3/9`);
    expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
    expect(await answer.text()).toBe('{"n":0}\n{"n":1}\n{"n":2}\n');
    expect(seen.streamsClosed).toBe(1);
    expect(await (await fetch(`${api.url}/api/v1/stream/0/9`)).text()).toBe("");
  });

  test("an error before the first line is a problem document", async () => {
    expect((await http().get("/api/v1/stream/3/0")).body).toMatchObject({ status: 404, error: "not_found" });
  });

  test("an error after it cuts the connection, so that a part is not taken for the whole", async () => {
    const answer = await fetch(`${api.url}/api/v1/stream/3/2`);
    await expect(answer.text()).rejects.toThrow();
  });

  test("a reader that leaves closes the source", async () => {
    const socket = connect(Number(new URL(api.url).port), "127.0.0.1");
    socket.write("GET /api/v1/stream/100000000/1000000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
    socket.destroy();
    await expect.poll(() => seen.streamsClosed, { timeout: 20_000 }).toBe(1);
  });

  test("HEAD has the headers and no lines", async () => {
    const answer = await fetch(`${api.url}/api/v1/stream/3/9`, { method: "HEAD" });
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
    expect(seen.streamsClosed).toBe(1);
  });
});

describe("headers", () => {
  test("a sane request id is kept, another is replaced by a UUID", async () => {
    const kept = await http().get("/api/v1/public").set("X-Request-Id", "abc-1.2:3");
    expect(kept.get("X-Request-Id")).toBe("abc-1.2:3");
    for (const odd of ["a b", "x".repeat(129), '"><script>']) {
      const made = await http().get("/api/v1/public").set("X-Request-Id", odd);
      expect(made.get("X-Request-Id")).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  test("answers are not cached, not sniffed, not framed and do not name the server", async () => {
    const { headers } = await http().get("/api/v1/public");
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(headers["x-powered-by"]).toBeUndefined();
  });
});
