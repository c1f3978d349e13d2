/**
 * What a command of the `anchorbook` tool is. A command gets its arguments,
 * two streams and the environment, and answers its exit code; it neither reads
 * `process` nor ends it.
 */
import { ConfigError } from "#config";

export interface CommandIo {
  /** Results: one line at a time or JSON. */
  readonly stdout: Pick<NodeJS.WritableStream, "write">;
  /** Progress and complaints. */
  readonly stderr: Pick<NodeJS.WritableStream, "write">;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export const EXIT_OK = 0;
/** A check failed, or the work could not be done. */
export const EXIT_FAILED = 1;
/** The command was called wrongly: also where it names a file that cannot be read. */
export const EXIT_USAGE = 2;

/** The command was called wrongly; the message says how. Whoever runs commands tells it, with where help is. */
export class UsageError extends Error {}

/** @throws ConfigError; UsageError for whatever else `read` throws: what it reads is what was typed */
export function asUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new UsageError(error instanceof Error ? error.message : "bad usage", { cause: error });
  }
}

export interface Command {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** All of `--help`, ending in a newline. */
  readonly help: string;
  /** @returns 0, 1 (check failed) or 2 (bad usage); throws UsageError, or for a fault of its own */
  run(args: readonly string[], io: CommandIo): Promise<number>;
}
