/** A hundred thousand lines: cut off in the middle and gone on with, in memory that does not grow with them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AuditState } from "../../../src/cli/audit/audit-state.ts";
import { Auditor, type AuditRequest } from "../../../src/cli/audit/run-audit.ts";
import { type LyingProxy, startLyingApi } from "../../support/lying-proxy.ts";
import { type BookStand, standBook } from "../../support/written-book/book-stand.ts";

const LINES = 100_000;
const EPOCHS = 4;
/** Twice what was measured, of which Node itself has some 180. */
const MOST_MEBIBYTES = 440;
/** Writes the most memory that a process had, as it ends; Linux alone tells. */
const TELL_PEAK = `data:text/javascript,import fs from "node:fs";
if (process.platform === "linux")
  process.on("exit", () => fs.writeSync(2, fs.readFileSync("/proc/self/status", "utf8")));`;

let stand: BookStand;
let watched: LyingProxy;
const folder = mkdtempSync(join(tmpdir(), "anchorbook-long-"));

beforeAll(async () => {
  stand = await standBook({ lines: LINES, epochs: EPOCHS, users: 500, seed: 3 });
  watched = await startLyingApi(stand.served.url, (_, body) => body);
}, 300_000);
afterAll(async () => {
  await watched?.close();
  await stand?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** @param onLines told how far it is, after each batch of lines */
async function auditor(onLines: (lines: bigint) => void): Promise<Auditor> {
  const request: AuditRequest = {
    nodes: [{ name: "node", chain: stand.chain }],
    ...{ api: watched.url, registry: stand.book.record.registry, folder, depth: 64, saveEveryMs: 200 },
    ...{ trust: { logKeys: [], witnesses: [], quorum: 0 }, answerSeconds: 60 },
    onCheck: () => {},
    onProgress: onLines,
  };
  return new Auditor(request, await AuditState.load(folder));
}

const firstLines = () =>
  watched.asked
    .filter((path) => path.includes("/audit/journal"))
    .map((path) => Number(/from=(\d+)/.exec(path)?.[1]));

describe("a long journal", () => {
  it("is gone on with in the middle of an epoch, from lines that lead to its root", async () => {
    const stopAt = 60_000n;
    const cut = await auditor((lines) => {
      if (lines > stopAt) throw new Error("cut off");
    });
    await expect(cut.run()).rejects.toThrow("cut off");
    const kept = await AuditState.load(folder);
    const size = Number(kept?.log.size);
    expect(size).toBeGreaterThan(0);
    expect(size).toBeLessThanOrEqual(61_000);
    watched.asked.length = 0;

    const bytes: number[] = [];
    const again = await auditor(() => bytes.push(again.state?.replay.bytes ?? 0));
    const { checks, ...found } = await again.run();
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(found).toMatchObject({ valid: true, epochs: EPOCHS, lines: BigInt(LINES) });
    expect(firstLines()[0]).toBe(size);
    // As many accounts as there are users and their locks, however long they go on.
    expect(bytes.at(-1)).toBeLessThan(1.2 * (bytes[0] as number));
    expect(again.state?.replay.undo).toEqual([]);
  }, 300_000);

  it("is audited by a process of bounded memory, which says how far it is", async () => {
    const main = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
    const from = ["--api", stand.served.url, "--rpc", stand.anvil.rpcUrl];
    const pinned = ["--registry", stand.book.record.registry];
    const child = spawn(process.execPath, ["--import", TELL_PEAK, main, "audit", ...from, ...pinned]);
    const [out, err, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "exit") as Promise<[number | null]>,
    ]);
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining("\nvalid: ") });
    expect(err).toContain(`journal 100 % (${LINES} of ${LINES}) epoch ${EPOCHS}`);
    if (process.platform !== "linux") return;
    const [, peak] = /^VmHWM:\s+(\d+) kB$/m.exec(err) ?? [];
    expect(Number(peak) / 1_024).toBeLessThan(MOST_MEBIBYTES);
  }, 120_000);
});
