/** Several ledgers in one server, over HTTP: they share a process and see nothing of each other. */
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { runCli } from "#cli";
import { connectChain, createClient, deployAnchor, silentLog } from "#infra";
import { formatVerifierKey, openCheckpoint, parseVerifierKey } from "#proof";
import { createLedger, detachLedger, LedgerRefused, registeredLedgers } from "../../src/create-ledger.ts";
import { cliWith } from "../settlement/audit-world.ts";
import { attackAccess } from "../support/attack-routes.ts";
import { type ComposedServer, caller, type ServerWorld, serverWorld } from "../support/composed-server.ts";
import { witnessKey } from "../support/tlog-witness.ts";
import { bearer, TEST_JWT_SECRET } from "../support/tokens.ts";

let world: ServerWorld;
let server: ComposedServer;
let call: ReturnType<typeof caller>;

beforeAll(async () => {
  world = await serverWorld();
  server = await world.start();
  call = caller(server.url);
});

afterAll(async () => {
  await server.stop();
  await world.close();
});

const make = (name: string, step?: Parameters<typeof createLedger>[2]) =>
  createLedger({ name, ownerUrl: world.database.ownerUrl, appUrl: world.database.appUrl }, silentLog(), step);

async function openBooks(ledger: string | null, ids: { from: string; to: string }): Promise<void> {
  const asset = { code: "USD", scale: 2, transferable: true, mintable: true };
  expect((await call("POST", "/api/v1/ledger/assets", ledger, asset)).status).toBe(200);
  const accounts = [ids.from, ids.to].map((id) => ({ id, asset: "USD" }));
  expect((await call("POST", "/api/v1/ledger/accounts", ledger, { accounts })).body.results).toMatchObject([
    { code: "ok" },
    { code: "ok" },
  ]);
}

test("a name that no ledger has is 404 and says what to do; the default one needs no name", async () => {
  const answer = await call("GET", "/api/v1/ledger/trial-balance", "nowhere");
  expect(answer.status).toBe(404);
  expect(answer.body.message).toContain("anchorbook ledger create");
  for (const odd of ["", "a b", "A", "pg_catalog; drop", "x".repeat(200)])
    expect((await call("GET", "/livez", odd)).status).toBe(404);
  expect((await call("GET", "/api/v1/ledger/trial-balance", "default")).status).toBe(200);
  expect((await call("GET", "/api/v1/ledger/trial-balance", null)).status).toBe(200);
});

test("the list of ledgers is looked at over one connection, and asked for only where there is one", async () => {
  const client = createClient({ url: world.database.appUrl, applicationName: "test" });
  await client.connect();
  const looks = async () => {
    await call("GET", "/livez", "nowhere");
    const { rows } = await client.query<{ pid: number; query: string; asked: Date }>(
      `SELECT pid, query, query_start AS asked FROM pg_stat_activity
       WHERE application_name = 'anchorbook-ledgers' AND datname = current_database()`,
    );
    return rows;
  };
  try {
    const [before, ...others] = await looks();
    expect(others).toEqual([]);
    await vi.waitFor(async () => expect((await looks())[0]?.asked).not.toEqual(before?.asked), 20_000);
    expect(await looks()).toMatchObject([
      { pid: before?.pid, query: expect.stringContaining("to_regclass") },
    ]);
  } finally {
    await client.end();
  }
});

test("a kept connection that answers nothing any more is given up", async () => {
  const client = createClient({ url: world.database.ownerUrl, applicationName: "test" });
  await client.connect();
  const { rows } = await client
    .query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity
       WHERE application_name = 'anchorbook-ledgers' AND datname = current_database()`,
    )
    .finally(() => client.end());
  const pids = rows.map(({ pid }) => Number(pid));
  expect(pids).toHaveLength(1);
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  try {
    expect((await call("GET", "/livez", "nowhere")).status).toBe(404);
  } finally {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }
});

test("a ledger made beside a running server is served at its first request, and has its own everything", async () => {
  await make("north");
  const ids = { from: randomUUID(), to: randomUUID() };
  await openBooks("north", ids);
  const { body: here } = await call("GET", `/api/v1/ledger/accounts/${ids.from}`, "north");
  expect(here.id).toBe(ids.from);
  expect((await call("GET", `/api/v1/ledger/accounts/${ids.from}`, null)).status).toBe(404);

  // The same ids in the default ledger: other accounts, other balances, other idempotency records.
  await openBooks(null, ids);
  const transfer = {
    transfers: [{ id: randomUUID(), debit_account: ids.from, credit_account: ids.to, amount: "5.00" }],
  };
  const key = { "idempotency-key": randomUUID() };
  const first = await call("POST", "/api/v1/ledger/transfers", "north", transfer, key);
  expect(first.body.results[0].code).toBe("ok");
  const second = await call("POST", "/api/v1/ledger/transfers", null, transfer, key);
  expect(second.body.results[0].code).toBe("ok");
  expect(second.headers.get("idempotent-replayed")).toBeNull();
  const repeat = await call("POST", "/api/v1/ledger/transfers", "north", transfer, key);
  expect(repeat.headers.get("idempotent-replayed")).toBe("true");
  expect(repeat.body).toEqual(first.body);
});

test("the command lists the default one first, by the database and by the server", async () => {
  const { appUrl, ownerUrl } = world.database;
  const owner = { DATABASE_URL: appUrl, DATABASE_OWNER_URL: ownerUrl };
  const operator = { ANCHORBOOK_API: server.url, JWT_SECRET: TEST_JWT_SECRET };
  for (const env of [owner, operator]) {
    const { code, out } = await cliWith(env, "ledger", "list");
    const lines = [
      /^default {2}schema ledger {2}open {2}of every server$/,
      /^north {2}schema ledger_north {2}open {2}made 20/,
    ];
    expect([code, out.trimEnd().split("\n")]).toEqual([0, lines.map((line) => expect.stringMatching(line))]);
    const json = await cliWith(env, "ledger", "list", "--json");
    expect(JSON.parse(json.out)).toMatchObject([{ name: "default", created_at: null }, { name: "north" }]);
  }
});

test("the command asks the server that it is given, and names what there is not by its own options", async () => {
  const { appUrl, ownerUrl } = world.database;
  const elsewhere = { DATABASE_URL: appUrl, DATABASE_OWNER_URL: ownerUrl, JWT_SECRET: TEST_JWT_SECRET };
  const away = await cliWith(elsewhere, "ledger", "list", "--api", "http://127.0.0.1:1");
  expect([away.code, away.out]).toEqual([1, ""]);
  expect((await cliWith(elsewhere, "ledger", "list", "--api", server.url)).out).toContain("north");
  const operator = { ANCHORBOOK_API: server.url, JWT_SECRET: TEST_JWT_SECRET };
  for (const command of [["settle"], ["log", "checkpoint"], ["audit"], ["proof", "locks", "x"]]) {
    const { code, out, err } = await cliWith(operator, ...command, "--ledger", "nowhere");
    expect([command, code, out]).toEqual([command, 1, ""]);
    expect(err).toContain('--ledger names no ledger of this server: "nowhere". It may');
    expect(err).not.toMatch(/X-Ledger|header/);
  }
});

test("names that are taken or unsafe are refused, and a schema that is none of ours", async () => {
  await expect(make("north")).rejects.toThrow(LedgerRefused);
  for (const name of ["default", "", "A", "1a", "a-b", 'a"; DROP SCHEMA ledger; --', "a".repeat(41)])
    await expect(make(name)).rejects.toThrow(/cannot be a ledger's name/);
  for (const name of ["a-b", "default"])
    expect((await call("POST", "/api/v1/admin/ledgers", null, { name })).status).toBe(400);
});

test("asked for twice at once a ledger is made once, and both are told of the same", async () => {
  const asked = { name: "twice" };
  const create = (body: object, key?: string) =>
    call("POST", "/api/v1/admin/ledgers", null, body, key === undefined ? {} : { "idempotency-key": key });
  const answers = await Promise.all([create(asked, "key-1"), create(asked, "key-1"), create(asked)]);
  for (const { status, body } of answers)
    expect([status, body]).toEqual([200, { ...answers[0]?.body, name: "twice", state: "open" }]);
  expect((await call("GET", "/livez", "twice")).status).toBe(200);
  const again = await create(asked, "key-1");
  expect([again.body, again.headers.get("idempotent-replayed")]).toEqual([answers[0]?.body, "true"]);
  // A key that stands for this ledger makes no other.
  const other = await create({ name: "thrice" }, "key-1");
  expect([other.status, other.body.error]).toEqual([422, "idempotency_key_reused"]);
  expect((await call("GET", "/livez", "thrice")).status).toBe(404);
});

test("cut off after any step, making it again goes on, and nobody is served meanwhile", async () => {
  for (const at of ["register", "migrate", "open"]) {
    const name = `cut_${at}`;
    const cut = (step: string) => {
      if (step === at) throw new Error("cut off");
    };
    await expect(make(name, cut)).rejects.toThrow("cut off");
    expect((await call("GET", "/livez", name)).status).toBe(404);
    expect(await make(name)).toMatchObject({ name, state: "open" });
    await expect.poll(async () => (await call("GET", "/livez", name)).status, { timeout: 20_000 }).toBe(200);
  }
});

test("no TST is made outside the default ledger, whatever is asked of the database", async () => {
  expect((await call("GET", "/api/v1/tst/health", null)).body.status).toBe("ok");
  expect((await call("GET", "/api/v1/tst/health", "north")).body.status).toBe("starting");
  const { ownerUrl: url } = world.database;
  const client = createClient({ url, schema: "ledger_north", applicationName: "test" });
  await client.connect();
  try {
    const { rowCount } = await client.query(
      "SELECT FROM asset_route WHERE asset = 'TST' AND from_role IN ('custody', 'issuance')",
    );
    expect(rowCount).toBe(0);
  } finally {
    await client.end();
  }
});

/** Thousands of requests, one after the other, beside whatever else the machine does. */
const ATTACK = { timeout: 300_000 };

test("authorisation is the same in every ledger", ATTACK, async () => {
  const { url } = server;
  const withLedger: typeof fetch = (input, init) =>
    fetch(input, { ...init, headers: { ...init?.headers, "x-ledger": "north" } });
  const asked = await withLedger(`${url}/api/v1/ledger/transfers`, {
    method: "POST",
    headers: { authorization: bearer("a-user", "user"), "content-type": "application/json" },
    body: '{"transfers":[]}',
  });
  expect(asked.status).toBe(403);
  expect((await withLedger(`${url}/api/v1/ledger/trial-balance`)).status).toBe(401);
  const report = await attackAccess({ baseUrl: url, routes: server.application.routes, ledger: "north" });
  expect(report.breaches).toEqual([]);
});

test("each ledger has its own epochs on a registry of its own", async () => {
  const contracts = (await call("GET", "/api/v1/settlement/contracts", null)).body;
  const own = (await call("GET", "/api/v1/settlement/contracts", "north")).body;
  expect(own.registry).not.toBe(contracts.registry);
  expect(own.token).toMatch(/^0x0{40}$/);
  const run = await call("POST", "/api/v1/admin/settlement/run", "north", {});
  expect([run.status, run.body.epoch]).toEqual([200, 1]);
  const both = await Promise.all(
    [null, "north"].map((name) => call("POST", "/api/v1/admin/settlement/run", name, {})),
  );
  expect(both.map(({ status }) => status)).toEqual([200, 200]);
  const epochs = (await call("GET", "/api/v1/settlement/epochs", "north")).body;
  expect(JSON.stringify(epochs)).not.toContain(contracts.registry.toLowerCase());
});

test("each ledger's journal is a log of its own, by the header and by the path", async () => {
  const logs = new Map<string, { origin: string; root: string }>();
  for (const ledger of ["default", "north"]) {
    const run = await call("POST", "/api/v1/admin/settlement/run", ledger, {});
    expect(run.status).toBe(200);
    const { body } = await call("GET", "/api/v1/log", ledger);
    expect(body.tiles).toBe(`/log/${ledger}`);
    logs.set(ledger, { origin: body.origin, root: body.checkpoint.root });
    const text = await (await fetch(`${server.url}/log/${ledger}/checkpoint`)).text();
    expect(text).toBe(body.checkpoint.note);
    expect(text.split("\n")[0]).toBe(`localhost/log/${ledger}`);
    const key = parseVerifierKey(body.verifier_key);
    expect((await openCheckpoint(text, [key])).root).toBe(body.checkpoint.root);
    const width = Math.min(body.checkpoint.size, 255);
    const tile = await fetch(`${server.url}/log/${ledger}/tile/0/000.p/${width}`);
    expect([tile.status, (await tile.arrayBuffer()).byteLength]).toEqual([200, 32 * width]);
    const entries = await fetch(`${server.url}/log/${ledger}/tile/entries/000.p/1`);
    expect(entries.status).toBe(200);
  }
  expect(logs.get("north")?.root).not.toBe(logs.get("default")?.root);
  // The header decides; a path that names another ledger is not answered from this one.
  expect((await call("GET", "/log/default/checkpoint", "north")).status).toBe(404);
  expect((await call("GET", "/log/north/checkpoint", "default")).status).toBe(404);
  expect((await fetch(`${server.url}/log/nowhere/checkpoint`)).status).toBe(404);
});

test("the settings name the logs, and the witnesses that they take cosignatures of", async () => {
  const witness = witnessKey("witness.example/w", 3);
  const LOG_WITNESSES = formatVerifierKey(witness.key);
  const again = await world.start({ settings: { LOG_ORIGIN: "books.example.com/log", LOG_WITNESSES } });
  try {
    const ask = caller(again.url);
    const { body } = await ask("GET", "/api/v1/log", "north");
    // What was signed before keeps its name; the key is that of the other server on this folder.
    expect(body).toMatchObject({ origin: "books.example.com/log/north", witnesses: [LOG_WITNESSES] });
    expect(body.checkpoint.note.split("\n")[0]).toBe("localhost/log/north");
    const before = (await call("GET", "/api/v1/log", "north")).body;
    expect(parseVerifierKey(body.verifier_key).publicKey).toEqual(
      parseVerifierKey(before.verifier_key).publicKey,
    );
    const path = `/api/v1/log/checkpoints/${body.checkpoint.size}/cosignatures`;
    const cosignature = witness.line(body.checkpoint.note, 1_700_000_000);
    expect((await call("POST", path, "north", { cosignature })).status).toBe(403);
    expect((await ask("POST", path, "north", { cosignature })).status).toBe(200);
    const { body: seen } = await call("GET", "/api/v1/log", "north");
    expect(seen.checkpoint.cosignatures).toMatchObject([{ name: "witness.example/w" }]);
  } finally {
    await again.stop();
  }
});

test("figures carry the ledger's name, and readiness tells of every ledger", async () => {
  const { text } = await call("GET", "/metrics", null);
  expect(text).toMatch(/anchorbook_writer_batch_units_count\{ledger="north"\} [1-9]/);
  expect(text).toMatch(/anchorbook_writer_batch_units_count [1-9]/);
  expect(text.match(/# HELP anchorbook_writer_batch_units /g)).toHaveLength(1);
  expect((await call("GET", "/readyz", null)).body.checks["ledger north"].status).toBe("ok");
  expect((await call("GET", "/readyz", "north")).body.checks.database.status).toBe("ok");
});

test("a server that starts opens every ledger of the list", async () => {
  const again = await world.start();
  try {
    const names = (await registeredLedgers(world.database.appUrl)).map(({ name }) => name);
    expect(names).toContain("north");
    for (const name of names) expect((await caller(again.url)("GET", "/livez", name)).status).toBe(200);
  } finally {
    await again.stop();
  }
});

test("a ledger whose registry is deployed while the server runs settles from then on, and serves all the while", async () => {
  await make("late");
  const again = await world.start({ embeddedChain: false });
  try {
    await again.application.start();
    const ask = caller(again.url);
    expect((await ask("GET", "/api/v1/settlement/contracts", "late")).status).toBe(404);
    const chain = await connectChain({ rpcUrl: world.anvil.rpcUrl, privateKey: world.anvil.privateKeys[0] });
    const record = await deployAnchor(chain, { windowSeconds: 0, attesters: [] });
    chain.close();
    const file = join(world.folder, "ledgers", "late", "contracts.json");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(record));
    await expect
      .poll(
        async () => {
          expect((await ask("GET", "/livez", "late")).status).toBe(200);
          return (await ask("GET", "/api/v1/settlement/contracts", "late")).body.registry;
        },
        { timeout: 20_000 },
      )
      .toBe(record.registry);
    const [from, to] = [randomUUID(), randomUUID()];
    await ask("POST", "/api/v1/ledger/assets", "late", {
      ...{ code: "EUR", scale: 2, transferable: true, mintable: true },
    });
    const accounts = [from, to].map((id) => ({ id, asset: "EUR" }));
    await ask("POST", "/api/v1/ledger/accounts", "late", { accounts });
    const transfers = [{ id: randomUUID(), debit_account: from, credit_account: to, amount: "1.50" }];
    const written = await ask("POST", "/api/v1/ledger/transfers", "late", { transfers });
    expect(written.body.results).toMatchObject([{ code: "ok" }]);
    // As an operator types it, and an auditor.
    const env = { JWT_SECRET: TEST_JWT_SECRET, ANCHORBOOK_API: again.url };
    for (const command of [["settle"], ["audit", "--rpc", world.anvil.rpcUrl]]) {
      const said: string[] = [];
      const into = { write: (text: string | Uint8Array) => said.push(String(text)) > 0 };
      const args = [...command, "--ledger", "late", "--json"];
      expect(await runCli(args, { stdout: into, stderr: into, env }), said.join("")).toBe(0);
      const { epoch, epochs } = JSON.parse(said.join(""));
      expect(epoch ?? epochs).toBe(1);
    }
  } finally {
    await again.stop();
  }
});

test("no statement names a schema: a ledger cannot reach into another", async () => {
  const { globSync, readFileSync } = await import("node:fs");
  const files = globSync(["src/**/*.sql", "migrations/17*.sql"]);
  expect(files.length).toBeGreaterThan(50);
  const naming = files.filter((file) =>
    /\b(?:FROM|JOIN|INTO|UPDATE|REFERENCES|TABLE)\s+(?!pg_catalog\.|new\.|old\.)[a-z_]+\.[a-z_]+/i.test(
      readFileSync(file, "utf8").replace(/--.*$|extract\(epoch FROM|DISTINCT FROM/gim, ""),
    ),
  );
  expect(naming).toEqual([]);
});

test("a schema that was renamed, or is a copy of a ledger that is there, is not attached", async () => {
  const { ownerUrl, appUrl } = world.database;
  const owner = createClient({ url: ownerUrl, schema: "public", applicationName: "test" });
  await owner.connect();
  const attach = (name: string) => createLedger({ name, ownerUrl, appUrl, attach: true }, silentLog());
  try {
    await make("original");
    await detachLedger(ownerUrl, "original");
    await owner.query("ALTER SCHEMA ledger_original RENAME TO ledger_renamed");
    await make("original");
    // Its functions keep the search_path that they were made with: they would move balances in the other one.
    await expect(attach("renamed")).rejects.toThrow(/was made as another schema/);
    await owner.query("ALTER SCHEMA ledger_renamed RENAME TO ledger_put_aside");

    await make("copy");
    await detachLedger(ownerUrl, "copy");
    const before = await owner.query("SELECT id FROM ledger_copy.ledger_identity");
    await owner.query(
      "UPDATE ledger_copy.ledger_identity SET id = (SELECT id FROM ledger_original.ledger_identity)",
    );
    await expect(attach("copy")).rejects.toThrow(/is a copy of the ledger original/);
    await owner.query("UPDATE ledger_copy.ledger_identity SET id = $1", [before.rows[0]?.id]);
    expect((await attach("copy")).state).toBe("open");
    const listed = (await registeredLedgers(ownerUrl)).map(({ name }) => name);
    expect(listed).toEqual(expect.arrayContaining(["original", "copy"]));
    expect(listed).not.toContain("renamed");
  } finally {
    await owner.end();
  }
});
