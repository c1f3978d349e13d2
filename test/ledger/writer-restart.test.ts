/** The writer while its database stops, is killed, or takes nobody in: an error that says so, then recovery. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type EmbeddedPostgres, startPostgres } from "#devstack";
import { createClient, silentLog } from "#infra";
import { DomainError, systemIds } from "#kernel";
import { type Ledger, openLedger, type Unit } from "#ledger";
import { LEDGER_SCHEMA, migrate } from "../../src/migrate.ts";
import { newAccount, openTestLedger, startLedger, transfer } from "../support/ledger.ts";

const isUnavailable = (error: unknown) => error instanceof DomainError && error.code === "unavailable";

describe("a database that stops and comes back", () => {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-restart-"));
  const log = silentLog();
  let postgres: EmbeddedPostgres;
  let ledger: Ledger;
  const [a, b] = [randomUUID(), randomUUID()];

  const start = () => startPostgres({ folder, log });
  const move = (id: string = randomUUID()): Unit<string[]> => {
    const request = transfer(a, b, 1n, { id });
    return { name: "move", decide: (view) => view.tryTransfers([request]).map(({ code }) => code) };
  };
  const written = async (ids: readonly string[]) => {
    const client = createClient({ url: postgres.ownerUrl, schema: LEDGER_SCHEMA, applicationName: "test" });
    await client.connect();
    const { rows } = await client.query("SELECT id FROM transfer WHERE id = ANY ($1::uuid[])", [ids]);
    await client.end();
    return new Set(rows.map(({ id }) => id));
  };

  beforeAll(async () => {
    postgres = await start();
    const { ownerUrl, appUrl: databaseUrl } = postgres;
    await migrate({ ownerUrl, appUrl: databaseUrl, schema: LEDGER_SCHEMA }, log);
    ledger = await openLedger({
      databaseUrl,
      schema: LEDGER_SCHEMA,
      ids: systemIds,
      log,
      limits: { patienceMs: 100 },
    });
    const client = createClient({ url: ownerUrl, schema: LEDGER_SCHEMA, applicationName: "test" });
    await client.connect();
    await client.query("SELECT create_asset('USD', 2::smallint, true, true, NULL, 0)");
    await client.end();
    await ledger.submit({
      name: "open",
      decide: (view) => {
        for (const id of [a, b])
          view.openAccountWithId(newAccount({ id, asset: "USD", createdAt: view.now }));
        return null;
      },
    });
  });
  afterAll(async () => {
    await ledger.close();
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each([
    ["stopped cleanly", () => postgres.stop()],
    [
      "killed",
      async () => {
        process.kill(postgres.pid, "SIGKILL");
        await postgres.exited;
      },
    ],
  ])(
    "%s under load: unavailable while it is away, all that was answered is there, and it goes on",
    async (_, end) => {
      const ids: string[] = Array.from({ length: 250 }, () => randomUUID());
      const outcomes: [string, string][] = [];
      let finished = 0;
      const send = async (id: string) => {
        try {
          const { value } = await ledger.submit(move(id));
          outcomes.push([id, value[0] ?? ""]);
        } catch (error) {
          outcomes.push([id, isUnavailable(error) ? "unavailable" : String(error)]);
        }
        finished += 1;
      };
      const queue = [...ids];
      const load = Promise.all(
        Array.from({ length: 20 }, async () => {
          for (let id = queue.shift(); id; id = queue.shift()) await send(id);
        }),
      );
      await vi.waitFor(() => expect(finished).toBeGreaterThan(50), { timeout: 20_000, interval: 1 });
      await end();
      await load;
      await expect(ledger.submit(move())).rejects.toSatisfy(isUnavailable);

      postgres = await start();
      expect((await ledger.submit(move())).value).toEqual(["ok"]);
      const kinds = new Set(outcomes.map(([, outcome]) => outcome));
      expect(kinds).toEqual(new Set(["ok", "unavailable"]));
      const there = await written(ids);
      expect(outcomes.filter(([id, outcome]) => outcome === "ok" && !there.has(id))).toEqual([]);
      // The same again, as a client does: what was done is found, the rest is done now.
      const again = await Promise.all(ids.map(async (id) => (await ledger.submit(move(id))).value[0]));
      expect(again).toEqual(ids.map((id) => (there.has(id) ? "exists" : "ok")));
    },
  );
});

describe("a database that takes no connection", () => {
  test("makes every unit unavailable at once, not one after the other", async () => {
    const books = await startLedger();
    const [a, b] = [await books.open(), await books.open()];
    const ledger = await openTestLedger(books.database, { limits: { patienceMs: 200 } });
    const { name, adminUrl } = books.database;
    const admin = createClient({
      url: Object.assign(new URL(adminUrl), { pathname: "/postgres" }).toString(),
      applicationName: "test",
    });
    await admin.connect();
    await admin.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS false`);
    const started = performance.now();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 64 }, () =>
        ledger.submit({ name: "move", decide: (view) => view.tryTransfers([transfer(a, b, 1n)]).length }),
      ),
    );
    // Bisected, as for a unit that the database refuses, it would take 127 times its patience, and more.
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(outcomes.filter((one) => one.status === "fulfilled" || !isUnavailable(one.reason))).toEqual([]);
    await admin.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS true`);
    await admin.end();
    const request = transfer(a, b, 1n);
    const after = await ledger.submit({
      name: "move",
      decide: (view) => view.tryTransfers([request]).length,
    });
    expect(after.value).toBe(1);
    await ledger.close();
    await books.close();
  });
});
