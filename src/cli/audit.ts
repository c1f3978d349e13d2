/**
 * `anchorbook audit`: recomputes every epoch from the published journal and
 * leaves and compares all that the API serves with the chain. It needs the
 * chain's logs, its latest state and the blocks of the deployment, no database
 * and no token.
 */
import { counted } from "#kernel";
import type { AuditOptions } from "./audit/audit-options.ts";
import {
  AUDIT_OPTIONS_HELP,
  AUDIT_OPTIONS_USAGE,
  AUDIT_SOURCES_HELP,
  readAuditOptions,
} from "./audit/audit-options.ts";
import type { AuditCheck } from "./audit/checks.ts";
import type { Following } from "./audit/follow.ts";
import type { OpenAuditor, Reporters } from "./audit/open-auditor.ts";
import type { Audit } from "./audit/run-audit.ts";
import { asUsage, type Command, type CommandIo, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { explainError } from "./explain-error.ts";
import { startProgress } from "./progress.ts";

const HELP = `Usage: anchorbook audit [--rpc URL]… [--api URL] [--registry ADDRESS] [--state DIR]
${AUDIT_OPTIONS_USAGE}
Recomputes every epoch and compares what the API serves with what the chain says:
the contracts' own code, by the transactions that created them, the chain of headers
without a gap, the journal replayed from its first line and its root in every epoch,
the published leaves line by line against that replay, every root, sum and count, the
log's checkpoints, the lines of chain events, entries, claims and demands, the tokens
held against what is owed, and the final roots in the custodians. It stops at the first
lie and says where it stands. With --state each run looks only at what is new since the
last one.

${AUDIT_SOURCES_HELP}${AUDIT_OPTIONS_HELP}  --json               print { valid, epochs, lines, stopped, checks: [{ name, ok, detail, … }] };
                       stopped: null, or why the book does not go on, a veto or a freeze,
                       which is nobody's lie
  -h, --help           print this

Exit code: 0 everything agrees, 1 something does not or cannot be read, 2 bad usage.
`;

const NAME_WIDTH = "header_chain".length;

export const auditCommand: Command = {
  name: "audit",
  summary: "recompute every epoch and compare the server with the chain",
  help: HELP,
  async run(args, io) {
    const options = asUsage(() => readAuditOptions(args, io));
    // What talks to a chain takes a while to load: only where it is used.
    const { openAuditor } = await import("./audit/open-auditor.ts");
    let open: OpenAuditor | undefined;
    let following: Following | undefined;
    try {
      following = await followingOf(options, io);
      open = await openAuditor(options, reporters(options, io, following));
      if (following) return await followBook(following, open, options, io);
      const audit = await open.auditor.run();
      io.stdout.write(options.json ? `${auditToJson(audit)}\n` : summary(audit, options));
      return audit.valid ? EXIT_OK : EXIT_FAILED;
    } catch (error) {
      // Nothing was found false, but nothing was shown either; a machine gets that in the same form.
      if (options.json) io.stdout.write(`${auditToJson(unreadable(error))}\n`);
      throw error;
    } finally {
      await open?.close();
      await following?.close();
    }
  },
};

export async function followingOf(options: AuditOptions, io: CommandIo): Promise<Following | undefined> {
  if (!options.follow) return undefined;
  const { startFollowing } = await import("./audit/follow.ts");
  return await startFollowing(options, io);
}

async function followBook(
  following: Following,
  { auditor }: OpenAuditor,
  options: AuditOptions,
  io: CommandIo,
): Promise<number> {
  const lie = await following.run(auditor, {
    async onValid(audit: Audit) {
      io.stdout.write(options.json ? `${auditToJson(audit)}\n` : summary(audit, options));
    },
    unreadable: "could not be read",
  });
  if (!lie) return EXIT_OK;
  io.stdout.write(options.json ? `${auditToJson(lie)}\n` : summary(lie, options));
  return EXIT_FAILED;
}

function unreadable(error: unknown): Audit {
  const detail = explainError(error);
  return {
    valid: false,
    epochs: 0,
    lines: 0n,
    stopped: null,
    checks: [{ name: "readable", ok: false, detail }],
  };
}

/**
 * Where every run of many would say the same, only what is wrong is told; and how far it has come only until the journal
 * was replayed once.
 */
export function reporters(
  options: Pick<AuditOptions, "json" | "follow">,
  io: CommandIo,
  following?: Pick<Following, "metrics">,
): Reporters {
  let progress: ReturnType<typeof startProgress> | undefined;
  let replayed = false;
  return {
    onCheck(check: AuditCheck): void {
      replayed ||= check.name === "journal";
      if (replayed || !check.ok) {
        progress?.end(check.ok ? "journal replayed; now the other checks" : "stopped");
        progress = undefined;
      }
      if (options.json || (options.follow && check.ok)) return;
      io.stdout.write(`${check.ok ? "ok  " : "FAIL"}  ${check.name.padEnd(NAME_WIDTH)}  ${check.detail}\n`);
    },
    onProgress(lines: bigint, total: bigint, epoch: bigint): void {
      following?.metrics.progress(lines, total);
      if (options.json || replayed) return;
      progress ??= startProgress(io.stderr, "journal", Number(total), Number(lines));
      progress.update(Number(lines), `epoch ${epoch}`);
    },
  };
}

function summary({ valid, epochs, lines, stopped, checks }: Audit, options: AuditOptions): string {
  if (!valid) return `NOT valid: ${checks.at(-1)?.detail}\n`;
  const registry = options.registry
    ? ""
    : "; the registry is the API's own word (--registry ADDRESS pins it)";
  const node = options.rpcs.length > 0 ? "" : "; the node is the API's own (--rpc URL asks another)";
  const note = (stopped === null ? "" : `; ${stopped}`) + registry + node;
  return `valid: ${counted(epochs, "epoch")}, ${counted(lines, "journal line")}${note}\n`;
}

export function auditToJson(audit: Audit): string {
  const plain = { ...audit, lines: Number(audit.lines) };
  return JSON.stringify(plain, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value));
}
