/** What every route of the program must bear: bad tokens, wrong roles, malformed input, a database that goes away. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "#infra";
import { attackAccess, attackInput } from "../../support/attack-routes.ts";
import { expectCoherent } from "./coherence.ts";
import { createWorld, DAY, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => {
  await expectCoherent(world);
  await world.stop();
});

describe("the routes of the access program", () => {
  it("let nobody in who may not", async () => {
    const report = await attackAccess({ baseUrl: world.url, routes: world.routes });
    expect(report.breaches).toEqual([]);
    expect(report.requests).toBeGreaterThan(100);
  });

  it("answer malformed input with a stable code, never with 500", async () => {
    const report = await attackInput({ baseUrl: world.url, routes: world.routes });
    expect(report.breaches).toEqual([]);
    expect(report.requests).toBeGreaterThan(100);
  });

  it.each(["agreement id with spaces", "a/b", "%00", "é", "💥", "x".repeat(129), "..", "a\nb"])(
    "bear the id %j",
    async (id) => {
      const as = "odd-ids";
      const path = encodeURIComponent(id);
      for (const answer of [
        await world.post(`/api/v1/p2p/${path}/lock-tst`, { amount: 10 }, { as }),
        await world.post(`/api/v1/strategies/${path}/upgrade-tier`, { tier: 1 }, { as }),
        await world.post(
          `/api/v1/entities/${path}/reserve-compute`,
          { entity: "risk", duration_days: 1 },
          { as },
        ),
      ])
        expect([400, 404]).toContain(answer.status);
    },
  );

  it("keep ids of any script apart and whole", async () => {
    const user = await world.fundedUser(100);
    for (const id of ["договор-1", "合意", "a:b@c+d|e~f=g,h-i"]) {
      const { status, body } = await world.post(
        `/api/v1/p2p/${encodeURIComponent(id)}/lock-tst`,
        { amount: 10, agreement_id: id },
        { as: user },
      );
      expect([status, body.agreement_id]).toEqual([200, id]);
    }
  });
});

describe("a writer whose connection dies", () => {
  it("while holdings expire, ends each once, in that run or the next", async () => {
    const user = await world.fundedUser(10 * 300);
    await Promise.all(
      Array.from({ length: 300 }, (_, place) =>
        world.post(`/api/v1/p2p/dying-${place}/lock-tst`, { amount: 10, duration_days: 1 }, { as: user }),
      ),
    );
    await world.advance(DAY);
    const admin = createClient({ url: world.database.adminUrl, applicationName: "test-killer" });
    await admin.connect();
    const run = world.access.expireDue();
    for (let kills = 0; kills < 5; kills++) {
      await admin.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'anchorbook-writer' AND datname = $1",
        [world.database.name],
      );
    }
    await admin.end();
    const first = await run;
    const second = await world.access.expireDue();
    expect(second.failed).toBe(0);
    expect(first.failed).toBe(second.ended);
    const [row] = await world.rows<{ n: number }>(
      "SELECT count(*) AS n FROM transfer t JOIN access_lock l ON l.id = t.reference WHERE t.code = 'access.release' AND l.user_id = $1",
      [user],
    );
    expect(row?.n).toBe(300);
    const { body } = await world.get(`/api/v1/tst/access/${user}`, { as: user });
    expect(body).toMatchObject({ available_tst: "3000", locked_tst: "0", active_locks_total: 0 });
  });
});
