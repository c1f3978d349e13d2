/**
 * A private EVM chain for one test file: a real anvil on a port of its own. Mines
 * a block a transaction; nothing is kept.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

export interface Anvil {
  rpcUrl: string;
  /** Keys of funded accounts; the first is the operator's in most tests. */
  privateKeys: readonly [string, string];
  stop(): Promise<void>;
}

/** The first two accounts of anvil's well-known development mnemonic. */
const PRIVATE_KEYS = [
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
] as const;

export async function startAnvil(extraArguments: readonly string[] = []): Promise<Anvil> {
  const child = spawn(anvilBinary(), ["--port", "0", ...extraArguments], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const killWithParent = () => child.kill("SIGKILL");
  process.once("exit", killWithParent);
  const rpcUrl = await listeningAddress(child);
  return {
    rpcUrl,
    privateKeys: PRIVATE_KEYS,
    async stop() {
      process.off("exit", killWithParent);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    },
  };
}

function anvilBinary(): string {
  const require = createRequire(import.meta.url);
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const platform = `@foundry-rs/anvil-${process.platform}-${arch}`;
  const binary = join(dirname(require.resolve(`${platform}/package.json`)), "bin", "anvil");
  if (!existsSync(binary)) throw new Error(`${platform} holds no anvil binary`);
  return binary;
}

async function listeningAddress(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error("anvil's output is not connected");
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const address = /^Listening on (.+)$/.exec(line.trim())?.[1];
    if (address) {
      child.stdout.resume();
      return `http://${address}`;
    }
  }
  throw new Error("anvil ended before it listened");
}
