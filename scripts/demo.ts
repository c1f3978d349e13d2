/**
 * `npm run demo [-- --journal FILE]`: the main job told as a story, on a fresh
 * data folder, with the real server, database and chain. A bank's journal goes
 * in, users act, an epoch settles, an auditor verifies, a server lies. Exit code
 * 0 only where every check held; nothing is left running or on disk.
 */
import { randomBytes } from "node:crypto";
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { accessAct } from "./demo/access-act.ts";
import { anchorbookCommand } from "./demo/anchorbook-command.ts";
import { auditAct } from "./demo/audit-act.ts";
import { createCaller } from "./demo/caller.ts";
import { importAct } from "./demo/import-act.ts";
import { madeJournal } from "./demo/made-journal.ts";
import { laterAct, settlementAct } from "./demo/settlement-act.ts";
import { createStory } from "./demo/story.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";

const HELP = `Usage: npm run demo [-- --journal FILE]

Tells the main job as a story on a data folder of its own: imports a bank's
journal, lets users act, settles, verifies, audits, and catches a lie.

  --journal FILE  the journal to import; without it the demo makes its own
  -h, --help      print this

Exit code: 0 every check held, 1 one did not, 2 bad usage.
`;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_STOPPED = 130;

process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  let journal: string | undefined;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { journal: { type: "string" }, help: { type: "boolean", short: "h", default: false } },
    });
    if (values.help) {
      process.stdout.write(HELP);
      return 0;
    }
    journal = values.journal && resolve(values.journal);
    if (journal) accessSync(journal, constants.R_OK);
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : "bad usage"}\n\n${HELP}`);
    return EXIT_USAGE;
  }
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-demo-"));
  const running: { server?: ServerProcess } = {};
  const cleanUp = async () => {
    try {
      await running.server?.stop();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  const stopEarly = () => void cleanUp().finally(() => process.exit(EXIT_STOPPED));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, stopEarly);
  process.once("disconnect", stopEarly);
  try {
    return (await tell(folder, journal, running)) ? 0 : EXIT_FAILED;
  } catch (error) {
    process.stderr.write(`demo: the story broke off: ${error instanceof Error ? error.stack : error}\n`);
    return EXIT_FAILED;
  } finally {
    await cleanUp();
  }
}

async function tell(
  folder: string,
  journal: string | undefined,
  running: { server?: ServerProcess },
): Promise<boolean> {
  const story = createStory(process.stdout);
  story.chapter("A server starts on an empty folder");
  const secret = randomBytes(32).toString("hex");
  const dataDir = join(folder, "data");
  mkdirSync(dataDir);
  // settles when the story says so, and lets the story move time
  const env = { JWT_SECRET: secret, TEST_CLOCK: "1", SETTLE_CRON: "0 0 1 1 *" };
  const server = startServerProcess({ dataDir, env });
  running.server = server;
  const api = await story.step(
    "database, chain and contracts are made",
    () => server.ready,
    (url) => `ready at ${url}`,
  );
  const stage = {
    ...{ story, folder, api },
    anchorbook: anchorbookCommand({ cwd: folder, env: { ANCHORBOOK_API: api, JWT_SECRET: secret } }),
    operator: await createCaller(api, secret, "operator", ["operator", "auditor"]),
    nobody: await createCaller(api, secret, "", []),
    user: (id: string) => createCaller(api, secret, id, ["user"]),
  };

  story.chapter(
    journal ? `A bank's journal is imported: ${journal}` : "A bank's journal is made and imported",
  );
  await importAct(stage, journal ?? writeMadeJournal(folder));
  story.chapter("Users act, and every answer already shows the effect");
  const acted = await accessAct(stage);
  story.chapter("The books settle on the chain");
  const settled = await settlementAct(stage, acted);
  story.chapter("Eight days pass");
  await laterAct(stage, acted, settled);
  story.chapter("An auditor checks all of it, and a server lies");
  await auditAct(stage, settled);

  story.chapter("Everything stops");
  await story.step("server, database, chain", () => server.stop());
  return story.end();
}

function writeMadeJournal(folder: string): string {
  const file = join(folder, "journal.csv");
  writeFileSync(file, madeJournal());
  return file;
}
