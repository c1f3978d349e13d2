/** An auditor that keeps what it checked: it reads only what is new, and believes no state that is not its own. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deployContracts, lockFolder } from "#infra";
import { type HeaderJson, headerHash, parseHeader } from "#proof";
import { type LyingProxy, startLyingApi, startLyingNode } from "../support/lying-proxy.ts";
import { type AuditWorld, cli, createAuditWorld } from "./audit-world.ts";
import { TST } from "./world.ts";

let world: AuditWorld;
const proxies: LyingProxy[] = [];

beforeAll(async () => {
  world = await createAuditWorld();
  for (const user of ["a", "b"]) await world.grant(`user_${user}`, 100n * TST);
  await world.settlement.run();
});
afterAll(async () => {
  for (const proxy of proxies) await proxy.close();
  await world?.close();
});

async function watched(): Promise<LyingProxy> {
  const proxy = await startLyingApi(world.api.url, (_, body) => body);
  proxies.push(proxy);
  return proxy;
}

const linesAsked = ({ asked }: LyingProxy) =>
  asked.filter((path) => path.startsWith("/api/v1/audit/journal"));
const lastOf = <T>(items: readonly T[]): T | undefined => items.at(-1);

describe("an audit with --state", () => {
  it("reads only what is new, and says all of it", async () => {
    const state = world.freshFolder();
    const proxy = await watched();
    const first = await world.audit("--api", proxy.url, "--state", state);
    expect(first).toMatchObject({ code: 0, valid: true });
    const journalOf = ({ checks }: typeof first) => checks.find(({ name }) => name === "journal")?.detail;
    expect(journalOf(first)).toMatch(new RegExp(`^${first.lines} lines, replayed from zero;`));
    expect(linesAsked(proxy)).toEqual([`/api/v1/audit/journal?from=0&limit=${first.lines}`]);
    await world.lock("user_a", "agreement-state", 30n * TST);
    await world.settlement.run();
    proxy.asked.length = 0;
    const second = await world.audit("--api", proxy.url, "--state", state);
    expect(second).toMatchObject({ code: 0, valid: true, epochs: first.epochs + 1 });
    const fresh = second.lines - first.lines;
    expect(journalOf(second)).toMatch(new RegExp(`^${second.lines} lines, ${fresh} of them replayed now;`));
    expect(linesAsked(proxy)).toEqual([
      `/api/v1/audit/journal?from=${first.lines}&limit=${second.lines - first.lines}`,
    ]);
    const detailOf = ({ checks }: typeof first, wanted: string) =>
      checks.find(({ name }) => name === wanted)?.detail;
    expect(detailOf(first, "roots")).toMatch(/ epochs? recomputed$/);
    expect(detailOf(first, "api_epochs")).toMatch(/^the API serves the chain's \d+ headers?$/);
    expect(detailOf(second, "roots")).toMatch(/ epochs recomputed, 1 of them now$/);
    proxy.asked.length = 0;
    const third = await world.audit("--api", proxy.url, "--state", state);
    expect(third).toMatchObject({ code: 0, valid: true, epochs: second.epochs, lines: second.lines });
    expect(journalOf(third)).toMatch(new RegExp(`^${second.lines} lines, 0 of them replayed now;`));
    for (const check of ["roots", "leaves"]) expect(detailOf(third, check)).toMatch(/, 0 of them now$/);
    expect(detailOf(third, "api_epochs")).toBe(
      `the API serves the chain's 1 header from epoch ${third.epochs} on; those before were compared by an earlier run`,
    );
    expect(linesAsked(proxy)).toEqual([]);
    expect(readdirSync(state).sort()).toEqual(["audit-state", "folder.lock"]);
  });

  it("refuses a state that is damaged, of another book, or in use", async () => {
    const state = world.freshFolder();
    await world.audit("--state", state);
    const path = join(state, "audit-state");
    const whole = readFileSync(path);
    const other = await deployContracts(world.chain, { windowSeconds: 0, attesters: [] });
    const foreign = await world.audit("--state", state, "--registry", other.registry);
    expect(lastOf(foreign.checks)).toMatchObject({ name: "readable", ok: false });
    expect(lastOf(foreign.checks)?.detail).toMatch(/is of registry .*use another --state folder/);

    const lock = lockFolder(state);
    expect(lastOf((await world.audit("--state", state)).checks)?.detail).toContain(
      `in use by another Anchorbook (process ${process.pid})`,
    );
    lock.release();
    expect((await world.audit("--state", state)).code).toBe(0);

    const damaged = Buffer.from(whole);
    damaged[whole.length - 40] = (damaged[whole.length - 40] as number) ^ 1;
    writeFileSync(path, damaged);
    const found = await world.audit("--state", state);
    expect(found.code).toBe(1);
    expect(lastOf(found.checks)?.detail).toMatch(/is damaged: .* audit from the beginning/);
  });

  it("finds an epoch that is another one than when it was audited", async () => {
    const state = world.freshFolder();
    const { epochs } = await world.audit("--state", state);
    // A node that shows another commit at the epoch that was final.
    const node = await startLyingNode(world.anvil.rpcUrl, (method, _, result) => {
      if (method !== "eth_getLogs") return result;
      return (result as { data: string }[]).map((log) =>
        log.data.length > 1_000 ? { ...log, data: `${log.data.slice(0, -2)}77` } : log,
      );
    });
    proxies.push(node);
    const found = await world.audit("--state", state, "--rpc", node.url);
    expect(found).toMatchObject({ code: 1, valid: false });
    expect(lastOf(found.checks)).toMatchObject({ name: "header_chain", epoch: epochs });
  });

  it("goes on where the connection was cut", async () => {
    let cuts = 0;
    const proxy = await startLyingApi(world.api.url, (path, body) => {
      if (path.startsWith("/api/v1/audit/journal") && cuts++ < 2) throw new Error("cut");
      return body;
    });
    proxies.push(proxy);
    expect(await world.audit("--api", proxy.url)).toMatchObject({ code: 0, valid: true });
    expect(cuts).toBeGreaterThan(2);
  });
});

describe("an audit over one node", () => {
  const leavingOut = async (isLeftOut: (question: number) => boolean) => {
    let questions = 0;
    const node = await startLyingNode(world.anvil.rpcUrl, (method, _, result) =>
      method === "eth_getLogs" && (result as unknown[]).length > 0 && isLeftOut(++questions)
        ? (result as unknown[]).slice(0, -1)
        : result,
    );
    proxies.push(node);
    return world.audit("--rpc", node.url);
  };

  it("calls nobody a liar for an event that it leaves out once", async () => {
    for (const which of [1, 2, 3])
      expect(await leavingOut((question) => question === which)).toMatchObject({ code: 0, valid: true });
  });

  it("can say nothing where it answers as it likes", async () => {
    const found = await leavingOut((question) => question % 2 === 0);
    expect(found.code).toBe(1);
    expect(lastOf(found.checks)).toMatchObject({ name: "readable", ok: false });
    expect(lastOf(found.checks)?.detail).toContain("answers differently for the same blocks");
  });
});

describe("an audit over two nodes", () => {
  it("finds that they agree", async () => {
    const node = await startLyingNode(world.anvil.rpcUrl, (_method, _params, result) => result);
    proxies.push(node);
    const found = await world.audit("--rpc", world.anvil.rpcUrl, "--rpc", node.url);
    expect(found).toMatchObject({ code: 0, valid: true });
    expect(found.checks.map(({ name }) => name)).toContain("rpcs");
  });

  it.each([
    [
      "an event",
      "eth_getLogs",
      (result: unknown) => (result as unknown[]).slice(0, -1),
      /event \d+ of the book: .* says /,
    ],
    ["a balance", "eth_call", (result: unknown) => `${String(result).slice(0, -1)}7`, / says .*, .* says /],
    [
      "a block's hash",
      "eth_getBlockByNumber",
      (result: unknown) => ({ ...(result as object), hash: `0x${"ab".repeat(32)}` }),
      /the hash of block \d+: .* says 0x.*, .* says 0xabab/,
    ],
    [
      "a block's time",
      "eth_getBlockByNumber",
      (result: unknown) => ({ ...(result as object), timestamp: "0x77" }),
      /the time of block \d+: .* says \d+, .* says 119/,
    ],
  ])("names both answers where one lies about %s", async (_, method, lie, says) => {
    const node = await startLyingNode(world.anvil.rpcUrl, (asked, params, result) =>
      asked === method &&
      (method !== "eth_call" || params[1] !== "latest") &&
      result !== null &&
      result !== "0x"
        ? lie(result)
        : result,
    );
    proxies.push(node);
    const found = await world.audit("--rpc", world.anvil.rpcUrl, "--rpc", node.url);
    expect(found).toMatchObject({ code: 1, valid: false });
    expect(lastOf(found.checks)).toMatchObject({ name: "rpcs", ok: false });
    expect(lastOf(found.checks)?.detail).toMatch(says);
  });

  it("waits where the two have another newest block, and agree deeper down", async () => {
    const head = await world.chain.provider.getBlockNumber();
    const node = await startLyingNode(world.anvil.rpcUrl, (method, _, result) =>
      method === "eth_getBlockByNumber" && Number((result as { number: string }).number) > head - 2
        ? { ...(result as object), hash: `0x${"ab".repeat(32)}` }
        : result,
    );
    proxies.push(node);
    const asked = ["--rpc", world.anvil.rpcUrl, "--rpc", node.url, "--finality-depth"];
    const fork = await world.audit(...asked, "2");
    expect([fork.code, lastOf(fork.checks)?.name]).toEqual([1, "readable"]);
    expect(lastOf(fork.checks)?.detail).toMatch(/the hash of block \d+: .*; 2 blocks deeper they agree/);
    expect(lastOf((await world.audit(...asked, "1")).checks)).toMatchObject({ name: "rpcs", ok: false });
  });
});

describe("an audit whose node and server are not equally far", () => {
  /** A node that for some questions does not have the newest blocks. */
  async function laggingNode(blocks: number, questions: number): Promise<LyingProxy> {
    let asked = 0;
    const node = await startLyingNode(world.anvil.rpcUrl, (method, _, result) =>
      method === "eth_blockNumber" && asked++ < questions
        ? `0x${(Number(result) - blocks).toString(16)}`
        : result,
    );
    proxies.push(node);
    return node;
  }

  it("waits for the node, and calls nobody a liar where that stays behind", async () => {
    await world.grant("user_a", TST);
    await world.settlement.run();
    const soon = await laggingNode(2, 1);
    expect(await world.audit("--rpc", soon.url)).toMatchObject({ code: 0, valid: true });
    const never = await laggingNode(2, Number.MAX_SAFE_INTEGER);
    const { code, checks } = await world.audit("--rpc", never.url);
    expect([code, checks.length, checks[0]?.name]).toEqual([1, 1, "readable"]);
    expect(checks[0]?.detail).toMatch(
      /the API says that epoch \d+ was committed in block (\d+), the node is at block \d+: it lags, or the API is wrong/,
    );
  });

  it("finds out what no lag explains: a commit in a block that is there, a transaction that made nothing final", async () => {
    const epochs = (change: (epoch: Record<string, unknown>) => object) =>
      startLyingApi(world.api.url, (path, body) => {
        if (!path.startsWith("/api/v1/settlement/epochs?")) return body;
        const page = JSON.parse(body) as { data: Record<string, unknown>[] };
        return JSON.stringify({ ...page, data: [change(page.data[0] ?? {}), ...page.data] });
      });
    const next = (epoch: Record<string, unknown>, more: object) => {
      const header = { ...(epoch.header as HeaderJson), epoch: `${Number(epoch.epoch) + 1}` };
      const header_hash = headerHash(parseHeader(header));
      return { ...epoch, epoch: Number(epoch.epoch) + 1, header, header_hash, ...more };
    };
    const claims: [string, (epoch: Record<string, unknown>) => object][] = [
      [
        "the API says committed, but the chain does not have it",
        (epoch) => next(epoch, { status: "committed" }),
      ],
      ["the API says final, but the chain does not have it", (epoch) => next(epoch, { status: "final" })],
    ];
    for (const [says, claim] of claims) {
      const liar = await epochs(claim);
      proxies.push(liar);
      const found = await world.audit("--api", liar.url);
      expect(lastOf(found.checks)).toMatchObject({ name: "api_epochs", ok: false });
      expect(lastOf(found.checks)?.detail).toContain(says);
    }
  });

  it("waits for the server where its node is behind", async () => {
    let behind = true;
    const late = await startLyingApi(world.api.url, (path, body) => {
      if (!behind || !path.startsWith("/api/v1/settlement/epochs")) return body;
      const answer = JSON.parse(body) as { data?: object[] };
      const sent = { status: "sent", block_number: null, finalize_tx_hash: null };
      if (!answer.data) return JSON.stringify({ ...answer, ...sent });
      return JSON.stringify({
        ...answer,
        data: answer.data.map((one, at) => (at === 0 ? { ...one, ...sent } : one)),
      });
    });
    proxies.push(late);
    const { code, checks } = await world.audit("--api", late.url);
    expect([code, lastOf(checks)?.name]).toEqual([1, "readable"]);
    expect(lastOf(checks)?.detail).toMatch(
      /the API says sent, but the chain has it since block \d+: the server is behind/,
    );
    // Nobody is behind for that long.
    const found = await world.audit("--api", late.url, "--finality-depth", "0");
    expect(lastOf(found.checks)).toMatchObject({ name: "api_epochs", ok: false });
    behind = false;
    expect((await world.audit("--api", late.url)).code).toBe(0);
  });
});

describe("the usage", () => {
  it.each([
    [["--every", "5"], "--every belongs to --follow"],
    [["--metrics-port", "0"], "--metrics-port belongs to --follow"],
    [["--follow", "--every", "0"], "at least a second"],
    [["--quorum", "1"], "--quorum is above"],
    [["--key", "x"], "--key"],
    [["--finality-depth", "-1"], "finality-depth"],
  ])("%j is refused", async (args, says) => {
    const { code, err } = await cli("audit", ...args);
    expect(code).toBe(2);
    expect(err).toContain(says);
  });
});
