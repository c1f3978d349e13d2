/** The `anchorbook` command: a table of commands, help for each, one exit code. */

import { readFileSync } from "node:fs";
import { ConfigError, readEnvironment } from "#config";
import { attestCommand } from "./attest.ts";
import { auditCommand } from "./audit.ts";
import { claimCommand } from "./claim.ts";
import { type Command, type CommandIo, EXIT_FAILED, EXIT_OK, EXIT_USAGE, UsageError } from "./command.ts";
import { configCommand } from "./config.ts";
import { deployCommand } from "./deploy.ts";
import { exitCommand } from "./exit.ts";
import { explainError } from "./explain-error.ts";
import { importCommand } from "./import.ts";
import { ledgerCommand } from "./ledger.ts";
import { logCommand } from "./log.ts";
import { proofCommand } from "./proof.ts";
import { reconcileCommand } from "./reconcile.ts";
import { settleCommand } from "./settle.ts";
import { tokenCommand } from "./token.ts";
import { verifyCommand } from "./verify.ts";
import { withdrawCommand } from "./withdraw.ts";

/** In the order of the help text. */
const COMMANDS: readonly Command[] = [
  configCommand,
  tokenCommand,
  importCommand,
  reconcileCommand,
  settleCommand,
  proofCommand,
  verifyCommand,
  auditCommand,
  attestCommand,
  withdrawCommand,
  claimCommand,
  exitCommand,
  logCommand,
  deployCommand,
  ledgerCommand,
];

/**
 * @param args what follows `anchorbook` on the command line
 * @returns 0, 1 (a check failed, or the work could not be done) or 2 (bad usage)
 */
export async function runCli(args: readonly string[], io: CommandIo = processIo()): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") return help(rest[0], io);
  if (name === "--version" || name === "-v" || name === "version") {
    io.stdout.write(`anchorbook ${packageVersion()}\n`);
    return EXIT_OK;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (!command) {
    io.stderr.write(`anchorbook: there is no command "${name}"\n\n${overview()}`);
    return EXIT_USAGE;
  }
  if (rest.includes("--help") || rest.includes("-h")) return help(name, io);
  try {
    return await command.run(rest, io);
  } catch (error) {
    const isUsage = error instanceof UsageError || error instanceof ConfigError;
    const help = error instanceof UsageError ? `Try: anchorbook ${name} --help\n` : "";
    io.stderr.write(`anchorbook ${name}: ${explainError(error)}\n${help}`);
    return isUsage ? EXIT_USAGE : EXIT_FAILED;
  }
}

function help(name: string | undefined, io: CommandIo): number {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  io.stdout.write(command ? command.help : overview());
  return EXIT_OK;
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const list = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join("\n");
  return `Usage: anchorbook COMMAND [arguments]

${list}

"anchorbook COMMAND --help" says more. Exit code: 0 done, 1 a check failed or it could
not be done, 2 bad usage: also a bad setting, and a file that cannot be read.
`;
}

function processIo(): CommandIo {
  return { stdout: process.stdout, stderr: process.stderr, env: readEnvironment() };
}

function packageVersion(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  );
  return manifest.version;
}
