/**
 * The server process: settings, the embedded stack where the settings name
 * nothing else, migrations, contracts, API and jobs; and all of it stopped again
 * in the opposite order, whatever happened. Wiring is in compose.ts.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setFlagsFromString } from "node:v8";
import { listen } from "#api";
import { type Config, ConfigError, loadServerConfig } from "#config";
import { startDevStack } from "#devstack";
import {
  createLog,
  FolderInUse,
  FolderRefused,
  isChainUnavailable,
  isConnectionLost,
  type Log,
  lockFolder,
} from "#infra";
import { compose } from "./compose.ts";
import { ensureContracts } from "./deployment.ts";
import { assertMigrated, assertOwnsNothing, LEDGER_SCHEMA, migrate } from "./migrate.ts";
import { assertSettleInterval, SettlesTooOften } from "./settle-interval.ts";
import { StartRefused } from "./start-refused.ts";
import { listenForStop, type StopSignals } from "./stop-signals.ts";

/** Started parts with how to stop them, in the order of their start. */
type Undo = (() => Promise<void> | void)[];

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

// What a batch allocates is dead when its units are answered. V8 learns the opposite while a server starts under load, puts
// it into the old heap from then on, and keeps what it points to: a tenth of a second of collection every ten seconds.
setFlagsFromString("--no-allocation-site-pretenuring");

process.exit(await main());

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.length > 0) return refuseArguments(args);
  let config: Config;
  try {
    config = loadServerConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT_FAILED;
  }
  const log = createLog(config.logLevel);
  const signals = listenForStop((code) => process.exit(code));
  const undo: Undo = [];
  let exitCode = 0;
  try {
    await start(config, log, signals, undo);
    if (signals.reason === undefined) log.info({ reason: await signals.requested }, "stopping");
  } catch (error) {
    exitCode = EXIT_FAILED;
    explain(error, config, log);
  }
  if (!(await unwind(undo, log))) exitCode = EXIT_FAILED;
  return exitCode;
}

/** A port that was asked for and not listened on would be found out later: settings are in the environment alone. */
function refuseArguments(args: readonly string[]): number {
  const isHelp = args.every((arg) => arg === "--help" || arg === "-h");
  (isHelp ? process.stdout : process.stderr).write(
    `${isHelp ? "" : `npm start takes no arguments, and was given ${args.join(" ")}\n`}Usage: npm start

Starts the server. Settings are environment variables or lines of a .env file, as in
  PORT=3001 DATA_DIR=elsewhere npm start
"npx anchorbook config" prints what is in force; the README has all of them.
`,
  );
  return isHelp ? 0 : EXIT_USAGE;
}

/** Between any two steps a wish to stop ends the start. */
async function start(config: Config, log: Log, signals: StopSignals, undo: Undo): Promise<void> {
  const version = packageVersion();
  say(
    `Anchorbook ${version} (${config.nodeEnv}): API on ${config.host}:${config.port}, data in ${config.dataDir}`,
  );
  const folder = lockFolder(config.dataDir);
  undo.push(() => folder.release());
  await assertPortIsFree(config.host, config.port);

  const stack = await startDevStack(config, log);
  undo.push(() => stack.stop());
  say(`running on ${stack.describe()}`);
  if (config.nodeEnv === "production" && (!config.databaseUrl || !config.rpcUrl))
    log.warn(
      {},
      "NODE_ENV is production, but the embedded database or chain is for development: docs/operations.md",
    );
  if (signals.reason !== undefined) return;

  await prepareDatabase(config, stack, log);
  if (signals.reason !== undefined) return;
  const contracts = await ensureContracts(stack, config, log);
  assertSettleInterval(config.settleCron, contracts);
  if (signals.reason !== undefined) return;

  const application = await compose({ config, log, stack, contracts, schema: LEDGER_SCHEMA, version });
  undo.push(() => application.stop());
  const { app, lifecycle } = application;
  const server = await listen(app, { host: config.host, port: config.port, lifecycle });
  undo.push(() => server.close());
  await application.start();
  say(`anchorbook ready http://${reachableHost(config.host)}:${server.port}`);
}

async function prepareDatabase(
  config: Config,
  stack: { databaseUrl: string; databaseOwnerUrl: string | undefined },
  log: Log,
): Promise<void> {
  try {
    if (stack.databaseOwnerUrl)
      await migrate(
        { ownerUrl: stack.databaseOwnerUrl, appUrl: stack.databaseUrl, schema: LEDGER_SCHEMA },
        log,
      );
    else await assertMigrated(stack.databaseUrl, LEDGER_SCHEMA);
    if (config.nodeEnv === "production") await assertOwnsNothing(stack.databaseUrl);
  } catch (cause) {
    if (!isConnectionLost(cause)) throw cause;
    const setting = stack.databaseOwnerUrl ? "DATABASE_OWNER_URL or DATABASE_URL" : "DATABASE_URL";
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartRefused(
      `The database of ${setting} does not answer (${reason}). Start it, or mend the setting.`,
      {
        cause,
      },
    );
  }
}

/** Asked before anything is started; whoever takes it in between is still refused when the API listens. */
function assertPortIsFree(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (cause) =>
      reject(
        new StartRefused(
          `${host}:${port} cannot be used (${"code" in cause ? cause.code : cause.message}): another program listens there, or this one may not. Stop that program, or set PORT.`,
          { cause },
        ),
      ),
    );
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}

async function unwind(undo: Undo, log: Log): Promise<boolean> {
  let clean = true;
  for (const stop of undo.toReversed()) {
    try {
      await stop();
    } catch (error) {
      clean = false;
      log.error({ err: error }, "a part did not stop cleanly");
    }
  }
  return clean;
}

/** Once: what was foreseen in a sentence, anything else in the log, with its stack, and where a person sits before it also so. */
function explain(error: unknown, { nodeEnv, logLevel }: Config, log: Log): void {
  const foreseen =
    [ConfigError, FolderInUse, FolderRefused, SettlesTooOften, StartRefused].some(
      (kind) => error instanceof kind,
    ) || isChainUnavailable(error);
  if (!foreseen) log.error({ err: error }, "anchorbook did not start");
  const isLogged = !foreseen && logLevel !== "silent" && logLevel !== "fatal";
  if (isLogged && nodeEnv === "production") return;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`anchorbook did not start: ${message}\n`);
}

function packageVersion(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  );
  return manifest.version;
}

function reachableHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
