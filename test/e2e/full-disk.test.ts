/**
 * A disk that runs full under load, for real: below the watermark writes are
 * refused and reads go on; past it Postgres itself stops, and once there is
 * room all that was acknowledged is there, and nothing twice.
 */
import { readFileSync } from "node:fs";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { canRun } from "../support/can-run.ts";
import { expectLocksOnce, LockLoad } from "../support/load.ts";
import { TestServer } from "../support/server-client.ts";
import { canMount, Disk, onDiskOf } from "../support/small-disk.ts";

const USERS = ["anna", "ben", "cleo", "dan"];
const FUNDS = 100_000;
const CLIENTS = 12;
const DISK_MIB = 512;
const WATERMARK_MIB = 64;
const WAIT = { timeout: 60_000, interval: 50 };

interface World {
  readonly server: TestServer;
  readonly disk: Disk;
  readonly load: LockLoad;
}

async function start(watermarkMib: number): Promise<World> {
  const server = new TestServer({ DISK_WATERMARK_MB: `${watermarkMib}` }, onDiskOf(DISK_MIB));
  await server.start();
  for (const user of USERS) expect(await server.grant(user, FUNDS)).toMatchObject({ status: 200 });
  const disk = new Disk(server.process.pid, server.dataDir);
  return { server, disk, load: new LockLoad(server, USERS) };
}

const describeWithMount = describe.runIf(canRun(canMount(), "the right to mount a file system"));

describeWithMount("below the watermark", () => {
  let world: World;
  beforeAll(async () => {
    world = await start(WATERMARK_MIB);
  });
  afterAll(() => world?.server.remove());

  const readiness = async () => (await world.server.get("/readyz", "ops", "operator")).body;
  const metric = async (name: string) => {
    const text = await (await fetch(`${world.server.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  };

  test("writes are 503 with Retry-After and a reason, reads are live, and it ends by itself", async () => {
    const { server, disk, load } = world;
    expect(await readiness()).toMatchObject({ checks: { disk: { status: "ok" } } });
    load.start(CLIENTS);
    await load.moreAnswers(200, 60);
    disk.fill(WATERMARK_MIB / 2);
    await load.moreAnswers(503, 100);
    await load.stop();
    for (const { answer } of load.answered(503)) {
      expect(Number(answer?.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(answer?.body.message).toMatch(/disk .* nearly full/);
    }
    const refused = await server.grant("eve", 1);
    expect(refused).toMatchObject({ status: 503, body: { error: "unavailable" } });
    expect(await server.settle()).toMatchObject({ status: 503 });
    expect(await server.get("/api/v1/tst/access/anna", "anna", "user")).toMatchObject({ status: 200 });
    expect(await server.get("/api/v1/ledger/trial-balance", "ann", "auditor")).toMatchObject({ status: 200 });
    expect(await readiness()).toMatchObject({ status: "degraded", checks: { disk: { status: "failed" } } });
    expect(await metric("anchorbook_writes_halted")).toBe(1);
    expect(await metric("anchorbook_disk_free_bytes")).toBeLessThan(WATERMARK_MIB * 2 ** 20);

    disk.free();
    load.start(CLIENTS);
    await load.moreAnswers(200, 60);
    await load.stop();
    expect(await readiness()).toMatchObject({ checks: { disk: { status: "ok" } } });
    expect(await metric("anchorbook_writes_halted")).toBe(0);
    await expectLocksOnce(server, load, FUNDS);
    expect(await server.settle()).toMatchObject({ status: 200 });
  });
});

describeWithMount("past the watermark", () => {
  let world: World;
  beforeAll(async () => {
    world = await start(0);
  });
  afterAll(() => world?.server.remove());

  /** Asks Postgres for one piece of its log after the other, until it finds no room for one and ends. */
  async function exhaustLog(): Promise<void> {
    const { passwords, port } = JSON.parse(readFileSync(world.disk.path("postgres", "secrets.json"), "utf8"));
    const client = new Client({
      connectionString: `postgresql://anchorbook_admin:${passwords.admin}@127.0.0.1:${port}/postgres`,
    });
    client.on("error", () => {});
    await client.connect();
    await expect(
      (async () => {
        for (;;) {
          await client.query("SELECT pg_logical_emit_message(false, 'full', repeat('x', 100000))");
          await client.query("SELECT pg_switch_wal()");
        }
      })(),
    ).rejects.toThrow();
    await client.end().catch(() => {});
  }

  const serverLog = () => readFileSync(world.disk.path("postgres", "server.log"), "utf8");

  test("Postgres finds no room and ends; once there is room, all that was acknowledged is there, once", async () => {
    const { server, disk, load } = world;
    load.start(CLIENTS);
    await load.moreAnswers(200, 60);
    disk.fill(0);
    await load.moreAnswers(503, 1);
    await exhaustLog();
    await load.moreAnswers(503, 20);
    // Its log lies on the same disk, so the PANIC itself may be missing; that it cannot start again is told.
    await vi.waitFor(
      () => expect(serverLog()).toMatch(/(PANIC|FATAL):.*pg_wal.*No space left on device/),
      WAIT,
    );
    disk.free();
    await load.moreAnswers(200, 100);
    await load.stop();
    const statuses = new Set(load.attempts.map(({ answer }) => answer?.status));
    expect([...statuses].sort()).toEqual([200, 503]);
    await expectLocksOnce(server, load, FUNDS);
    await vi.waitFor(async () => expect((await server.settle()).status).toBe(200), WAIT);
    expect((await server.get("/readyz", "ops", "operator")).body).toMatchObject({ status: "ready" });
  });
});
