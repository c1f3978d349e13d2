/** What commands say of a server that takes a question and never answers, or stops in the middle of its answer. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { settlementRoutes } from "#api";
import { createApiClient } from "../../src/cli/api-client.ts";
import { workSeconds } from "../../src/cli/ask-server.ts";
import { cliWith, createAuditWorld } from "../settlement/audit-world.ts";
import { createWorld, type World } from "../settlement/world.ts";
import { startApi } from "../support/api-app.ts";
import { startLyingApi } from "../support/lying-proxy.ts";
import { bearer } from "../support/tokens.ts";

const folder = mkdtempSync(join(tmpdir(), "anchorbook-silent-"));
const key = join(folder, "key");
const servers: Server[] = [];
let world: World;
/** Takes every question. */
let silent: string;
let questions = 0;
/** Begins each answer. */
let stalling: string;

beforeAll(async () => {
  writeFileSync(key, `0x${"5a".repeat(32)}`);
  const journal = "trans_id;account_id;date;type;operation;amount;balance\n1;1;930101;PRIJEM;VKLAD;7.0;7.0\n";
  writeFileSync(join(folder, "bank.csv"), journal);
  silent = await serve(createServer(() => void questions++));
  stalling = await serve(
    createServer((_, response) => response.writeHead(200, { "content-length": "100" }).write('{"registry":')),
  );
  world = await createWorld();
});
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function serve(server: Server): Promise<string> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const waiting = (seconds: number, ...args: string[]) =>
  cliWith(
    {
      ANCHORBOOK_TIMEOUT_SECONDS: `${seconds}`,
      ANCHORBOOK_TOKEN: bearer("user_a").slice("Bearer ".length),
    },
    ...args,
  );
/** As somebody who waits a second: none of these servers ever answers. */
const called = (...args: string[]) => waiting(1, ...args);

const says = (server: string, seconds: number) =>
  `the server at ${server} gave no answer in ${seconds} s. Look whether it is well (its log, ${server}/readyz), name another by --api or ANCHORBOOK_API, or wait longer: ANCHORBOOK_TIMEOUT_SECONDS\n`;

/** What is said where it may have been done. */
const hints: Readonly<Record<string, string>> = {
  "settle --release":
    "It may have been released all the same: the same command says that nothing was vetoed then\n",
  settle: "It may settle all the same: anchorbook settle says so, and waits for it\n",
  "ledger create":
    "It may have been made all the same: anchorbook ledger list shows it then, and the same command goes on with it\n",
};

it("is told with its name and how long it was waited for, by every command that asks one, and asked once", async () => {
  const rpc = ["--rpc", world.anvil.rpcUrl];
  const book = [...rpc, "--registry", world.record.registry];
  // Whether the key is an attester's is asked first, where there is a registry.
  const nowhere = [...rpc, "--registry", `0x${"12".repeat(20)}`];
  const bank = join(folder, "bank.csv");
  const commands: readonly (readonly [seconds: number, ...command: string[]])[] = [
    [5, "settle", "--release"],
    [5, "settle"],
    [1, "proof", "locks", "x"],
    [1, "import", bank],
    [1, "reconcile", bank],
    [1, "ledger", "list"],
    [5, "ledger", "create", "north"],
    [1, "log", "checkpoint"],
    [1, "audit"],
    [1, "audit", ...book],
    [1, "attest", ...nowhere, "--key-file", key, "--state", join(folder, "state")],
    [1, "exit", ...book, "--key-file", key],
    [1, "claim"],
    [1, "withdraw", "1"],
  ];
  await Promise.all(
    commands.flatMap(([seconds, ...command]) =>
      [silent, stalling].map(async (server) => {
        const own = command[0] === "attest" && server === stalling ? ["--state", `${folder}/other`] : [];
        const { code, out, err } = await called(...command, ...own, "--api", server);
        expect([command, code, out]).toEqual([command, 1, ""]);
        expect(err).toContain(
          `anchorbook ${command[0]}: ${says(server, seconds)}${hints[command.slice(0, 2).join(" ")] ?? ""}`,
        );
      }),
    ),
  );
  // Once each: a busy machine may end one before it has sent anything.
  expect(questions).toBeGreaterThan(0);
  expect(questions).toBeLessThanOrEqual(commands.length);
});

it("withdraws nothing without saying that it may have been done", async () => {
  let asked = 0;
  const server = await serve(
    createServer((request, response) => {
      if (request.method === "POST") asked++;
      else response.end(JSON.stringify({ wallet: `0x${"12".repeat(20)}` }));
    }),
  );
  const { code, err } = await waiting(5, "withdraw", "1", "--key", "mine", "--api", server);
  expect([code, asked]).toEqual([1, 1]);
  expect(err).toContain(says(server, 5));
  expect(err).toContain("It may have been withdrawn all the same: the same command with --key mine says so");
});

it("is no copy of published files, and is asked for none of the others", async () => {
  await world.grant("user_a", 1n);
  await world.settlement.run();
  const { address } = world.chain.signer ?? { address: "" };
  const book = ["--rpc", world.anvil.rpcUrl, "--registry", world.record.registry, "--wallet", address];
  for (const server of [silent, stalling]) {
    const { code, err } = await called("exit", ...book, "--data", server);
    expect(code).toBe(1);
    expect(err).toContain(`cannot be read (no answer in 1 s) in ${server}`);
  }
});

it("is told of as well by what stands before it and waited no longer", async () => {
  const gateway = await serve(
    createServer((_, response) => setTimeout(() => response.writeHead(504).end("<html>"), 1_100)),
  );
  for (const [command, hint] of Object.entries(hints)) {
    const name = command === "ledger create" ? ["north"] : [];
    const { code, err } = await called(...command.split(" "), ...name, "--api", gateway);
    expect([command, code]).toEqual([command, 1]);
    expect(err).toContain(`http_504: Gateway Timeout\n${hint}`);
  }
});

it("is waited for as long as a server that is well may take to settle", () => {
  const { settlement, ledger } = world;
  const routes = settlementRoutes({
    ...{ settlement, ledger, publicRpcUrl: null, findPosition: async () => null },
  });
  for (const path of ["/settlement/run", "/settlement/release"]) {
    const route = routes.find(({ paths }) => paths.some((one) => one.endsWith(path)));
    expect(route?.timeoutMs).toBeGreaterThan(120_000);
    expect(route?.timeoutMs).toBeLessThan(workSeconds(60) * 1_000);
  }
  // What `fetch` waits for an answer by itself.
  expect(workSeconds(300)).toBe(300);
});

it("is asked once more where it has answered before and falls silent on a read, and only then", async () => {
  const asked: string[] = [];
  let hanging = 0;
  const server = await serve(
    createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (hanging-- <= 0) response.end("{}");
    }),
  );
  const client = createApiClient(server, { token: null, answerSeconds: 3 });
  const silentError = { code: "silent", message: expect.stringContaining("gave no answer in 3 s") };
  const times = async (hangs: number, ask: () => Promise<unknown>) => {
    [hanging, asked.length] = [hangs, 0];
    const answer = await ask().catch((error: unknown) => error);
    return { answer, asked: asked.length };
  };
  const get = () => client.get("/one");
  expect(await times(1, get)).toEqual({ answer: expect.objectContaining(silentError), asked: 1 });
  expect(await times(0, get)).toEqual({ answer: {}, asked: 1 });
  expect(await times(1, get)).toEqual({ answer: {}, asked: 2 });
  expect(await times(2, get)).toEqual({ answer: expect.objectContaining(silentError), asked: 2 });
  const post = () => client.post("/one", {});
  expect(await times(1, post)).toEqual({ answer: expect.objectContaining(silentError), asked: 1 });
});

it("is asked no more where it refused only after as long as an answer is waited for", async () => {
  let [asked, afterMs] = [0, 0];
  const server = await serve(
    createServer((_, response) => {
      if (++asked === 4) return response.end("{}");
      response.writeHead(503, { "retry-after": "1" });
      setTimeout(() => response.end('{"error":"unavailable","message":"This took too long"}'), afterMs);
    }),
  );
  const client = (answerSeconds: number) => createApiClient(server, { token: null, answerSeconds });
  const refusal = { code: "unavailable", message: "unavailable: This took too long" };
  afterMs = 2_500;
  await expect(client(2).postWork("/work", {})).rejects.toMatchObject(refusal);
  expect(asked).toBe(1);
  // What is refused at once may be over in a moment.
  afterMs = 0;
  expect(await client(60).postWork("/work", {})).toEqual({});
});

it("does not end an audit by one silence, at the beginning of an answer or on its way", async () => {
  const audited = await createAuditWorld();
  let hanging = "";
  const proxy = await startLyingApi(audited.api.url, (path, body) => {
    if (hanging === "" || !path.includes(hanging)) return body;
    hanging = "";
    return {
      status: 200,
      body: path.includes("/journal") ? body.slice(0, body.indexOf("\n") + 1) : "",
      hang: true,
    };
  });
  try {
    await audited.grant("user_a", 1n);
    await audited.settlement.run();
    for (const path of ["/leaves?section=locks", "/audit/journal"]) {
      hanging = path;
      const args = ["audit", "--api", proxy.url, "--rpc", audited.anvil.rpcUrl];
      const { code, out, err } = await waiting(5, ...args);
      expect({ path, code, err, left: hanging }).toEqual({
        path,
        code: 0,
        err: expect.any(String),
        left: "",
      });
      expect(out).toContain("\nvalid: 1 epoch, ");
    }
  } finally {
    await proxy.close();
    await audited.close();
  }
});

it("says why the server did not wait for the end, and not that what it began goes on", async () => {
  const { settlement, ledger, pool } = world;
  const routes = settlementRoutes({
    ...{ settlement, ledger, publicRpcUrl: null, findPosition: async () => null },
  });
  const api = await startApi(routes.map((route) => ({ ...route, timeoutMs: 500 })));
  const other = await pool.connect();
  // Another instance is settling.
  const lock = "hashtextextended(current_schema() || '.settlement.1', 0)";
  await other.query(`SELECT pg_advisory_lock(${lock})`);
  const token = bearer("op", "operator").slice("Bearer ".length);
  const settling = cliWith({ ANCHORBOOK_TOKEN: token }, "settle", "--api", api.url);
  const { code, err } = await settling.finally(async () => {
    await other.query(`SELECT pg_advisory_unlock(${lock})`);
    other.release();
    await settlement.idle();
    await api.close();
  });
  expect({ code, err }).toEqual({
    code: 1,
    err: "anchorbook settle: unavailable: This took too long; what it began may go on\n",
  });
});

it("is told from what is no Anchorbook server, at once", async () => {
  const page = await serve(createServer((_, response) => response.end("<html>")));
  const missing = await serve(createServer((_, response) => response.writeHead(404).end("<html>")));
  const none = createTcpServer((socket) => socket.on("error", () => {}).end("-ERR unknown command\r\n"));
  none.listen(0, "127.0.0.1");
  await once(none, "listening");
  const database = `http://127.0.0.1:${(none.address() as AddressInfo).port}`;
  for (const server of [page, missing, database, world.anvil.rpcUrl])
    for (const command of [["settle"], ["proof", "locks", "x"], ["log", "checkpoint"], ["audit"]]) {
      const { code, err } = await waiting(60, ...command, "--api", server);
      expect([command, code]).toEqual([command, 1]);
      expect(err).toContain(server);
      expect(err).toMatch(/does not look like an Anchorbook server|and not as an Anchorbook server does/);
      expect(err).not.toContain("still waiting");
    }
  none.close();
});
