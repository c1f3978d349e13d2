/** An audit that goes on for ever, and what it tells Prometheus. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "#cli";
import { AuditMetrics } from "../../src/cli/audit/follow.ts";
import { type LyingProxy, startLyingApi } from "../support/lying-proxy.ts";
import { type AuditWorld, createAuditWorld } from "./audit-world.ts";
import { TST } from "./world.ts";

let world: AuditWorld;
const proxies: LyingProxy[] = [];

beforeAll(async () => {
  world = await createAuditWorld();
  await world.grant("user_a", 100n * TST);
  await world.settlement.run();
});
afterAll(async () => {
  for (const proxy of proxies) await proxy.close();
  await world?.close();
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) throw new Error("it did not come to that");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function follow(api: string, state: string) {
  const [out, err]: [string[], string[]] = [[], []];
  const io = {
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => err.push(text) },
    env: {},
  } as unknown as Parameters<typeof runCli>[1];
  const ended = runCli(
    [
      ...["audit", "--api", api, "--rpc", world.anvil.rpcUrl, "--state", state],
      ...["--follow", "--every", "1", "--metrics-port", "0"],
    ],
    io,
  );
  const figure = async (name: string) => {
    const [url] = /http:\S+/.exec(err.join("")) ?? [];
    if (url === undefined) return undefined;
    const text = await (await fetch(url)).text();
    const [, value] = new RegExp(`^anchorbook_audit_${name} (\\S+)$`, "m").exec(text) ?? [];
    return value === undefined ? undefined : Number(value);
  };
  return { ended, figure, out, err };
}

describe("an audit with --follow", () => {
  it("tells Prometheus how it goes, sees what is new, waits for a server that is away, and ends at the first lie", async () => {
    await world.grant("user_a", TST);
    await world.settlement.run();
    let mood: "honest" | "away" | "begins" | "lying" = "begins";
    const first = (await world.settlement.epoch(1))?.journalSize ?? 0;
    const proxy = await startLyingApi(world.api.url, (path, body) => {
      const goesOn = Number(/journal\?.*from=(\d+)/.exec(path)?.[1] ?? 0) >= first;
      if (mood === "away" || (mood === "begins" && goesOn)) return { status: 500, body: "{}" };
      return mood === "lying" && path.includes("/leaves") ? "" : body;
    });
    proxies.push(proxy);
    const { ended, figure, out, err } = follow(proxy.url, world.freshFolder());
    const { epoch = 0, journalSize: size = 0 } = (await world.settlement.latestEpoch()) ?? {};
    await until(async () => ((await figure("unreadable_total")) ?? 0) > 0);
    expect([await figure("lines"), await figure("committed_lines")]).toEqual([first, size]);
    expect([await figure("valid"), await figure("last_success_timestamp_seconds")]).toEqual([
      undefined,
      undefined,
    ]);
    expect(await figure("stopped")).toBe(undefined);
    mood = "honest";
    await until(async () => (await figure("epoch")) === epoch && (await figure("valid")) === 1);
    expect(await figure("stopped")).toBe(0);
    const progress = /^journal 100 % \((\d+) of \1\) epoch \d+$/gm;
    expect(err.join("").match(progress)).toHaveLength(1);
    mood = "away";
    const refused = (await figure("unreadable_total")) ?? 0;
    await until(async () => ((await figure("unreadable_total")) ?? 0) > refused);
    mood = "honest";
    await world.grant("user_b", TST);
    await world.settlement.run();
    await until(async () => (await figure("epoch")) === epoch + 1);
    expect(await figure("lines")).toBe((await world.settlement.latestEpoch())?.journalSize);
    mood = "lying";
    await world.grant("user_b", TST);
    await world.settlement.run();
    expect(await ended).toBe(1);
    expect(out.join("")).toMatch(/FAIL {2}leaves .*epoch \d+, section balances.*\nNOT valid: /);
    expect(err.join("")).toContain("could not be read: ");
    expect(err.join("").match(progress)).toHaveLength(1);
  });

  it("tells of what stops a book, as long as it does", async () => {
    const metrics = new AuditMetrics();
    const audit = { valid: true, epochs: 2, lines: 7n, checks: [] };
    for (const [stopped, figure] of [
      ["epoch 3 was vetoed", 1],
      [null, 0],
    ] as const) {
      metrics.observe({ ...audit, stopped });
      expect(await metrics.registry.metrics()).toContain(`\nanchorbook_audit_stopped ${figure}\n`);
    }
  });

  it("tells what an earlier run checked, where nothing is new, and nothing before it has looked", async () => {
    const state = world.freshFolder();
    const { epochs, lines } = await world.audit("--state", state);
    let mood: "honest" | "away" | "lying" = "away";
    const proxy = await startLyingApi(world.api.url, (path, body) => {
      if (mood === "away") return { status: 500, body: "{}" };
      return mood === "lying" && path.includes("/leaves") ? "" : body;
    });
    proxies.push(proxy);
    const { ended, figure } = follow(proxy.url, state);
    const figures = () => Promise.all(["epoch", "lines", "committed_lines", "valid"].map(figure));
    await until(async () => ((await figure("unreadable_total")) ?? 0) > 0);
    expect(await figures()).toEqual([undefined, undefined, undefined, undefined]);
    mood = "honest";
    await until(async () => (await figure("valid")) === 1);
    expect(await figures()).toEqual([epochs, lines, lines, 1]);
    mood = "lying";
    await world.grant("user_b", TST);
    await world.settlement.run();
    expect(await ended).toBe(1);
  });
});
