/**
 * A private EVM chain for one test file: a real anvil on a port of its own. Mines
 * a block a transaction; nothing is kept. It ends with this process, however that
 * ends, and holds none of its pipes: a run waits for whoever holds one.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { startGuarded } from "../../src/devstack/guarded-process.ts";
import { poll } from "../../src/devstack/poll.ts";

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

const READY_TIMEOUT_MS = 60_000;

export async function startAnvil(extraArguments: readonly string[] = []): Promise<Anvil> {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-anvil-"));
  const logFile = join(folder, "server.log");
  const server = await startGuarded({
    name: "anvil",
    command: [anvilBinary(), "--port", "0", ...extraArguments],
    logFile,
    stopSignal: "TERM",
    cwd: folder,
  });
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const address = await poll(
    () =>
      /^Listening on (\S+)$/m.exec(readFileSync(logFile, "utf8"))?.[1] ?? (server.running ? undefined : ""),
    READY_TIMEOUT_MS,
  );
  if (!address) {
    const said = server.logTail();
    await stop();
    throw new Error(`anvil did not start: ${said}`);
  }
  return { rpcUrl: `http://${address}`, privateKeys: PRIVATE_KEYS, stop };
}

function anvilBinary(): string {
  const require = createRequire(import.meta.url);
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const platform = `@foundry-rs/anvil-${process.platform}-${arch}`;
  const binary = join(dirname(require.resolve(`${platform}/package.json`)), "bin", "anvil");
  if (!existsSync(binary)) throw new Error(`${platform} holds no anvil binary`);
  return binary;
}
