/**
 * What a command of the `anchorbook` tool is. A command gets its arguments,
 * two streams and the environment, and answers its exit code; it neither reads
 * `process` nor ends it.
 */
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
/** The command was called wrongly. */
export const EXIT_USAGE = 2;

export interface Command {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** All of `--help`, ending in a newline. */
  readonly help: string;
  /** @returns 0, 1 (check failed) or 2 (bad usage); throws only for a fault of its own */
  run(args: readonly string[], io: CommandIo): Promise<number>;
}
