import { readFile } from "node:fs/promises";
import { join } from "node:path";
import supertest from "supertest";
import { afterEach, describe, expect, test } from "vitest";
import {
  createLifecycle,
  devRoutes,
  errorsMarkdown,
  PROBLEMS,
  type Probe,
  type Route,
  serviceRoutes,
} from "#api";
import { createMetrics, setExact } from "#infra";
import { DomainError } from "#kernel";
import { startApi, type TestApi } from "../support/api-app.ts";
import { attackAccess, attackInput } from "../support/attack-routes.ts";
import { bearer } from "../support/tokens.ts";
import { shellRoutes } from "./shell-routes.ts";

const ok = (name: string, critical = true): Probe => ({ name, critical, check: async () => "answers" });
const bad = (name: string, critical: boolean, error: Error): Probe => ({
  name,
  critical,
  check: () => Promise.reject(error),
});

let api: TestApi | undefined;
afterEach(() => api?.close());

async function start(probes: readonly Probe[], rateLimitPerMinute = 0) {
  const lifecycle = createLifecycle();
  const metrics = createMetrics();
  const advanced: number[] = [];
  const advance = async (seconds: number) => {
    advanced.push(seconds);
    return 1769774400 + seconds;
  };
  const routes: readonly Route[] = [
    ...serviceRoutes({ probes, lifecycle, metrics, version: "1.2.3", allRoutes: () => routes }),
    ...devRoutes({ advance }),
    ...shellRoutes({ handled: 0, streamsClosed: 0 }),
  ];
  api = await startApi(routes, { lifecycle, metrics, rateLimitPerMinute });
  return { http: supertest(api.url), url: api.url, routes, lifecycle, metrics, advanced };
}

describe("health", () => {
  test("alive and ready, with each probe's word", async () => {
    const { http } = await start([ok("database"), ok("migrations")]);
    expect((await http.get("/livez")).body).toEqual({ status: "alive" });
    expect((await http.get("/readyz")).body).toEqual({
      status: "ready",
      checks: {
        database: { status: "ok", detail: "answers" },
        migrations: { status: "ok", detail: "answers" },
      },
    });
  });

  test("a failing chain or counter store is degraded with 200", async () => {
    const chainDown = new DomainError("unavailable", "no block for 90 s");
    const { http, metrics } = await start([ok("database"), bad("chain", false, chainDown)]);
    const answer = await http.get("/readyz");
    expect([answer.status, answer.body.status]).toEqual([200, "degraded"]);
    expect(answer.body.checks.chain).toEqual({ status: "failed", detail: "no block for 90 s" });
    const figures = await metrics.registry.metrics();
    expect(figures).toContain('anchorbook_dependency_up{dependency="chain"} 0');
    expect(figures).toContain('anchorbook_dependency_up{dependency="database"} 1');
  });

  test("a failing database is 503 with Retry-After and does not tell where it lives", async () => {
    const { http } = await start([
      bad("database", true, new Error("connect postgresql://app@10.0.0.5")),
      ok("chain", false),
    ]);
    const answer = await http.get("/readyz");
    expect([answer.status, answer.body.error]).toEqual([503, "unavailable"]);
    expect(answer.get("Retry-After")).toMatch(/^\d+$/);
    expect(answer.body.details.checks.database).toEqual({ status: "failed", detail: "does not answer" });
    expect(answer.text).not.toContain("10.0.0.5");
  });

  test("a probe that hangs counts as failed", async () => {
    const hangs: Probe = { name: "counters", critical: false, check: () => new Promise(() => {}) };
    const { http } = await start([ok("database"), hangs]);
    expect((await http.get("/readyz")).body.checks.counters.status).toBe("failed");
  });

  test("a stopping server is alive and not ready", async () => {
    const { http, lifecycle } = await start([ok("database")]);
    lifecycle.beginDrain();
    expect((await http.get("/livez")).status).toBe(200);
    const ready = await http.get("/readyz");
    expect([ready.status, ready.get("Connection")]).toEqual([503, "close"]);
  });

  test("health and metrics are not limited, whatever came before", async () => {
    const { http } = await start([ok("database")], 1);
    await http.get("/api/v1/public");
    expect((await http.get("/api/v1/public")).status).toBe(429);
    for (const path of ["/livez", "/readyz", "/metrics"]) expect((await http.get(path)).status).toBe(200);
  });
});

describe("metrics", () => {
  test("requests are told by route template and status", async () => {
    const { http } = await start([]);
    await http.get("/api/v1/boxes/of/alice").set("Authorization", bearer("alice"));
    await http.get("/no/such/path/alice");
    const figures = await http.get("/metrics");
    expect(figures.get("Content-Type")).toContain("text/plain");
    expect(figures.text).toContain(
      'anchorbook_http_request_duration_seconds_count{method="GET",route="/api/v1/boxes/of/{user_id}",status="200"} 1',
    );
    expect(figures.text).toContain('route="unknown",status="404"');
    expect(figures.text).not.toContain("alice");
    expect(figures.text).toContain("anchorbook_process_cpu_seconds_total");
  });

  test("an exact integer never becomes zero, and what was not measured is not told", async () => {
    const metrics = createMetrics();
    const before = await metrics.registry.metrics();
    for (const name of ["trial_balance_difference", "counter_drift", "epoch_lag_seconds"])
      expect(before).not.toMatch(new RegExp(`^anchorbook_${name}[ {]`, "m"));
    setExact(metrics.trialBalanceDifference, 1n, { asset: "TST" });
    setExact(metrics.counterDrift, 0n);
    const after = await metrics.registry.metrics();
    expect(after).toContain('anchorbook_trial_balance_difference{asset="TST"} 1');
    expect(after).toContain("anchorbook_counter_drift 0");
  });
});

describe("the description", () => {
  test("has every route that is not hidden, with an operation id of its own and its codes", async () => {
    const { http, routes } = await start([]);
    const { body } = await http.get("/openapi.json");
    expect(body.openapi).toBe("3.1.0");
    expect(body.info.version).toBe("1.2.3");
    const described = Object.entries<Record<string, object>>(body.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    const served = routes
      .filter((route) => !route.hidden)
      .flatMap((route) => route.paths.map((path) => `${route.method} ${path}`));
    expect(described.sort()).toEqual(served.sort());
    const ids = JSON.stringify(body).match(/"operationId":"[^"]+"/g) ?? [];
    expect(new Set(ids).size).toBe(described.length);
    const lock = body.paths["/api/v1/boxes/{box_id}/lock"].post;
    expect(Object.keys(lock.responses).sort()).toEqual("200 400 401 403 413 422 429 500 503".split(" "));
    expect(lock.responses[400].description).toContain("insufficient_balance");
    expect(lock.responses[400].description).toContain("invalid_amount");
    expect(lock.security).toEqual([{ bearer: [] }]);
    expect(lock.requestBody.content["application/json"].schema).toMatchObject({
      required: ["amount"],
      additionalProperties: false,
    });
    expect(body.paths["/livez"].get.security).toEqual([]);
  });

  test("has no reference that leads nowhere", async () => {
    const { http } = await start([]);
    const { body } = await http.get("/openapi.json");
    const references = JSON.stringify(body).match(/#\/components\/schemas\/\w+/g) ?? [];
    expect(references.length).toBeGreaterThan(0);
    for (const reference of references)
      expect(body.components.schemas).toHaveProperty(reference.split("/").at(-1) ?? "");
  });

  test("and docs/errors.md and the error map agree, code by code", async () => {
    const { http } = await start([]);
    const { body } = await http.get("/openapi.json");
    expect(body.components.schemas.Problem.properties.error.enum).toEqual(Object.keys(PROBLEMS));
    const file = await readFile(join(import.meta.dirname, "../../docs/errors.md"), "utf8");
    expect(file).toBe(errorsMarkdown());
    const page = await http.get("/docs/errors");
    for (const code of Object.keys(PROBLEMS)) expect(page.text).toContain(`id="${code}"`);
    expect(page.text).not.toContain("`");
  });

  test("the page and all it loads come from this server, and its policy allows nothing else", async () => {
    const { http } = await start([]);
    const root = await http.get("/");
    expect([root.status, root.get("Location")]).toEqual([302, "/docs"]);
    const page = await http.get("/docs");
    expect(page.get("Content-Type")).toContain("text/html");
    const loaded = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? "");
    expect(loaded.length).toBeGreaterThan(3);
    for (const path of loaded) {
      expect(path).toMatch(/^\/(docs|openapi\.json)/);
      expect((await http.get(path)).status).toBe(200);
    }
    expect((await http.get("/docs/init.js")).text).toContain("validatorUrl: null");
    expect(page.get("Content-Security-Policy")).toContain("default-src 'none'");
    expect((await http.get("/docs/package.json")).status).toBe(400);
    expect((await http.get("/docs/..%2F..%2Fpackage.json")).status).toBe(400);
  });
});

describe("the test clock", () => {
  test("advances for an operator and answers ledger time", async () => {
    const { http, advanced } = await start([]);
    const move = (advance_seconds: unknown, role = "operator") =>
      http.post("/api/v1/dev/clock").set("Authorization", bearer("olga", role)).send({ advance_seconds });
    expect((await move(86_400)).body).toEqual({ now: "2026-01-31T12:00:00Z", advanced_seconds: 86_400 });
    expect((await move(1, "user")).status).toBe(403);
    for (const wrong of [-1, 1.5, "60", 1e15, null]) {
      const answer = await move(wrong);
      expect([answer.status, answer.body.details[0].member]).toEqual([400, "advance_seconds"]);
    }
    expect(advanced).toEqual([86_400]);
  });
});

test("the routes of this folder stand every attack", async () => {
  const { url, routes } = await start([ok("database")]);
  const own = routes.filter(
    (route) => !route.paths[0].startsWith("/api/v1/") || route.paths[0].includes("/dev/"),
  );
  const reports = [
    await attackAccess({ baseUrl: url, routes: own }),
    await attackInput({ baseUrl: url, routes: own }),
  ];
  expect(reports.flatMap((report) => report.breaches)).toEqual([]);
  expect(reports.every((report) => report.requests > 10)).toBe(true);
});
