/**
 * How an auditor does with a long journal: writes a made-up book of so many lines
 * on a chain of its own, serves it, and has `anchorbook audit` read it in a
 * process of its own, first from nothing, then once more from what it kept.
 *
 *   node scripts/audit-scale.ts [LINES] [EPOCHS] [USERS] [EVENTS]
 *
 * by default 1000000, 100, LINES / 20 and 0. EVENTS deposits are made on the chain, with two lines each beside the LINES.
 * Prints lines a second and the most memory that the auditor had (Linux).
 */

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { standBook } from "../test/support/written-book/book-stand.ts";

const given = process.argv.slice(2);
const [lines = "1000000", epochs = "100", users = `${Math.ceil(Number(lines) / 20)}`, events = "0"] = given;
if (![lines, epochs, users, `1${events}`].every((text) => /^[1-9]\d{0,8}$/.test(text))) {
  console.error("usage: node scripts/audit-scale.ts [LINES] [EPOCHS] [USERS] [EVENTS]");
  process.exit(2);
}
const WATCH_EVERY_MS = 250;
const SEED = 1;

const startedAt = performance.now();
const stand = await standBook(
  {
    ...{ lines: Number(lines), epochs: Number(epochs), users: Number(users), seed: SEED },
    entries: Number(events),
  },
  (written) => process.stderr.write(`\rwritten: ${written} of ${lines} lines `),
);
const state = mkdtempSync(join(tmpdir(), "anchorbook-audit-scale-"));
try {
  const { accounts, positions } = stand.book.replay;
  const total = Number(stand.book.epochs.at(-1)?.header.journalSize);
  console.log(
    `${total} lines, ${events} events of the chain, ${epochs} epochs, ${accounts.records.length} accounts, ${positions.records.length} positions, ` +
      `${mebibytes(statSync(stand.book.journalFile).size)} of journal; written in ${seconds(performance.now() - startedAt)}`,
  );
  const first = await audit();
  console.log(
    `audited from nothing in ${seconds(first.ms)}: ${Math.round((total / first.ms) * 1_000)} lines a second, ` +
      `at most ${first.memory} of memory; kept in ${mebibytes(statSync(join(state, "audit-state")).size)}`,
  );
  const second = await audit();
  console.log(
    `audited again from what was kept in ${seconds(second.ms)}, at most ${second.memory} of memory`,
  );
  process.exitCode = first.code || second.code;
} finally {
  rmSync(state, { recursive: true, force: true });
  await stand.close();
}

async function audit(): Promise<{ code: number; ms: number; memory: string }> {
  const { anvil, book, served } = stand;
  const options = [
    "--api",
    served.url,
    "--rpc",
    anvil.rpcUrl,
    "--registry",
    book.record.registry,
    "--state",
    state,
  ];
  const from = performance.now();
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "../src/cli/main.ts"), "audit", ...options],
    {
      stdio: "inherit",
    },
  );
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, residentPeak(child.pid));
  }, WATCH_EVERY_MS);
  const code = await new Promise<number>((resolve) => child.once("exit", (status) => resolve(status ?? 1)));
  clearInterval(watch);
  return { code, ms: performance.now() - from, memory: mebibytes(most) };
}

/** The kernel's own high-water mark, in bytes; 0 where it says none. */
function residentPeak(pid: number | undefined): number {
  try {
    const [, peak] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(peak ?? 0) * 1_024;
  } catch {
    return 0;
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
