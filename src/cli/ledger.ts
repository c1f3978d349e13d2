/**
 * `anchorbook ledger`: ledgers beside the default one. With the tables' owner in
 * the settings it works on the database itself; without, it asks the server,
 * which has the owner of its embedded Postgres.
 */
import { type CommandConfig, loadConfig } from "#config";
import { counted } from "#kernel";
import { connectApi, orHint } from "./api-client.ts";
import { asUsage, type Command, type CommandIo, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { readArgs } from "./read-args.ts";

const HELP = `Usage: anchorbook ledger create NAME [--api URL] [--json]
       anchorbook ledger list [--api URL] [--json]
       anchorbook ledger attach NAME [--json]
       anchorbook ledger detach NAME [--json]
       anchorbook ledger move NAME [--json]

A ledger is a Postgres schema of its own: journal, writer, program tables, epochs.
Commands choose it by --ledger NAME, requests by the header "X-Ledger: NAME"; without
one they go to the ledger "default", which every server has.

  create      make a ledger. Cut off, the same call goes on. Running servers open it
              within seconds. NAME: 1 to 40 lower-case letters, digits and
              underscores, a letter first
  list        the ledgers there are, the default one first
  attach      take a schema ledger_NAME that was restored into this database
  detach      let go of a ledger: servers close it within seconds; its schema stays
              as it is
  move        move a ledger to the database of TO_DATABASE_OWNER_URL and
              TO_DATABASE_URL: nobody can write to it here any more, all of it is
              copied and compared, and servers there open it. Cut off, the same call
              goes on
  --api URL   ask this server, whatever the settings say
  --json      print what is printed as JSON
  -h, --help  print this

With DATABASE_OWNER_URL and DATABASE_URL it works on that database; without, it
asks the server of --api or ANCHORBOOK_API (operator role), which can create and list.

Exit code: 0 done, 1 it could not be done, 2 bad usage.
`;

interface LedgerLine {
  readonly name: string;
  readonly schema: string;
  readonly state: string;
  /** Null: with the database itself. */
  readonly created_at: string | null;
}

/** In no list of the database's: a server makes it by itself. */
const DEFAULT: LedgerLine = { name: "default", schema: "ledger", state: "open", created_at: null };

const ACTIONS = ["create", "list", "attach", "detach", "move"] as const;
type Action = (typeof ACTIONS)[number];
/** What the database accepts, said before anything is loaded or asked. */
const NAME = /^(?!default$)[a-z][a-z0-9_]{0,39}$/;

export const ledgerCommand: Command = {
  name: "ledger",
  summary: "make, list and move ledgers beside the default one",
  help: HELP,
  async run(args, io) {
    const { action, name, json, api } = asUsage(() => readOptions(args));
    const config = loadConfig(io.env);
    if (action === "move") return move(config, io, name, json);
    const lines =
      config.databaseOwnerUrl && api === undefined
        ? await inDatabase(config, action, name)
        : await overHttp(io, { action, name, api });
    if (lines === null) {
      io.stderr.write(
        `anchorbook ledger: ${action} works on the database itself: set DATABASE_OWNER_URL and DATABASE_URL. (The embedded Postgres of npm start keeps its ledgers; a database of your own is needed to ${action} one: docs/operations.md)\n`,
      );
      return EXIT_FAILED;
    }
    io.stdout.write(json ? `${JSON.stringify(action === "list" ? lines : lines[0])}\n` : describe(lines));
    return EXIT_OK;
  },
};

interface Options {
  readonly action: Action;
  readonly name: string;
  readonly json: boolean;
  readonly api: string | undefined;
}

function readOptions(args: readonly string[]): Options {
  const { values, positionals } = readArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: "boolean", default: false }, api: { type: "string" } },
  });
  const [word, name = "", ...more] = positionals;
  const action = ACTIONS.find((known) => known === word);
  if (!action) throw new Error(`say one of ${ACTIONS.join(", ")}`);
  if (more.length > 0 || (action === "list") !== (name === ""))
    throw new Error(action === "list" ? "list takes no name" : `${action} takes one name`);
  if (action !== "list" && !NAME.test(name))
    throw new Error(
      name === "default"
        ? "the ledger default is there already, and stays"
        : `"${name}" is no name of a ledger: 1 to 40 lower-case letters, digits and underscores, a letter first`,
    );
  if (values.api !== undefined && action !== "create" && action !== "list")
    throw new Error(`${action} works on the database itself: leave --api out`);
  return { action, name, json: values.json, api: values.api };
}

async function inDatabase(config: CommandConfig, action: Action, name: string): Promise<LedgerLine[]> {
  const { databaseOwnerUrl: ownerUrl = "", databaseUrl: appUrl = "" } = config;
  // What makes tables takes a while to load: only where it is used.
  const ledgers = await import("#create-ledger");
  const { createLog } = await import("#infra");
  const log = createLog("silent");
  if (action === "list") return [DEFAULT, ...(await ledgers.registeredLedgers(ownerUrl)).map(lineOf)];
  if (action === "detach") {
    const known = (await ledgers.registeredLedgers(ownerUrl)).filter((ledger) => ledger.name === name);
    await ledgers.detachLedger(ownerUrl, name);
    return known.map((ledger) => ({ ...lineOf(ledger), state: "detached" }));
  }
  return [lineOf(await ledgers.createLedger({ name, ownerUrl, appUrl, attach: action === "attach" }, log))];
}

async function move(config: CommandConfig, io: CommandIo, name: string, json: boolean): Promise<number> {
  const { databaseOwnerUrl: fromOwnerUrl } = config;
  const { TO_DATABASE_OWNER_URL: toOwnerUrl, TO_DATABASE_URL: toAppUrl } = io.env;
  if (!fromOwnerUrl || !toOwnerUrl || !toAppUrl) {
    io.stderr.write(
      "anchorbook ledger: move needs DATABASE_OWNER_URL and DATABASE_URL of the database it is in, TO_DATABASE_OWNER_URL and TO_DATABASE_URL of the other one\n",
    );
    return EXIT_FAILED;
  }
  const { moveLedger } = await import("#move-ledger");
  const { createLog } = await import("#infra");
  const moved = await moveLedger({ name, fromOwnerUrl, toOwnerUrl, toAppUrl }, createLog("silent"));
  if (json) io.stdout.write(`${JSON.stringify(moved ?? { name, tables: [] })}\n`);
  else if (!moved) io.stdout.write(`${name} was copied and opened by an earlier call\n`);
  else {
    for (const { table, rows, fingerprint } of moved.tables)
      if (rows > 0) io.stdout.write(`${table}  ${counted(rows, "row")}  ${fingerprint}\n`);
    io.stdout.write(`${name}  ${counted(moved.journalLines, "line")} of the journal, moved and compared\n`);
    if (moved.waitingTransfers > 0)
      io.stdout.write(
        `not decided on, waiting until both ledgers are in one server again: ${counted(moved.waitingTransfers, "transfer")}\n`,
      );
  }
  return EXIT_OK;
}

async function overHttp(
  io: CommandIo,
  { action, name, api }: Pick<Options, "action" | "name" | "api">,
): Promise<LedgerLine[] | null> {
  if (action === "attach" || action === "detach") return null;
  const client = await connectApi(io.env, { api });
  if (action === "create") {
    const hint = `It may have been made all the same: anchorbook ledger list shows it then, and the same command goes on with it`;
    return [await client.postWork<LedgerLine>("/api/v1/admin/ledgers", { name }).catch(orHint(hint))];
  }
  return [DEFAULT, ...(await client.get<{ ledgers: LedgerLine[] }>("/api/v1/admin/ledgers")).ledgers];
}

function lineOf(ledger: { name: string; schema: string; state: string; createdAt: Date }): LedgerLine {
  const { name, schema, state, createdAt } = ledger;
  return { name, schema, state, created_at: createdAt.toISOString() };
}

function describe(lines: readonly LedgerLine[]): string {
  return lines
    .map(({ name, schema, state, created_at }) => {
      const made = created_at === null ? "of every server" : `made ${created_at}`;
      return `${name}  schema ${schema}  ${state}  ${made}\n`;
    })
    .join("");
}
