/**
 * `anchorbook audit`: recomputes every epoch from the published journal and
 * leaves and compares all that the API serves with the chain. It needs the
 * chain's logs and latest state only, no database and no token.
 */
import { parseArgs } from "node:util";
import { loadConfig } from "#config";
import { isAddress } from "#proof";
import { ApiSource } from "./audit/api-source.ts";
import type { AuditCheck } from "./audit/checks.ts";
import type { Audit } from "./audit/run-audit.ts";
import { type Command, type CommandIo, EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "./command.ts";
import { startProgress } from "./progress.ts";

const HELP = `Usage: anchorbook audit [--rpc URL] [--api URL] [--registry ADDRESS] [--ledger NAME]
                        [--json]

Recomputes every epoch and compares what the API serves with what the chain says:
the chain of headers without a gap, the journal replayed from its first line and
its root in every epoch, the published leaves line by line against that replay,
every root, sum and count, the tokens held against what is owed, and the final
roots in the custodians. It stops at the first lie and says where it stands.

  --rpc URL            the chain; default RPC_URL, else what the API says
  --api URL            the server; default ANCHORBOOK_API, else the local one
  --registry ADDRESS   audit this registry; without it the API's word is taken
  --ledger NAME        another ledger than the default one
  --json               print { valid, epochs, lines, checks: [{ name, ok, detail, … }] }
  -h, --help           print this

Exit code: 0 everything agrees, 1 something does not or cannot be read, 2 bad usage.
`;

interface Options {
  readonly rpc: string | undefined;
  readonly api: string;
  readonly registry: string | undefined;
  readonly ledger: string | undefined;
  readonly json: boolean;
}

const NAME_WIDTH = "header_chain".length;

export const auditCommand: Command = {
  name: "audit",
  summary: "recompute every epoch and compare the server with the chain",
  help: HELP,
  async run(args, io) {
    let options: Options;
    try {
      options = readOptions(args, io);
    } catch (error) {
      io.stderr.write(`anchorbook audit: ${error instanceof Error ? error.message : "bad usage"}\n`);
      io.stderr.write("Try: anchorbook audit --help\n");
      return EXIT_USAGE;
    }
    let audit: Audit;
    try {
      audit = await auditOf(options, io);
    } catch (error) {
      // Nothing was found false, but nothing was shown either; a machine gets that in the same form.
      if (options.json) io.stdout.write(`${toJson(unreadable(error))}\n`);
      throw error;
    }
    io.stdout.write(options.json ? `${toJson(audit)}\n` : summary(audit, options));
    return audit.valid ? EXIT_OK : EXIT_FAILED;
  },
};

async function auditOf(options: Options, io: CommandIo): Promise<Audit> {
  // What talks to a chain takes a while to load: only where it is used.
  const [{ connectChain }, { runAudit }] = await Promise.all([
    import("#infra"),
    import("./audit/run-audit.ts"),
  ]);
  const rpcUrl = options.rpc ?? (await new ApiSource(options.api, options.ledger).rpcUrl());
  const chain = await connectChain({ rpcUrl });
  try {
    return await runAudit({
      ...{ chain, api: options.api, ledger: options.ledger, registry: options.registry },
      ...reporters(options, io),
    });
  } finally {
    chain.close();
  }
}

function unreadable(error: unknown): Audit {
  const detail = error instanceof Error ? error.message : String(error);
  return { valid: false, epochs: 0, lines: 0n, checks: [{ name: "readable", ok: false, detail }] };
}

function readOptions(args: readonly string[], io: CommandIo): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rpc: { type: "string" },
      api: { type: "string" },
      registry: { type: "string" },
      ledger: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  for (const [name, url] of [
    ["rpc", values.rpc],
    ["api", values.api],
  ])
    if (url !== undefined && !/^https?:\/\//.test(url)) throw new Error(`--${name} must be an http(s) URL`);
  if (values.registry !== undefined && !isAddress(values.registry))
    throw new Error("--registry must be an address: 0x and 40 hex digits with a right checksum, if any");
  const config = loadConfig(io.env);
  return {
    rpc: values.rpc ?? config.rpcUrl,
    api: values.api ?? config.api,
    registry: values.registry,
    ledger: values.ledger,
    json: values.json,
  };
}

function reporters(options: Options, io: CommandIo) {
  let progress: ReturnType<typeof startProgress> | undefined;
  return {
    onCheck(check: AuditCheck): void {
      progress?.end(`replayed; ${check.name} …`);
      progress = undefined;
      if (options.json) return;
      io.stdout.write(`${check.ok ? "ok  " : "FAIL"}  ${check.name.padEnd(NAME_WIDTH)}  ${check.detail}\n`);
    },
    onProgress(lines: bigint, total: bigint, epoch: bigint): void {
      if (options.json) return;
      progress ??= startProgress(io.stderr, "journal", Number(total));
      progress.update(Number(lines), `epoch ${epoch}`);
    },
  };
}

function summary({ valid, epochs, lines, checks }: Audit, options: Options): string {
  if (!valid) return `NOT valid: ${checks.at(-1)?.detail}\n`;
  const note = options.registry ? "" : "; the registry is the API's own word (--registry ADDRESS pins it)";
  return `valid: ${epochs} epochs, ${lines} journal lines${note}\n`;
}

function toJson(audit: Audit): string {
  const plain = { ...audit, lines: Number(audit.lines) };
  return JSON.stringify(plain, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value));
}
