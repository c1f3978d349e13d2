import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { createLifecycle, defineRoute, listen } from "#api";
import { createLog } from "#infra";
import { startApi, type TestApi } from "../support/api-app.ts";
import { bearer } from "../support/tokens.ts";
import { shellRoutes } from "./shell-routes.ts";

let api: TestApi | undefined;
afterEach(async () => {
  await api?.close();
  api = undefined;
});

const routes = () => shellRoutes({ handled: 0, streamsClosed: 0 });

describe("limits of the socket", () => {
  test("headers beyond 16 KB are 431, an unreadable request 400, both as problem documents", async () => {
    api = await startApi(routes());
    const port = Number(new URL(api.url).port);
    const huge = await rawRequest(port, `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${"a".repeat(20_000)}\r\n\r\n`);
    expect(huge).toMatch(/^HTTP\/1\.1 431 /);
    expect(huge).toContain('"error":"invalid_request"');
    const garbage = await rawRequest(port, "this is not HTTP\r\n\r\n");
    expect(garbage).toMatch(/^HTTP\/1\.1 400 /);
    expect(garbage).toContain("application/problem+json");
  });

  test("a port in use is refused with a clear sentence", async () => {
    api = await startApi(routes());
    const port = Number(new URL(api.url).port);
    const second = listen((await import("express")).default(), {
      host: "127.0.0.1",
      port,
      lifecycle: createLifecycle(),
    });
    await expect(second).rejects.toThrow(
      `port ${port} on 127.0.0.1 is already in use; set PORT to another one`,
    );
  });
});

describe("closing", () => {
  test("requests under way are answered, new connections are not taken", async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let reached = false;
    const slow = defineRoute({
      method: "get",
      path: "/slow",
      summary: "Waits",
      tags: ["test"],
      auth: { public: true },
      response: z.strictObject({ done: z.literal(true) }),
      handler: async () => {
        reached = true;
        await held;
        return { done: true as const };
      },
    });
    const lifecycle = createLifecycle();
    const closing = await startApi([slow], { lifecycle });
    const answer = fetch(`${closing.url}/slow`);
    await expect.poll(() => reached, { timeout: 20_000 }).toBe(true);
    const closed = closing.close();
    expect(lifecycle.isDraining()).toBe(true);
    await expect(fetch(`${closing.url}/slow`)).rejects.toThrow();
    release();
    expect(await (await answer).json()).toEqual({ done: true });
    await closed;
  });

  test("what does not end within the grace time is cut", async () => {
    const stuck = await startApi(routes());
    const answer = fetch(`${stuck.url}/api/v1/stream/1000000000/1000000000`);
    const reader = (await answer).body?.getReader();
    await reader?.read();
    await stuck.close();
    const drained = async () => {
      for (;;) if ((await reader?.read())?.done !== false) return;
    };
    await expect(drained()).rejects.toThrow();
  });
});

describe("rate limit", () => {
  test("counts by principal, and by address without a token; says what remains and when to come back", async () => {
    api = await startApi(routes(), { rateLimitPerMinute: 2 });
    const get = (authorization?: string) =>
      fetch(`${api?.url}/api/v1/public`, { headers: authorization ? { authorization } : {} });
    const first = await get(bearer("alice"));
    expect(first.headers.get("ratelimit-policy")).toMatch(/q=2; w=60/);
    expect(first.headers.get("ratelimit")).toMatch(/r=1; t=\d+/);
    expect((await get(bearer("alice", "operator"))).status).toBe(200);
    const third = await get(bearer("alice"));
    expect([third.status, third.headers.get("content-type")]).toEqual([429, "application/problem+json"]);
    expect(Number(third.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await third.json()).toMatchObject({ error: "rate_limited" });
    expect((await get(bearer("bob"))).status).toBe(200);
    expect((await get()).status).toBe(200);
    // A bad token is no identity to hide behind: it counts for the address.
    expect((await get("Bearer bad")).status).toBe(401);
    expect((await get()).status).toBe(429);
    expect((await fetch(`${api.url}/no/such/path`)).status).toBe(429);
  });

  test("0 turns it off", async () => {
    api = await startApi(routes(), { rateLimitPerMinute: 0 });
    const answer = await fetch(`${api.url}/api/v1/public`);
    expect(answer.headers.get("ratelimit")).toBeNull();
  });
});

describe("logs", () => {
  test("a line a request, with its id, template and outcome, and neither token, query nor ids of the path", async () => {
    const lines: string[] = [];
    api = await startApi(routes(), { log: createLog("info", { write: (line) => lines.push(line) }) });
    const authorization = bearer("alice");
    await fetch(`${api.url}/api/v1/boxes/of/alice?limit=7`, {
      headers: { authorization, "x-request-id": "req-1" },
    });
    await fetch(`${api.url}/api/v1/fail/bug`);
    await expect.poll(() => lines.length, { timeout: 20_000 }).toBe(3);
    const parsed = lines.map((line) => JSON.parse(line));
    expect(parsed[0]).toMatchObject({
      level: "info",
      request_id: "req-1",
      method: "GET",
      route: "/api/v1/boxes/of/{user_id}",
      status: 200,
      principal: "alice",
      duration_ms: expect.any(Number),
    });
    expect(parsed.find((line) => line.level === "error").err.message).toContain("SELECT secret");
    expect(lines.join("")).not.toMatch(/limit=7|of\/alice/);
    expect(lines.join("")).not.toContain(authorization.slice(7));
  });
});

function rawRequest(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}
