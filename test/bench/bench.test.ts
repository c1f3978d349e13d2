/**
 * `npm run bench` as a person runs it, with tiny counts: the form of what it
 * answers, and that it leaves nothing behind. What the figures are is not tested.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";

const BENCH = resolve(import.meta.dirname, "../../bench/index.ts");
const scratch = mkdtempSync(join(tmpdir(), "anchorbook-test-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const positive = z.number().positive();
const reportSchema = z.object({
  settings: z.object({
    machine: z.object({ cores: positive, memory_gib: z.number() }),
    scale: z.literal("quick"),
    spread: z.record(z.string(), z.object({ runs: positive, lowest: positive, highest: positive })),
    benchmarks: z.record(z.string(), z.record(z.string(), z.union([z.number(), z.string()]))),
  }),
  results: z.array(
    z.strictObject({
      name: z.string(),
      value: positive,
      unit: z.string(),
      baselines: z.array(z.strictObject({ name: z.string(), value: positive, ratio: positive })),
    }),
  ),
});

async function bench(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [BENCH, ...args], {
    env: { ...process.env, TMPDIR: scratch },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    text.out += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    text.err += chunk.toString("utf8");
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...text };
}

describe("npm run bench", () => {
  it("answers the chosen benchmarks beside their baselines, as JSON and as a table, and removes its servers", async () => {
    const file = join(scratch, "bench.json");
    const only = "ledger.uniform,ledger.hot,ledger.single,ledger.history,ledger.two";
    const { code, out, err } = await bench("--quick", "--only", only, "--json", file, "--history", "3000");
    expect(code, err).toBe(0);
    const report = reportSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    const baselines = Object.fromEntries(
      report.results.map((result) => [result.name, result.baselines.map(({ name }) => name)]),
    );
    expect(baselines).toEqual({
      "ledger.uniform": ["pgbench-tpcb", "one-per-transfer"],
      "ledger.hot": ["uniform"],
      "ledger.single": ["durable-update"],
      "ledger.history": ["empty"],
      "ledger.two": ["one"],
    });
    expect(report.settings.benchmarks["ledger.history"]).toMatchObject({ history_lines: 3_000 });
    expect(Object.keys(report.settings.benchmarks)).toEqual(only.split(","));
    for (const { name } of report.results) expect(out).toContain(name);
    expect(readdirSync(scratch)).toEqual(["bench.json"]);
  }, 240_000);

  it("measures the real server over HTTP, reads and writes", async () => {
    const { code, out, err } = await bench(
      "--quick",
      "--only",
      "http.write,http.read,proof.read",
      "--json",
      "-",
    );
    expect(code, err).toBe(0);
    const report = reportSchema.parse(JSON.parse(out));
    expect(report.results.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["http.write", "http.write.p99_at_200", "http.read", "proof.read"]),
    );
  }, 300_000);

  it("measures settlement at its scale", async () => {
    const { code, out, err } = await bench("--quick", "--only", "tree.memory,settle.epoch", "--json", "-");
    expect(code, err).toBe(0);
    const report = reportSchema.parse(JSON.parse(out));
    expect(report.results.map(({ name }) => name)).toEqual([
      ...["tree.memory", "settle.epoch", "tree.build.postgres", "proof.read.million", "proof.read.old"],
    ]);
  }, 240_000);

  it("repeats on fresh servers and says how far the runs lay apart", async () => {
    const { code, out, err } = await bench(
      "--quick",
      "--only",
      "tree.update",
      "--repeat",
      "3",
      "--json",
      "-",
    );
    expect(code, err).toBe(0);
    expect(err).toContain("run 3 of 3");
    const report = reportSchema.parse(JSON.parse(out));
    expect(report.settings.spread["tree.update"]).toMatchObject({ runs: 3 });
    expect(readdirSync(scratch)).toEqual(["bench.json"]);
  }, 120_000);

  it.each([
    ["--repeat", "0"],
    ["--history", "many"],
  ])("refuses %s %s", async (name, value) => {
    const { code, err } = await bench(name, value);
    expect([code, err]).toEqual([2, expect.stringContaining(name)]);
  });

  it("refuses a benchmark that there is none of, before anything is started", async () => {
    const { code, err } = await bench("--only", "ledger.magic");
    expect(code).toBe(2);
    expect(err).toContain("ledger.magic");
  });
});
