/** The `anchorbook` command as a person runs it: a process of its own, its progress shown, its JSON read. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";

export interface CommandRun<T> {
  readonly exitCode: number;
  /** What it printed with `--json`. */
  readonly output: T;
  readonly milliseconds: number;
}

export type AnchorbookCommand = <T>(...args: string[]) => Promise<CommandRun<T>>;

const MAIN = resolve(import.meta.dirname, "../../src/cli/main.ts");

/** @param options.env where the server is and how tokens are signed; `cwd` has no `.env` of somebody else's */
export function anchorbookCommand(options: {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}): AnchorbookCommand {
  return async <T>(...args: string[]) => {
    const started = performance.now();
    const child = spawn(process.execPath, [MAIN, ...args, "--json"], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    // where the demo is stopped, its command must not go on asking a server that is gone
    const end = () => child.kill();
    process.once("exit", end);
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    const [exitCode] = (await once(child, "close")) as [number | null];
    process.removeListener("exit", end);
    const text = Buffer.concat(chunks).toString("utf8");
    let output: T;
    try {
      output = JSON.parse(text) as T;
    } catch {
      throw new Error(`anchorbook ${args.join(" ")} ended with ${exitCode} and printed no JSON: ${text}`);
    }
    return { exitCode: exitCode ?? -1, output, milliseconds: performance.now() - started };
  };
}
