/** The whole server as a person runs it: started, stopped, killed, started twice. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  partOf,
  type ServerProcess,
  startServer,
  untilNothingRuns,
  unusedPort,
} from "../support/server-process.ts";

const START_MS = 120_000;

let dataDir: string;
let port: number;
let servers: ServerProcess[];
/** The data of a server that was started and stopped; a first start is most of what a test of something else takes. */
let oldData: string | undefined;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "anchorbook-server-"));
  port = await unusedPort();
  servers = [];
});
afterEach(async () => {
  for (const server of servers) server.process.kill("SIGTERM");
  await Promise.all(servers.map((server) => server.exited));
  await untilNothingRuns(dataDir);
  rmSync(dataDir, { recursive: true, force: true });
});

afterAll(() => {
  if (oldData !== undefined) rmSync(oldData, { recursive: true });
});

function keepData(): void {
  oldData = mkdtempSync(join(tmpdir(), "anchorbook-server-old-"));
  copy(dataDir, oldData);
}

/** With the permissions, which Postgres looks at. */
function copy(from: string, to: string): void {
  execFileSync("cp", ["-a", `${from}/.`, to]);
}

/** `dataDir` as a server left it. */
async function onOldData(): Promise<void> {
  if (oldData !== undefined) return copy(oldData, dataDir);
  const first = start();
  await first.ready;
  first.process.kill("SIGTERM");
  await first.exited;
  keepData();
}

function start(
  options: {
    npm?: boolean;
    args?: string[];
    dataDir?: string;
    port?: number;
    env?: Record<string, string>;
  } = {},
) {
  const server = startServer({ dataDir, port, ...options });
  servers.push(server);
  return server;
}

async function isReady(url: string): Promise<boolean> {
  return (await fetch(`${url}/readyz`)).ok;
}

describe("npm start", { timeout: 2 * START_MS }, () => {
  it("says what runs where, gets ready, stops on SIGTERM to npm with nothing left, and continues on the same data", async () => {
    const first = start({ npm: true });
    const url = await first.ready;
    expect(url).toBe(`http://127.0.0.1:${port}`);
    expect(first.output()).toMatch(/^Anchorbook \S+ \(development\): API on 127\.0\.0\.1:\d+, data in /m);
    expect(await isReady(url)).toBe(true);
    first.process.kill("SIGTERM");
    expect(await first.exited).toBe(0);
    await untilNothingRuns(dataDir);
    keepData();

    const second = start({ npm: true });
    await second.ready;
    expect(second.output()).not.toContain("deploying the contracts");
    expect(second.output()).not.toContain("making the database cluster");
  });

  it("leaves nothing when npm itself is killed with -9", async () => {
    await onOldData();
    const server = start({ npm: true });
    await server.ready;
    server.process.kill("SIGKILL");
    await untilNothingRuns(dataDir);
  });
});

describe("the server", { timeout: 2 * START_MS }, () => {
  it("takes no arguments, and says where settings are", async () => {
    const wrong = start({ args: ["--port", "3001"] });
    expect(await wrong.exited).toBe(2);
    expect(wrong.output()).toMatch(/takes no arguments, and was given --port 3001\n(.*\n)+.*PORT=3001/);
    const help = start({ args: ["--help"] });
    expect(await help.exited).toBe(0);
    expect(help.output()).toMatch(/^Usage: npm start\n/);
    expect(existsSync(join(dataDir, "contracts.json"))).toBe(false);
  });

  it("leaves nothing when it is killed with -9, and starts again on the same data", async () => {
    await onOldData();
    const first = start();
    await first.ready;
    first.process.kill("SIGKILL");
    await first.exited;
    const second = start();
    expect(await isReady(await second.ready)).toBe(true);
    expect(second.output()).not.toContain("making the database cluster");
  });

  it("stops at once and cleanly when it is told to in the middle of its first start, and recovers from a kill there", async () => {
    const told = start();
    await vi.waitFor(() => expect(told.output()).toContain("making the database cluster"), {
      timeout: START_MS,
    });
    told.process.kill("SIGTERM");
    expect(await told.exited).toBe(0);
    expect(told.output()).not.toContain("anchorbook ready");
    await untilNothingRuns(dataDir);

    const killed = start();
    await vi.waitFor(() => expect(killed.output()).toContain("running on"), { timeout: START_MS });
    killed.process.kill("SIGKILL");
    await killed.exited;
    expect(await isReady(await start().ready)).toBe(true);
  });

  it("refuses a data folder and a port that another one uses, and the first goes on", async () => {
    await onOldData();
    const first = start();
    const url = await first.ready;
    const sameFolder = start({ port: await unusedPort() });
    expect(await sameFolder.exited).toBe(1);
    expect(sameFolder.output()).toContain(`in use by another Anchorbook (process ${first.pid})`);

    const otherFolder = mkdtempSync(join(tmpdir(), "anchorbook-server-other-"));
    const samePort = start({ dataDir: otherFolder });
    expect(await samePort.exited).toBe(1);
    expect(samePort.output()).toContain(`127.0.0.1:${port} cannot be used (EADDRINUSE)`);
    await untilNothingRuns(otherFolder);
    rmSync(otherFolder, { recursive: true });
    expect(await isReady(url)).toBe(true);
  });

  it("says once, and without a stack, that its data folder cannot be made", async () => {
    const server = start({ dataDir: "/proc/anchorbook" });
    expect(await server.exited).toBe(1);
    expect(server.output()).toMatch(
      /^Anchorbook .*\nanchorbook did not start: no folder can be made at \/proc\/anchorbook: [^\n]*; name another folder\n$/,
    );
  });

  it("stops what it had started when a later part does not start", async () => {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(join(dataDir, "chain"), "not a folder");
    const server = start({ env: { NODE_ENV: "production", JWT_SECRET: "of-this-test-alone-".repeat(2) } });
    expect(await server.exited).toBe(1);
    expect(server.output().match(/anchorbook did not start/g)).toHaveLength(1);
    await untilNothingRuns(dataDir);
  });

  it("refuses settings that cannot be used before it starts anything", async () => {
    const server = start({ env: { SETTLE_CRON: "sometimes" } });
    expect(await server.exited).toBe(1);
    expect(server.output()).toContain("SETTLE_CRON must be a cron expression");
    expect(server.output()).not.toContain("running on");
  });

  it("starts its database and its chain again when they are killed, on the same addresses", async () => {
    await onOldData();
    const server = start();
    const url = await server.ready;
    process.kill(partOf(dataDir, /\/bin\/anvil/), "SIGKILL");
    process.kill(partOf(dataDir, /\/bin\/postgres/), "SIGKILL");
    await vi.waitFor(
      async () => {
        expect(server.output()).toContain("Postgres is back");
        expect(server.output()).toContain("the chain is back");
        expect(await isReady(url)).toBe(true);
      },
      { timeout: 60_000 },
    );
  });

  it("does not take a port in use for its own, whoever uses it", async () => {
    const squatter = createServer().listen(port, "127.0.0.1");
    const server = start();
    expect(await server.exited).toBe(1);
    expect(server.output()).toContain("EADDRINUSE");
    squatter.close();
  });
});
