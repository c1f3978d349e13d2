/** A ledger is moved from one Postgres server to another, as docs/scale-out.md says, and goes on as if nothing had been. */
import { randomUUID } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "#cli";
import { type EmbeddedPostgres, startPostgres } from "#devstack";
import { silentLog } from "#infra";
import { systemIds } from "#kernel";
import { openLedger } from "#ledger";
import { type MoveStep, moveLedger } from "#move-ledger";
import { createLedger, detachLedger, registeredLedgers } from "../../src/create-ledger.ts";
import { LEDGER_SCHEMA, migrate } from "../../src/migrate.ts";
import { type ComposedServer, caller, type ServerWorld, serverWorld } from "../support/composed-server.ts";
import type { TestDatabase } from "../support/database.ts";
import { connect } from "../support/ledger.ts";

const DOC = readFileSync(new URL("../../docs/scale-out.md", import.meta.url), "utf8");
const [source, purse] = [randomUUID(), randomUUID()];

let folder: string;
let other: EmbeddedPostgres;
let worlds: { from: ServerWorld; to: ServerWorld };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "anchorbook-move-"));
  const log = silentLog();
  other = await startPostgres({ folder: join(folder, "postgres"), log, durable: false });
  await migrate({ ownerUrl: other.ownerUrl, appUrl: other.appUrl, schema: LEDGER_SCHEMA }, log);
  const from = await serverWorld();
  const database: TestDatabase = {
    ...{ name: "anchorbook", schema: LEDGER_SCHEMA, ownerUrl: other.ownerUrl, appUrl: other.appUrl },
    adminUrl: other.url("admin", "anchorbook"),
    drop: async () => {},
  };
  worlds = { from, to: await serverWorld({ database, anvil: from.anvil }) };
});

afterAll(async () => {
  await worlds.to.close();
  await worlds.from.close();
  await other.stop();
  rmSync(folder, { recursive: true, force: true });
});

type Call = ReturnType<typeof caller>;

/** Runs a server of a world while the task does. */
async function served<T>(
  world: ServerWorld,
  task: (call: Call, server: ComposedServer) => Promise<T>,
): Promise<T> {
  const server = await world.start();
  try {
    return await task(caller(server.url), server);
  } finally {
    await server.stop();
  }
}

async function query(world: ServerWorld, schema: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = await connect(world.database.ownerUrl, { ...world.database, schema });
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** As the operator types them; the settings name both databases. */
async function anchorbook(line: string): Promise<{ code: number; out: string }> {
  const [program, ...args] = line.split(" ");
  expect(program).toBe("anchorbook");
  const lines: string[] = [];
  const into = { write: (text: string | Uint8Array) => lines.push(String(text)) > 0 };
  const { from, to } = worlds;
  const env = {
    ...{ DATABASE_OWNER_URL: from.database.ownerUrl, DATABASE_URL: from.database.appUrl },
    ...{ TO_DATABASE_OWNER_URL: to.database.ownerUrl, TO_DATABASE_URL: to.database.appUrl },
  };
  const code = await runCli(args, { stdout: into, stderr: into, env });
  return { code, out: lines.join("") };
}

const make = (world: ServerWorld, name: string) =>
  createLedger({ name, ownerUrl: world.database.ownerUrl, appUrl: world.database.appUrl }, silentLog());

const states = async (world: ServerWorld) =>
  Object.fromEntries(
    (await registeredLedgers(world.database.ownerUrl)).map(({ name, state }) => [name, state]),
  );

const payment = (id: string, amount: string) => ({
  transfers: [{ id, debit_account: source, credit_account: purse, amount }],
});

async function openBooks(call: Call, ledger: string): Promise<void> {
  const asset = { code: "USD", scale: 2, transferable: true, mintable: true };
  await call("POST", "/api/v1/ledger/assets", ledger, asset);
  const accounts = [source, purse].map((id) => ({ id, asset: "USD" }));
  await call("POST", "/api/v1/ledger/accounts", ledger, { accounts });
}

/** The journal, line for line, and what else says what a ledger is. */
const WHAT_IT_IS = `SELECT (SELECT id FROM ledger_identity) AS id, (SELECT next_seq FROM journal_head) AS head,
  (SELECT md5(string_agg(t::text, '' ORDER BY seq)) FROM transfer t) AS transfers,
  (SELECT md5(string_agg(p::text, '' ORDER BY seq)) FROM position_change p) AS positions,
  (SELECT md5(string_agg(e::text, '' ORDER BY seq)) FROM event e) AS events,
  (SELECT md5(string_agg(i::text, '' ORDER BY principal, key)) FROM idempotency i) AS answers,
  (SELECT count(*) FROM account) AS accounts`;

test("the commands of the page move a ledger, and it goes on with its ids, keys, holds, events and epochs", async () => {
  const { from, to } = worlds;
  await make(from, "north");
  const key = { "idempotency-key": randomUUID() };
  const [paid, held] = [randomUUID(), randomUUID()];
  const before = await served(from, async (call) => {
    await openBooks(call, "north");
    const first = await call("POST", "/api/v1/ledger/transfers", "north", payment(paid, "12.34"), key);
    expect(first.body.results[0].code).toBe("ok");
    const hold = { id: held, debit_account: purse, credit_account: source, amount: "2", phase: "pending" };
    await call("POST", "/api/v1/ledger/transfers", "north", { transfers: [hold] });
    const run = await call("POST", "/api/v1/admin/settlement/run", "north", {});
    expect(run.body.epoch).toBe(1);
    return {
      answer: first.body,
      contracts: (await call("GET", "/api/v1/settlement/contracts", "north")).body,
    };
  });
  const [whole] = await query(from, "ledger_north", WHAT_IT_IS);

  const commands = /```sh move\n([\s\S]*?)```/.exec(DOC)?.[1]?.match(/(?<=^npx )anchorbook .*$/gm) ?? [];
  expect(commands.length).toBeGreaterThan(0);
  for (const command of commands) {
    const { code, out } = await anchorbook(command);
    expect([command, code, out]).toEqual([command, 0, out]);
  }
  const ledgerFolder = ["ledgers", "north"] as const;
  cpSync(join(from.folder, ...ledgerFolder), join(to.folder, ...ledgerFolder), { recursive: true });

  expect((await query(to, "ledger_north", WHAT_IT_IS))[0]).toEqual(whole);
  expect([(await states(from)).north, (await states(to)).north]).toEqual(["moved", "open"]);
  await served(to, async (call) => {
    const again = await call("POST", "/api/v1/ledger/transfers", "north", payment(paid, "12.34"), key);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(again.body).toEqual(before.answer);
    const withoutKey = await call("POST", "/api/v1/ledger/transfers", "north", payment(paid, "12.34"));
    expect(withoutKey.body.results[0].code).toBe("exists");
    const post = { id: randomUUID(), phase: "post", pending_id: held };
    const more = { transfers: [post, ...payment(randomUUID(), "1").transfers] };
    const { results } = (await call("POST", "/api/v1/ledger/transfers", "north", more)).body;
    expect(results).toMatchObject([{ code: "ok" }, { code: "ok" }]);
    const { body: balance } = await call("GET", "/api/v1/ledger/trial-balance", "north");
    expect(balance.data.find(({ asset }: { asset: string }) => asset === "USD").difference).toBe("0");
    expect((await call("GET", "/api/v1/settlement/contracts", "north")).body).toEqual(before.contracts);
    const run = await call("POST", "/api/v1/admin/settlement/run", "north", {});
    expect([run.status, run.body.epoch]).toEqual([200, 2]);
  });
  await served(from, async (call) => expect((await call("GET", "/livez", "north")).status).toBe(404));
});

const STEPS: readonly MoveStep[] = ["leave", "copy", "open", "forget"];

test.each(STEPS)(
  "cut off before the step %s the same call goes on, and nobody can write to two",
  async (at) => {
    const { from, to } = worlds;
    const name = `cut_${at}`;
    await make(from, name);
    // A server that has not heard of the move: its statements are prepared, its connection is open.
    const { appUrl: databaseUrl } = from.database;
    const writer = await openLedger({
      ...{
        databaseUrl,
        schema: `ledger_${name}`,
        ids: systemIds,
        log: silentLog(),
        limits: { patienceMs: 200 },
      },
    });
    const write = () => {
      const [id, salt] = [randomUUID(), new Uint8Array(32)];
      return writer.submit({ name: "test", decide: (view) => view.openOwner(id, salt).id });
    };
    try {
      await write();
      const urls = {
        fromOwnerUrl: from.database.ownerUrl,
        toOwnerUrl: to.database.ownerUrl,
        toAppUrl: to.database.appUrl,
      };
      const cut = (step: MoveStep) => {
        if (step === at) throw new Error("cut off");
      };
      await expect(moveLedger({ name, ...urls }, silentLog(), cut)).rejects.toThrow("cut off");
      if (at === "leave") await write();
      else await expect(write()).rejects.toThrow();
      if (at === "open") await expect(make(to, name)).rejects.toThrow(/being moved/);
      const moved = await moveLedger({ name, ...urls }, silentLog());
      if (at === "forget") expect(moved).toBeNull();
      else expect(moved?.tables.find(({ table }) => table === "owner")?.rows).toBe(at === "leave" ? 2 : 1);
      await expect(write()).rejects.toThrow();
      await expect(moveLedger({ name, ...urls }, silentLog())).rejects.toThrow(
        /cannot be moved: it is moved/,
      );
      await expect(make(from, name)).rejects.toThrow(/was moved to another database/);
      expect([(await states(from))[name], (await states(to))[name]]).toEqual(["moved", "open"]);
    } finally {
      await writer.close();
    }
  },
);

test("of what was acknowledged while it was moved nothing is missing", async () => {
  const { from, to } = worlds;
  await make(from, "busy");
  const { appUrl: databaseUrl } = from.database;
  const writer = await openLedger({
    ...{ databaseUrl, schema: "ledger_busy", ids: systemIds, log: silentLog(), limits: { patienceMs: 200 } },
  });
  const acknowledged: string[] = [];
  const salt = new Uint8Array(32);
  const client = async (): Promise<never> => {
    for (;;) {
      const id = randomUUID();
      await writer.submit({ name: "test", decide: (view) => view.openOwner(id, salt).id });
      acknowledged.push(id);
    }
  };
  const ended = Promise.allSettled(Array.from({ length: 20 }, client));
  await expect.poll(() => acknowledged.length, { timeout: 30_000 }).toBeGreaterThan(100);
  expect((await anchorbook("anchorbook ledger move busy")).code).toBe(0);
  expect((await ended).every(({ status }) => status === "rejected")).toBe(true);
  await writer.close();
  const there = new Set((await query(to, "ledger_busy", "SELECT id FROM owner")).map(({ id }) => id));
  expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
  expect(await query(from, "ledger_busy", "SELECT FROM owner")).toHaveLength(there.size);
});

test("what cannot be moved stays where it is", async () => {
  const { from, to } = worlds;
  await make(from, "both");
  await make(to, "both");
  const taken = await anchorbook("anchorbook ledger move both");
  expect([taken.code, taken.out]).toEqual([1, expect.stringContaining("has a ledger both already")]);
  expect((await states(from)).both).toBe("open");
  expect((await anchorbook("anchorbook ledger move nowhere")).out).toContain("There is no ledger nowhere");
  for (const name of ["default", "A-b", ""])
    expect((await anchorbook(`anchorbook ledger move ${name}`)).code).toBe(2);
  const alone = await runCli(["ledger", "move", "both"], {
    ...{ stdout: { write: () => true }, stderr: { write: () => true }, env: {} },
  });
  expect(alone).toBe(1);
});

const urlsOf = ({ from, to }: typeof worlds) => ({
  fromOwnerUrl: from.database.ownerUrl,
  toOwnerUrl: to.database.ownerUrl,
  toAppUrl: to.database.appUrl,
});

const addOwner = (world: ServerWorld, name: string, id: string) =>
  query(
    world,
    `ledger_${name}`,
    `INSERT INTO owner (id, salt, created_at) VALUES ('${id}', decode(repeat('00', 32), 'hex'), 0)`,
  );

const ownersOf = async (world: ServerWorld, name: string) =>
  (await query(world, `ledger_${name}`, "SELECT id FROM owner ORDER BY id")).map(({ id }) => id);

test("a copy that was restored and opened there before is not taken for what has to be moved", async () => {
  const { from, to } = worlds;
  await make(from, "copied");
  const [identity] = await query(from, "ledger_copied", "SELECT id FROM ledger_identity");
  // As a backup of this ledger that somebody restored there and attached, to look at it.
  await make(to, "copied");
  await query(to, "ledger_copied", `UPDATE ledger_identity SET id = '${String(identity?.id)}'`);
  await addOwner(from, "copied", "since the copy");
  await expect(moveLedger({ name: "copied", ...urlsOf(worlds) }, silentLog())).rejects.toThrow(
    /has a ledger copied already/,
  );
  expect([(await states(from)).copied, (await states(to)).copied]).toEqual(["open", "open"]);
});

test("what a ledger was before it was moved cannot be attached again", async () => {
  const { from } = worlds;
  const { ownerUrl, appUrl } = from.database;
  await make(from, "left");
  await moveLedger({ name: "left", ...urlsOf(worlds) }, silentLog());
  await expect(detachLedger(ownerUrl, "left")).rejects.toThrow(/Drop the schema ledger_left/);
  await expect(createLedger({ name: "left", ownerUrl, appUrl, attach: true }, silentLog())).rejects.toThrow(
    /was moved to another database/,
  );
  expect((await states(from)).left).toBe("moved");
  await query(from, "ledger_left", "DROP SCHEMA ledger_left CASCADE");
  await detachLedger(ownerUrl, "left");
  expect((await make(from, "left")).state).toBe("open");
});

test("a ledger is not moved to the database that it is in", async () => {
  const { from } = worlds;
  await make(from, "itself");
  const { ownerUrl, appUrl: toAppUrl } = from.database;
  const urls = { fromOwnerUrl: ownerUrl, toOwnerUrl: ownerUrl, toAppUrl };
  await expect(moveLedger({ name: "itself", ...urls }, silentLog())).rejects.toThrow(/to itself/);
  expect((await states(from)).itself).toBe("open");
});

test("a ledger stays where it is while the server there could not reach it", async () => {
  const { from, to } = worlds;
  await make(from, "unreached");
  const nowhere = Object.assign(new URL(to.database.appUrl), { pathname: "/no_such_database" }).toString();
  for (const [toAppUrl, reason] of [
    [nowhere, /does not work: .*no_such_database/],
    [from.database.appUrl, /leads to another database/],
  ] as const)
    await expect(moveLedger({ name: "unreached", ...urlsOf(worlds), toAppUrl }, silentLog())).rejects.toThrow(
      reason,
    );
  expect((await states(from)).unreached).toBe("open");
});

test("two calls at once: what was written after the one had opened it is not overwritten by the other", async () => {
  const { from, to } = worlds;
  await make(from, "twice");
  await addOwner(from, "twice", "before");
  const lock = await connect(to.database.ownerUrl, { ...to.database, schema: "ledger_twice" });
  let second: Promise<unknown> = Promise.resolve();
  try {
    await moveLedger({ name: "twice", ...urlsOf(worlds) }, silentLog(), async (step) => {
      if (step !== "open") return;
      // The other call stands still where migrations take turns.
      await lock.query("SELECT pg_advisory_lock(7020092306391852651)");
      second = moveLedger({ name: "twice", ...urlsOf(worlds) }, silentLog()).then(
        () => "moved",
        (error: Error) => error.message,
      );
      await Promise.race([second, pause(3_000)]);
    });
    await addOwner(to, "twice", "since it was opened");
  } finally {
    await lock.end();
  }
  expect(await second).toContain("is being moved by another call");
  expect(await ownersOf(to, "twice")).toEqual(["before", "since it was opened"]);
});
