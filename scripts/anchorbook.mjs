#!/usr/bin/env node
/** The `anchorbook` command: finds a Node that is new enough, installs what is missing, runs src/cli/main.ts. */
import { run } from "./bootstrap.mjs";

await run("src/cli/main.ts", process.argv.slice(2));
