/** The `anchorbook` command. Its commands are in index.ts; this file only ends the process. */
import { runCli } from "./index.ts";

process.exitCode = await runCli(process.argv.slice(2));
