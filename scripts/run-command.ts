/** Runs one command of a script, passes signals on to it, and says how it ended. */
import { spawn } from "node:child_process";
import { constants } from "node:os";

export interface CommandResult {
  /** 128 + n after signal n, 127 where the program is missing. */
  code: number;
  /** Standard output, where `capture` was asked for; it is shown all the same. */
  output: string;
}

export function runCommand(
  command: readonly [string, ...string[]],
  options: { capture?: boolean; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<CommandResult> {
  const [program, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ["ignore", options.capture ? "pipe" : "inherit", "inherit"],
      env: options.env ?? process.env,
      ...(options.cwd && { cwd: options.cwd }),
    });
    const chunks: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      process.stdout.write(chunk);
    });
    const forward = (signal: NodeJS.Signals) => void child.kill(signal);
    process.on("SIGTERM", forward).on("SIGINT", forward);
    const settle = (code: number) => {
      process.off("SIGTERM", forward).off("SIGINT", forward);
      resolve({ code, output: Buffer.concat(chunks).toString("utf8") });
    };
    child.once("error", (error) => {
      process.stderr.write(`${program}: ${error.message}\n`);
      settle(127);
    });
    child.once("close", (code, signal) => settle(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}
