/** The options that audit and attest share: whose book, whose word, and what is kept. */
import type { ParseArgsConfig, parseArgs } from "node:util";
import { loadConfig } from "#config";
import type { CommandIo } from "../command.ts";
import { readNoteKeys, wholeNumber } from "../log/options.ts";
import { requireAddress, requireUrl } from "../option-checks.ts";
import { readArgs } from "../read-args.ts";
import type { LogTrustOptions } from "./checkpoint-check.ts";

export interface AuditOptions {
  /** Empty: what the API says. */
  readonly rpcs: readonly string[];
  readonly api: string;
  readonly registry: string | undefined;
  readonly ledger: string | undefined;
  readonly asset: string | undefined;
  readonly state: string | undefined;
  readonly trust: LogTrustOptions;
  readonly depth: number;
  readonly follow: boolean;
  readonly everyMs: number;
  readonly metricsPort: number | undefined;
  readonly metricsHost: string;
  readonly json: boolean;
  /** How long an answer of the server is waited for. */
  readonly answerSeconds: number;
}

/** As deep as a server takes a block for final where nothing else is said. */
const DEFAULT_DEPTH = 64;
const DEFAULT_EVERY_SECONDS = 60;
const MOST_PORT = 65_535;

export const AUDIT_ARGUMENTS = {
  rpc: { type: "string", multiple: true, default: [] },
  api: { type: "string" },
  registry: { type: "string" },
  ledger: { type: "string" },
  asset: { type: "string" },
  state: { type: "string" },
  key: { type: "string", multiple: true, default: [] },
  witness: { type: "string", multiple: true, default: [] },
  quorum: { type: "string" },
  "finality-depth": { type: "string" },
  follow: { type: "boolean", default: false },
  every: { type: "string" },
  "metrics-port": { type: "string" },
  "metrics-host": { type: "string", default: "127.0.0.1" },
  json: { type: "boolean", default: false },
} as const satisfies ParseArgsConfig["options"];

export const AUDIT_SOURCES_HELP = `  --rpc URL            the chain; default RPC_URL, else what the API says. Given twice,
                       both are asked, and what they say must be the same
  --api URL            the server; default ANCHORBOOK_API, else the local one
  --registry ADDRESS   this registry's book; without it the API's word is taken
`;
export const AUDIT_OPTIONS_USAGE = `         [--ledger NAME] [--asset CODE] [--key KEY]… [--witness KEY]… [--quorum N]
         [--finality-depth N] [--follow [--every SECONDS] [--metrics-port N]
         [--metrics-host HOST]] [--json]
`;
export const AUDIT_OPTIONS_HELP = `  --ledger NAME        another ledger than the default one
  --asset CODE         the book of this asset, where the ledger has several
  --state DIR          keep what was checked there, and go on from it next time
  --key KEY            the log's key (name+id+base64); without it the API's word is taken
  --witness KEY        a witness who must have seen every checkpoint; several times
  --quorum N           how many of the witnesses are enough; default all
  --finality-depth N   so many blocks make an event of the chain final; default ${DEFAULT_DEPTH}
  --follow             go on for ever, and end at the first lie
  --every SECONDS      how often then; default ${DEFAULT_EVERY_SECONDS}
  --metrics-port N     serve Prometheus metrics there (0: any free port)
  --metrics-host HOST  default 127.0.0.1
`;

/** Of what `--json` prints. */
export const STOPPED_HELP = `stopped: null, or why the book
                       does not go on, a veto or a freeze, which is nobody's lie;`;

/** A node that is named twice is one, and has nobody to be held against. */
function distinct(rpcs: readonly string[], io: CommandIo): readonly string[] {
  const byUrl = new Map(rpcs.map((url) => [sameForAll(url), url]));
  if (byUrl.size < rpcs.length)
    io.stderr.write(
      "note: --rpc names one and the same node more than once: it is asked as the one that it is, and adds nothing to itself\n",
    );
  return [...byUrl.values()];
}

/** As a URL writes them: what is sent to any of them stays on this machine, and comes to the same port. */
const THIS_MACHINE: readonly string[] = [
  ...["localhost", "localhost.", "127.0.0.1", "0.0.0.0"],
  // The last two are ::ffff:127.0.0.1 and ::ffff:0.0.0.0.
  ...["[::1]", "[::]", "[::ffff:7f00:1]", "[::ffff:0:0]"],
];

/** The names of this machine are one; so is an address with and without its port, where that is the usual one, and its last slash. */
function sameForAll(text: string): string {
  const url = new URL(text);
  if (THIS_MACHINE.includes(url.hostname)) url.hostname = "localhost";
  return url.href.replace(/\/+$/, "");
}

/** @throws Error that says what is wrong with the usage */
export function readAuditOptions(args: readonly string[], io: CommandIo): AuditOptions {
  return auditOptionsOf(readArgs({ args: [...args], options: AUDIT_ARGUMENTS }).values, io);
}

export type AuditArguments = ReturnType<
  typeof parseArgs<{ options: typeof AUDIT_ARGUMENTS; args: string[] }>
>["values"];

export function auditOptionsOf(values: AuditArguments, io: CommandIo): AuditOptions {
  const urls = [...values.rpc.map((url) => ["rpc", url] as const), ["api", values.api] as const];
  for (const [name, url] of urls) requireUrl(`--${name}`, url);
  requireAddress("--registry", values.registry);
  const every = wholeNumber("--every", values.every) ?? DEFAULT_EVERY_SECONDS;
  if (every === 0) throw new Error("--every must be at least a second");
  if (values.every !== undefined && !values.follow) throw new Error("--every belongs to --follow");
  const metricsPort = wholeNumber("--metrics-port", values["metrics-port"]);
  if (metricsPort !== undefined && (metricsPort > MOST_PORT || !values.follow))
    throw new Error("--metrics-port belongs to --follow, and is at most 65535");
  const config = loadConfig(io.env);
  const rpcs =
    values.rpc.length > 0 || config.rpcUrl === undefined ? distinct(values.rpc, io) : [config.rpcUrl];
  return {
    ...{ rpcs, api: values.api ?? config.api, registry: values.registry },
    ...{ ledger: values.ledger, asset: values.asset },
    ...{ state: values.state, follow: values.follow, everyMs: every * 1_000, json: values.json },
    trust: readNoteKeys(values),
    depth: wholeNumber("--finality-depth", values["finality-depth"]) ?? DEFAULT_DEPTH,
    ...{ metricsPort, metricsHost: values["metrics-host"], answerSeconds: config.answerSeconds },
  };
}
