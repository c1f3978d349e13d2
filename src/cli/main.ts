/** The `anchorbook` command. Its commands are in index.ts; this file only ends the process. */
import { runCli } from "./index.ts";

// A reader who has seen enough (`… | head`) closes the pipe. What was not told counts as not done.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(1);
});

process.exitCode = await runCli(process.argv.slice(2));
