/**
 * The embedded chain: anvil, with state that survives a restart. Anvil rewrites
 * its state file every second and not atomically, so a copy that was complete
 * stands beside it. After a kill the head may be behind what clients have seen:
 * to them that is a reorg, and whoever sends transactions keeps and repeats them.
 *
 * Folder: state.json, state.json.bak, port, server.log.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { copyFile, rename, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import type { Log } from "#infra";
import { freePort } from "./free-port.ts";
import { startGuarded } from "./guarded-process.ts";
import { poll } from "./poll.ts";

export const DEV_CHAIN_ID = 31_337;
const MNEMONIC = "test test test test test test test test test test test junk";
/** The first accounts of the well-known development mnemonic; worth nothing on any other chain. */
const DEV_PRIVATE_KEYS = [
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
] as const;

export interface EmbeddedChain {
  readonly rpcUrl: string;
  readonly chainId: typeof DEV_CHAIN_ID;
  /** Its account has ether from the start. */
  readonly operatorPrivateKey: string;
  /** More funded accounts; the first is the operator's. */
  readonly privateKeys: readonly string[];
  readonly pid: number;
  readonly exited: Promise<number>;
  /** A clean stop, which writes the state. Safe to call twice. */
  stop(): Promise<void>;
}

export interface AnvilOptions {
  /** Created where missing. */
  folder: string;
  log: Log;
  /** False: nothing is kept, and a block is mined a transaction only. Default true. */
  persistent?: boolean;
  /** Further arguments, for tests. */
  args?: readonly string[];
}

/**
 * Transactions are mined at once; beside them an empty block comes now and then,
 * so that time and finality move on. Every block stays in the state file, which
 * is written whole each second, so empty blocks must not come often.
 */
const BLOCK_TIME_SECONDS = 12;
const READY_TIMEOUT_MS = 60_000;
const BACKUP_INTERVAL_MS = 10_000;
/** A file that has not changed for so long is not being written. */
const SETTLED_MS = 150;

/** @throws Error with the last log lines where it does not come up; nothing is left running then */
export async function startAnvil(options: AnvilOptions): Promise<EmbeddedChain> {
  const folder = resolve(options.folder);
  const persistent = options.persistent ?? true;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const state = join(folder, "state.json");
  if (persistent) restoreState(state, options.log);
  const port = await keptPort(folder);
  const server = await startGuarded({
    name: "anvil",
    command: [
      anvilBinary(),
      ...["--host", "127.0.0.1", "--port", String(port), "--chain-id", String(DEV_CHAIN_ID)],
      ...["--mnemonic", MNEMONIC, "--slots-in-an-epoch", "1", "--prune-history", "64", "--silent"],
      ...(persistent ? ["--state", state, "--state-interval", "1"] : []),
      ...(persistent ? ["--block-time", String(BLOCK_TIME_SECONDS), "--mixed-mining"] : []),
      ...(options.args ?? []),
    ],
    logFile: join(folder, "server.log"),
    stopSignal: "TERM",
    cwd: folder,
  });
  const rpcUrl = `http://127.0.0.1:${port}`;
  const outcome = await poll(
    async () => (server.running ? ((await answers(rpcUrl)) ? "ready" : undefined) : "exited"),
    READY_TIMEOUT_MS,
  );
  if (outcome !== "ready") {
    await server.stop();
    throw new Error(`The local chain did not start (${outcome ?? "timeout"}). It said:\n${server.logTail()}`);
  }
  const backup = persistent
    ? setInterval(() => void backUpState(state, options.log), BACKUP_INTERVAL_MS)
    : undefined;
  return {
    rpcUrl,
    chainId: DEV_CHAIN_ID,
    operatorPrivateKey: DEV_PRIVATE_KEYS[0],
    privateKeys: DEV_PRIVATE_KEYS,
    pid: server.pid,
    exited: server.exited,
    stop: async () => {
      clearInterval(backup);
      await server.stop();
    },
  };
}

function anvilBinary(): string {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const name = `@foundry-rs/anvil-${process.platform}-${architecture}`;
  const fromAnvil = createRequire(createRequire(import.meta.url).resolve("@foundry-rs/anvil/package.json"));
  try {
    return join(dirname(fromAnvil.resolve(`${name}/package.json`)), "bin", "anvil");
  } catch {
    throw new Error(
      `${name} is not installed. Run "npm ci" once more; where there is no such package for this system, set RPC_URL, OPERATOR_PRIVATE_KEY and CONTRACTS_FILE to use a chain of your own.`,
    );
  }
}

/** Leaves a state file that parses, or none. */
function restoreState(state: string, log: Log): void {
  const backup = `${state}.bak`;
  if (!existsSync(state) && !existsSync(backup)) return;
  if (parses(state)) return;
  rmSync(state, { force: true });
  if (parses(backup)) {
    log.warn({ state }, "the chain was killed while it wrote its state; going back to the copy before it");
    writeFileSync(`${state}.new`, readFileSync(backup));
    renameSync(`${state}.new`, state);
  } else {
    log.warn({ state }, "the chain's state is lost; starting a new chain");
  }
}

function parses(path: string): boolean {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, "utf8"));
    return typeof parsed === "object" && parsed !== null && "accounts" in parsed;
  } catch {
    return false;
  }
}

/** Copies the state unless it is just being written; reading and parsing it here would hold up requests. */
async function backUpState(state: string, log: Log): Promise<void> {
  try {
    const before = await stat(state);
    if (before.size === 0 || Date.now() - before.mtimeMs < SETTLED_MS) return;
    await copyFile(state, `${state}.bak.new`);
    const after = await stat(state);
    if (after.mtimeMs === before.mtimeMs && after.size === before.size)
      await rename(`${state}.bak.new`, `${state}.bak`);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT"))
      log.warn({ err: error }, "the chain's state could not be copied");
  }
}

async function keptPort(folder: string): Promise<number> {
  const file = join(folder, "port");
  const before = existsSync(file) ? Number.parseInt(readFileSync(file, "utf8"), 10) : undefined;
  const port = await freePort(before);
  if (port !== before) writeFileSync(file, `${port}\n`);
  return port;
}

async function answers(rpcUrl: string): Promise<boolean> {
  try {
    const response = await fetch(rpcUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] }),
      signal: AbortSignal.timeout(2_000),
    });
    const answer: unknown = await response.json();
    return typeof answer === "object" && answer !== null && "result" in answer;
  } catch {
    return false;
  }
}
