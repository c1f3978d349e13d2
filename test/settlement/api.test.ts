import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditRoutes, settlementRoutes } from "#api";
import { leafFileHash, parseLeafFile } from "#proof";
import { verifyProof } from "#verifier";
import { startApi, type TestApi } from "../support/api-app.ts";
import { bearer } from "../support/tokens.ts";
import { createWorld, TST, type World } from "./world.ts";

let world: World;
let api: TestApi;

beforeAll(async () => {
  world = await createWorld();
  api = await startApi([
    ...settlementRoutes({
      settlement: world.settlement,
      ledger: world.ledger,
      publicRpcUrl: world.anvil.rpcUrl,
      findPosition: async (section, id) => {
        if (section === "balances") return world.position("balances", id);
        const [user, reference] = id.split(".");
        return user && reference ? world.position(section, user, reference) : null;
      },
    }),
    ...auditRoutes(world.settlement),
  ]);
  await world.grant("user_a", 100n * TST);
  await world.lock("user_a", "agreement-1", 60n * TST);
});
afterAll(async () => {
  await api?.close();
  await world?.close();
});

async function call(path: string, init: RequestInit & { as?: string } = {}) {
  const headers = { ...init.headers, ...(init.as && { authorization: init.as }) } as Record<string, string>;
  const response = await fetch(`${api.url}${path}`, { ...init, headers });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  const body = isJson && !response.headers.get("content-type")?.includes("ndjson") ? JSON.parse(text) : null;
  return { status: response.status, headers: response.headers, text, body };
}

const operator = bearer("op", "operator");
const run = (key?: string) =>
  call("/api/v1/admin/settlement/run", {
    method: "POST",
    as: operator,
    headers: key ? { "idempotency-key": key } : {},
  });

describe("POST /api/v1/admin/settlement/run", () => {
  it("settles now, and answers what is on the chain", async () => {
    const { status, body } = await run("run-1");
    expect(status).toBe(200);
    expect(body).toEqual({
      ...{ epoch: 1, status: "final" },
      header_hash: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      tx_hash: expect.stringMatching(/^0x[0-9a-f]{64}$/),
    });
  });

  it("replays its answer under the same key, and says unchanged without one", async () => {
    await world.grant("user_a", TST);
    const replayed = await run("run-1");
    expect(replayed.headers.get("idempotent-replayed")).toBe("true");
    expect(replayed.body.epoch).toBe(1);
    expect((await run()).body).toMatchObject({ epoch: 2, status: "final" });
    expect((await run()).body).toMatchObject({ epoch: 2, status: "unchanged" });
  });

  it("shares an epoch between calls at the same time", async () => {
    await world.grant("user_a", TST);
    const answers = await Promise.all([run(), run("run-2"), run()]);
    expect(answers.map(({ body }) => body.epoch)).toEqual([3, 3, 3]);
    expect(new Set(answers.map(({ body }) => body.tx_hash)).size).toBe(1);
  });

  it("is for operators", async () => {
    const path = "/api/v1/admin/settlement/run";
    expect((await call(path, { method: "POST" })).status).toBe(401);
    expect((await call(path, { method: "POST", as: bearer("user_a", "user", "auditor") })).status).toBe(403);
  });
});

describe("epochs and contracts", () => {
  it("are public, newest first, page by page", async () => {
    const first = await call("/api/v1/settlement/epochs?limit=2");
    expect(first.body.data.map(({ epoch }: { epoch: number }) => epoch)).toEqual([3, 2]);
    const second = await call(`/api/v1/settlement/epochs?limit=2&cursor=${first.body.next_cursor}`);
    expect(second.body.data.map(({ epoch }: { epoch: number }) => epoch)).toEqual([1]);
    expect(second.body.next_cursor).toBeNull();
    expect((await call("/api/v1/settlement/epochs/latest")).body).toEqual(first.body.data[0]);
    const one = (await call("/api/v1/settlement/epochs/1")).body;
    expect(one).toMatchObject({ epoch: 1, status: "final", gas_used: expect.any(Number) });
    expect(one.gas_used + one.finalize_gas_used).toBeGreaterThan(0);
  });

  it.each(["0", "4", "x", "1e3", "-1", "999999999999999999999"])("epoch %s is not there", async (n) => {
    expect([400, 404]).toContain((await call(`/api/v1/settlement/epochs/${n}`)).status);
  });

  it("the contracts are those of the deployment", async () => {
    const { body } = await call("/api/v1/settlement/contracts");
    expect(body).toEqual({ ...world.record, rpc_url: world.anvil.rpcUrl });
  });
});

describe("GET /api/v1/proofs", () => {
  const lock = "/api/v1/proofs/locks/user_a.agreement-1";
  const balance = "/api/v1/proofs/balances/user_a";

  it("a lock's is public and holds; its opening is for the owner and auditors", async () => {
    const anonymous = await call(lock);
    expect(anonymous.status).toBe(200);
    expect(verifyProof(anonymous.body)).toMatchObject({ valid: true });
    expect(anonymous.body).not.toHaveProperty("opening");
    expect((await call(lock, { as: bearer("user_b") })).body).not.toHaveProperty("opening");
    expect((await call(lock, { as: operator })).body).not.toHaveProperty("opening");
    for (const as of [bearer("user_a"), bearer("eve", "auditor")]) {
      const { body } = await call(lock, { as });
      expect(body.opening.parts).toEqual(["user_a", "agreement-1"]);
      expect(verifyProof(body)).toMatchObject({ valid: true });
    }
  });

  it("a balance's is for the owner and auditors", async () => {
    expect((await call(balance)).status).toBe(401);
    expect((await call(balance, { as: bearer("user_b") })).status).toBe(403);
    expect((await call(balance, { as: operator })).status).toBe(403);
    const own = await call(balance, { as: bearer("user_a") });
    expect(own.body.leaf.amount).toBe(`${42n * TST}`);
    expect((await call(`${balance}?epoch=1`, { as: bearer("user_a") })).body.leaf.amount).toBe(
      `${40n * TST}`,
    );
    expect((await call(balance, { as: bearer("eve", "auditor") })).status).toBe(200);
    expect((await call("/api/v1/proofs/balances/@treasury", { as: bearer("eve", "auditor") })).status).toBe(
      200,
    );
  });

  it.each([
    ["/api/v1/proofs/locks/user_a.nothing", 404],
    ["/api/v1/proofs/locks/nothing", 404],
    [`${"/api/v1/proofs/locks/user_a.agreement-1"}?epoch=77`, 404],
    ["/api/v1/proofs/houses/user_a.agreement-1", 400],
    ["/api/v1/proofs/locks/%00", 400],
    [`/api/v1/proofs/locks/${"x".repeat(500)}`, 400],
    ["/api/v1/proofs/locks/user_a.agreement-1?epoch=0", 400],
    ["/api/v1/proofs/locks/user_a.agreement-1?epoch=one", 400],
    ["/api/v1/proofs/locks/user_a.agreement-1?other=1", 400],
  ])("%s is %i", async (path, status) => {
    expect((await call(path)).status).toBe(status);
  });
});

describe("what an auditor reads", () => {
  it("leaf files and the journal are public NDJSON, in exact bytes", async () => {
    const { headers, text } = await call("/api/v1/audit/epochs/1/leaves?section=locks");
    expect(headers.get("content-type")).toMatch("application/x-ndjson");
    expect(parseLeafFile(text).map(({ amount }) => amount)).toEqual([60n * TST]);
    const empty = await call("/api/v1/audit/epochs/1/leaves?section=payouts");
    expect(leafFileHash(empty.text)).toBe(leafFileHash(""));
    expect((await call("/api/v1/audit/epochs/2/leaves?section=locks")).text).toBe("");
    expect((await call("/api/v1/audit/epochs/2/leaves?section=locks&full=true")).text).toBe(text);
    expect((await call("/api/v1/audit/epochs/9/leaves?section=locks")).status).toBe(404);
    expect((await call("/api/v1/audit/epochs/1/leaves")).status).toBe(400);
    const whole = (await call("/api/v1/audit/journal")).text;
    const lines = whole.split("\n").slice(0, -1);
    expect(lines.map((line) => JSON.parse(line).seq)).toEqual(lines.map((_, place) => `${place}`));
    expect((await call("/api/v1/audit/journal?from=2&limit=2")).text).toBe(
      `${lines.slice(2, 4).join("\n")}\n`,
    );
    expect((await call(`/api/v1/audit/journal?from=${lines.length}`)).text).toBe("");
  });
});

describe("while the chain is down", () => {
  it("a run answers 503 with Retry-After, and everything else goes on", async () => {
    await world.grant("user_a", TST);
    await world.anvil.stop();
    const { status, headers, body } = await run("run-down");
    expect(status).toBe(503);
    expect(body.error).toBe("unavailable");
    expect(headers.get("retry-after")).toMatch(/^\d+$/);
    expect((await call("/api/v1/settlement/epochs/latest")).body).toMatchObject({
      epoch: 4,
      status: "built",
    });
    expect((await call("/api/v1/proofs/locks/user_a.agreement-1")).body.epoch).toBe("3");
  });
});
