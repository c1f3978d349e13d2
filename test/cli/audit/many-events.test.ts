/** Hundreds of deposits on a real chain: what an auditor of them holds, finds, and leaves behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AuditState } from "../../../src/cli/audit/audit-state.ts";
import { Auditor, type AuditRequest } from "../../../src/cli/audit/run-audit.ts";
import { type AuditAnswer, cli } from "../../settlement/audit-world.ts";
import { type LyingProxy, startLyingApi, startLyingNode } from "../../support/lying-proxy.ts";
import { type BookStand, standBook } from "../../support/written-book/book-stand.ts";

/** More than an auditor has in memory before they go to a file. */
const ENTRIES = 800;
const MORE = 100;
const PLAN = { lines: 1_200, epochs: 5, users: 20, seed: 5, entries: ENTRIES };
/** Nearly all blocks are final, so that events are settled in the middle. */
const DEPTH = 2;

let stand: BookStand;
const folders: string[] = [];
const proxies: LyingProxy[] = [];

beforeAll(async () => {
  stand = await standBook(PLAN);
}, 120_000);
afterAll(async () => {
  for (const proxy of proxies) await proxy.close();
  await stand?.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-events-"));
  folders.push(folder);
  return folder;
}

const options = (...more: string[]) => [
  ...["audit", "--json", "--api", stand.served.url, "--registry", stand.book.record.registry],
  ...["--finality-depth", `${DEPTH}`, ...more],
];

async function audit(...more: string[]): Promise<AuditAnswer> {
  const { out, err } = await cli(...options(...more));
  if (out === "") throw new Error(err);
  return JSON.parse(out) as AuditAnswer;
}

interface RpcLog {
  readonly transactionHash: string;
  readonly logIndex: string;
}

const newest = () => stand.book.epochs.at(-1)?.header;
const lineCount = () => Number(newest()?.journalSize);

/** A node that changes the logs that it is asked for. */
async function lyingNode(change: (logs: RpcLog[]) => RpcLog[]): Promise<LyingProxy> {
  const node = await startLyingNode(stand.anvil.rpcUrl, (method, _, result) =>
    method === "eth_getLogs" ? change(result as RpcLog[]) : result,
  );
  proxies.push(node);
  return node;
}

/** One of the deposits, far from the first and from the last event of the book. */
async function farEvent() {
  const { record } = stand.book;
  const address = [record.registry, ...Object.values(record.custodians)];
  const logs = await stand.chain.provider.getLogs({ address, fromBlock: 0 });
  const place = 600;
  const [event, next] = logs.slice(place);
  if (!event || !next) throw new Error("there are not so many");
  const is = ({ transactionHash, logIndex }: RpcLog) =>
    transactionHash === event.transactionHash && Number(logIndex) === event.index;
  return { place, is, event, next };
}

describe("an audit of many events", () => {
  const folder = freshFolder();

  it("finds a line for each, and leaves nothing but its state", async () => {
    const found = await audit("--rpc", stand.anvil.rpcUrl, "--state", folder);
    expect(found).toMatchObject({ valid: true, epochs: PLAN.epochs, lines: lineCount() });
    expect(found.checks.find(({ name }) => name === "chain_lines")?.detail).toBe(
      `${ENTRIES} chain events have their line, 0 wait for it`,
    );
    expect(found.checks.find(({ name }) => name === "entries")?.detail).toContain(
      `entries up to ${ENTRIES} of ${ENTRIES} credited`,
    );
    expect(readdirSync(folder).sort()).toEqual(["audit-state", "folder.lock"]);
  });

  it("goes on from there, and asks for new blocks alone", async () => {
    const before = lineCount();
    const { blockNumber } = stand.book.epochs.at(-1) ?? { blockNumber: 0 };
    await stand.book.writeEpoch(100, {}, MORE);
    const ranges: number[] = [];
    const node = await startLyingNode(stand.anvil.rpcUrl, (method, params, result) => {
      if (method === "eth_getLogs") ranges.push(Number((params[0] as { fromBlock: string }).fromBlock));
      return result;
    });
    proxies.push(node);
    const api = await startLyingApi(stand.served.url, (_, body) => body);
    proxies.push(api);
    const found = await audit("--rpc", node.url, "--api", api.url, "--state", folder);
    expect(found).toMatchObject({ valid: true, epochs: PLAN.epochs + 1, lines: lineCount() });
    expect(found.checks.find(({ name }) => name === "chain_lines")?.detail).toBe(
      `${ENTRIES + MORE} chain events have their line, 0 wait for it`,
    );
    // The commit of the newest final epoch is looked at again, and with the block before it when it is asked for twice.
    expect([ranges[0], Math.min(...ranges)]).toEqual([blockNumber, blockNumber - 1]);
    expect(api.asked.find((path) => path.includes("/audit/journal"))).toContain(`from=${before}&`);
  });

  it("finds that an event far behind in the chain is another than its line says, or is not there", async () => {
    const { is } = await farEvent();
    const other = await lyingNode((logs) =>
      logs.map((log) => (is(log) ? { ...log, logIndex: "0xfff" } : log)),
    );
    const found = (await audit("--rpc", other.url)).checks.at(-1);
    expect(found).toMatchObject({ name: "chain_lines", ok: false });
    expect(found?.detail).toMatch(
      /^epoch \d+, journal line \d+: the event EntryMade in 0x\w{64}, log \d+, is not on the chain/,
    );
    const left = await lyingNode((logs) => logs.filter((log) => !is(log)));
    expect((await audit("--rpc", left.url)).checks.at(-1)).toMatchObject({ name: "chain_lines", ok: false });
  });

  it("names the first event that two nodes tell otherwise", async () => {
    const { place, is, event, next } = await farEvent();
    const node = await lyingNode((logs) => logs.filter((log) => !is(log)));
    const { checks } = await audit("--rpc", stand.anvil.rpcUrl, "--rpc", node.url);
    expect(checks.at(-1)).toMatchObject({ name: "rpcs", ok: false });
    const [, number, one, other] =
      /^event (\d+) of the book: .* says (\{.*\}), .* says (\{.*\})$/.exec(checks.at(-1)?.detail ?? "") ?? [];
    expect(Number(number)).toBe(place + 1);
    const [ours, theirs] = [one, other].map((text) => JSON.parse(text ?? "") as object);
    expect(ours).toMatchObject({ name: "EntryMade", txHash: event.transactionHash, logIndex: event.index });
    expect(theirs).toMatchObject({ txHash: next.transactionHash, logIndex: next.index });
  });
});

describe("an audit of many events that ends in the middle", () => {
  it("goes on from a place where the events behind it are settled", async () => {
    const folder = freshFolder();
    const auditor = async (onProgress: AuditRequest["onProgress"]) =>
      new Auditor(
        {
          nodes: [{ name: "node", chain: stand.chain }],
          ...{ api: stand.served.url, registry: stand.book.record.registry, folder, depth: DEPTH },
          answerSeconds: 60,
          ...{ saveEveryMs: 0, trust: { logKeys: [], witnesses: [], quorum: 0 } },
          ...{ onCheck: () => {}, onProgress },
        },
        await AuditState.load(folder),
      );
    const cut = await auditor((_lines, _total, epoch) => {
      if (epoch === 4n) throw new Error("cut off");
    });
    await expect(cut.run()).rejects.toThrow("cut off");
    const kept = await AuditState.load(folder);
    // The newest that was audited is looked at again, so that events of the epoch behind it stay.
    expect(kept?.cursor?.block).toBe((stand.book.epochs[2]?.blockNumber ?? 0) - 1);
    expect(kept?.rules.chain.taken).toBeLessThan(ENTRIES / 2);
    const again = await auditor(() => {});
    expect(await again.run()).toMatchObject({ valid: true, lines: BigInt(lineCount()) });
    expect(again.state?.rules.chain.lines).toBe(Number(newest()?.depositSeq));
    expect(readdirSync(folder)).toEqual(["audit-state"]);
  });

  it("leaves nothing that harms where it is killed", async () => {
    const folder = freshFolder();
    const slow = await startLyingApi(stand.served.url, (path, body) => {
      // The events are read, and the journal never ends.
      if (path.includes("/audit/journal")) killed.kill("SIGKILL");
      return body;
    });
    proxies.push(slow);
    const main = join(import.meta.dirname, "../../../src/cli/main.ts");
    const killed = spawn(
      process.execPath,
      [main, ...options("--rpc", stand.anvil.rpcUrl, "--state", folder, "--api", slow.url)],
      { stdio: "ignore" },
    );
    expect(await once(killed, "exit")).toEqual([null, "SIGKILL"]);
    expect(readdirSync(folder).filter((name) => name.startsWith("chain-events"))).toEqual([]);
    expect((await audit("--rpc", stand.anvil.rpcUrl, "--state", folder)).valid).toBe(true);
  });
});
