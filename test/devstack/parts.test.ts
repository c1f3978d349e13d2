/** The parts of the embedded stack alone: what survives a restart, a kill, a half-finished start. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, describe, expect, it, vi } from "vitest";
import { startAnvil, startPostgres } from "#devstack";
import { createClient, silentLog } from "#infra";
import { processesWith, untilNothingRuns } from "../support/server-process.ts";

const root = mkdtempSync(join(tmpdir(), "anchorbook-devstack-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const log = silentLog();

async function query(url: string, text: string) {
  const client = createClient({ url, applicationName: "parts.test" });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

describe("embedded Postgres", () => {
  it("keeps its data, its port and its passwords over a restart, and leaves no process", async () => {
    const folder = join(root, "kept");
    const first = await startPostgres({ folder, log });
    await query(first.ownerUrl, "CREATE TABLE kept AS SELECT 7 AS seven");
    await first.stop();
    await untilNothingRuns(folder);
    const second = await startPostgres({ folder, log });
    expect(second.ownerUrl).toBe(first.ownerUrl);
    expect(await query(second.ownerUrl, "SELECT seven FROM kept")).toEqual([{ seven: 7 }]);
    await second.stop();
    await second.stop();
    await untilNothingRuns(folder);
  });

  it("shows its passwords to nobody else, and its port to this machine alone", async () => {
    const folder = join(root, "private");
    const postgres = await startPostgres({ folder, log, durable: false });
    expect(statSync(join(folder, "secrets.json")).mode & 0o777).toBe(0o600);
    expect(processesWith(folder).map(({ command }) => command)).not.toContainEqual(
      expect.stringContaining(new URL(postgres.appUrl).password),
    );
    const wrong = Object.assign(new URL(postgres.appUrl), { password: "guess" }).toString();
    await expect(query(wrong, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
    expect(await query(postgres.url("admin", "postgres"), "SHOW listen_addresses")).toEqual([
      { listen_addresses: "127.0.0.1" },
    ]);
    await postgres.stop();
  });

  it("makes a cluster whose first start was cut off once more", async () => {
    const folder = join(root, "half");
    mkdirSync(join(`${folder}.partial`, "data"), { recursive: true });
    writeFileSync(join(`${folder}.partial`, "data", "PG_VERSION"), "18\n");
    const postgres = await startPostgres({ folder, log, durable: false });
    expect(await query(postgres.appUrl, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await postgres.stop();
    expect(existsSync(`${folder}.partial`)).toBe(false);
  });

  it("does not touch a database whose passwords are gone", async () => {
    const folder = join(root, "lost");
    const postgres = await startPostgres({ folder, log, durable: false });
    await postgres.stop();
    rmSync(join(folder, "secrets.json"));
    await expect(startPostgres({ folder, log })).rejects.toThrow("secrets.json is gone");
    expect(readdirSync(folder)).toContain("data");
  });

  it("starts where a stale pid file names a process of somebody else", async () => {
    const folder = join(root, "stale");
    const first = await startPostgres({ folder, log, durable: false });
    const pidFile = readFileSync(join(folder, "data", "postmaster.pid"), "utf8");
    await first.stop();
    writeFileSync(join(folder, "data", "postmaster.pid"), pidFile.replace(/^\d+/, String(process.pid)));
    const second = await startPostgres({ folder, log, durable: false });
    await second.stop();
  });

  it("moves to another port where its own was taken meanwhile", async () => {
    const folder = join(root, "moved");
    const first = await startPostgres({ folder, log, durable: false });
    await first.stop();
    const { createServer } = await import("node:net");
    const squatter = createServer().listen(first.port, "127.0.0.1");
    await once(squatter, "listening");
    const second = await startPostgres({ folder, log, durable: false });
    expect(second.port).not.toBe(first.port);
    expect(await query(second.appUrl, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await second.stop();
    squatter.close();
  });

  it("says what the server said where it cannot start, and leaves nothing", async () => {
    const folder = join(root, "refusing");
    const settings = { shared_buffers: "nonsense" };
    await expect(startPostgres({ folder, log, durable: false, settings })).rejects.toThrow("shared_buffers");
    await untilNothingRuns(folder);
  });

  it("ends when the process that started it is killed with -9, and comes back with every commit", async () => {
    const folder = join(root, "orphan");
    const script = `
      const { startPostgres } = await import("#devstack");
      const { silentLog } = await import("#infra");
      const postgres = await startPostgres({ folder: ${JSON.stringify(folder)}, log: silentLog() });
      console.log(JSON.stringify({ url: postgres.ownerUrl, pid: postgres.pid }));
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(createInterface({ input: parent.stdout }), "line");
    const { url } = JSON.parse(String(line));
    await query(url, "CREATE TABLE survived AS SELECT 1 AS one");
    parent.kill("SIGKILL");
    await untilNothingRuns(folder);
    const again = await startPostgres({ folder, log });
    expect(await query(again.ownerUrl, "SELECT one FROM survived")).toEqual([{ one: 1 }]);
    await again.stop();
  });
});

describe("the embedded chain", () => {
  const rpc = async (url: string, method: string, params: unknown[] = []) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    return ((await response.json()) as { result?: unknown }).result;
  };
  const ADDRESS = "0x00000000000000000000000000000000000000aa";

  it("keeps its state over a clean stop", async () => {
    const folder = join(root, "chain");
    const first = await startAnvil({ folder, log });
    await rpc(first.rpcUrl, "anvil_setBalance", [ADDRESS, "0x7"]);
    await rpc(first.rpcUrl, "evm_mine");
    await first.stop();
    const second = await startAnvil({ folder, log });
    expect(second.rpcUrl).toBe(first.rpcUrl);
    expect(await rpc(second.rpcUrl, "eth_getBalance", [ADDRESS, "latest"])).toBe("0x7");
    expect(Number(await rpc(second.rpcUrl, "eth_blockNumber"))).toBeGreaterThan(0);
    await second.stop();
    await untilNothingRuns(folder);
  });

  it("keeps what it wrote when it is killed with -9", async () => {
    const folder = join(root, "killed-chain");
    const first = await startAnvil({ folder, log });
    await rpc(first.rpcUrl, "anvil_setBalance", [ADDRESS, "0x9"]);
    await rpc(first.rpcUrl, "evm_mine");
    await vi.waitFor(
      () => expect(readFileSync(join(folder, "state.json"), "utf8")).toMatch(/0{38}aa"[^}]*"balance":"0x9"/),
      { timeout: 10_000 },
    );
    process.kill(first.pid, "SIGKILL");
    await first.exited;
    // Nor the guard: it would send its signal to whoever has that process id by the time that this one ends.
    await untilNothingRuns(folder);
    const second = await startAnvil({ folder, log });
    expect(await rpc(second.rpcUrl, "eth_getBalance", [ADDRESS, "latest"])).toBe("0x9");
    await second.stop();
  });

  it("goes back to the last complete copy where the state file was cut off, and to a new chain without one", async () => {
    const folder = join(root, "torn-chain");
    const state = join(folder, "state.json");
    const first = await startAnvil({ folder, log });
    await rpc(first.rpcUrl, "anvil_setBalance", [ADDRESS, "0x5"]);
    await rpc(first.rpcUrl, "evm_mine");
    await first.stop();
    const complete = readFileSync(state);
    writeFileSync(`${state}.bak`, complete);
    writeFileSync(state, complete.subarray(0, complete.length / 2));
    const second = await startAnvil({ folder, log });
    expect(await rpc(second.rpcUrl, "eth_getBalance", [ADDRESS, "latest"])).toBe("0x5");
    await second.stop();
    for (const file of [state, `${state}.bak`]) writeFileSync(file, "{");
    const third = await startAnvil({ folder, log });
    expect(await rpc(third.rpcUrl, "eth_getBalance", [ADDRESS, "latest"])).toBe("0x0");
    await third.stop();
  });
});
