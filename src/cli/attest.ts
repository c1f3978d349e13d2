/**
 * `anchorbook attest`: an attester of a book. It audits as `anchorbook audit
 * --state` does, signs every committed epoch that it found to agree, and gives the
 * signature to the server; on a lie it signs nothing and says why.
 */
import type { AttestOutcome, EpochAttester, NotFinalYet } from "./attest/epoch-attester.ts";
import {
  AUDIT_ARGUMENTS,
  AUDIT_OPTIONS_HELP,
  AUDIT_OPTIONS_USAGE,
  type AuditOptions,
  auditOptionsOf,
  STOPPED_HELP,
} from "./audit/audit-options.ts";
import type { Following } from "./audit/follow.ts";
import type { OpenAuditor } from "./audit/open-auditor.ts";
import type { Audit } from "./audit/run-audit.ts";
import { followingOf, reporters } from "./audit.ts";
import { asUsage, type Command, type CommandIo, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { readPrivateKey } from "./private-key.ts";
import { readArgs } from "./read-args.ts";

const HELP = `Usage: anchorbook attest --key-file FILE --state DIR --registry ADDRESS --rpc URL…
         [--api URL] [--finalize]
${AUDIT_OPTIONS_USAGE}
Audits the book and signs each committed epoch that agrees with everything: EIP-712
Attest(bytes32 headerHash). The signature goes to the server, which makes the epoch
final once the challenge window is over and enough attesters signed. At a lie nothing
is signed. Two headers are never signed for one epoch, but where the first was vetoed
on the chain; what was signed is kept in the state folder.

  --key-file FILE      the attester's private key (0x and 64 hex digits)
  --finalize           send finalize as well, with the signatures that the server has,
                       from the same key, where nobody else did; where it is too early
                       for that it says what the epoch waits for. It tells the hash of
                       each transaction
  --rpc URL            a node that is not the operator's; default RPC_URL. Given twice,
                       both are asked, and what they say must be the same
  --api URL            the server; default ANCHORBOOK_API, else the local one
  --registry ADDRESS   this registry's book
${AUDIT_OPTIONS_HELP}  --json               print { valid, epochs, lines, stopped, checks, signed, refused,
                       finalized, not_final }; ${STOPPED_HELP}
                       signed: { epoch, header_hash, again }; with --finalize finalized:
                       { epoch, tx_hash }, and not_final: null or { epoch, window_until,
                       is_window_open, attestations }
  -h, --help           print this

Exit code: 0 signed, or nothing was new; 1 a lie, or it could not be read; 2 bad usage.
`;

const NOTHING_DONE: AttestOutcome = {
  ...{ signed: [], refused: [], finalized: [], not_final: null, failure: null },
};

interface AttestOptions extends AuditOptions {
  readonly keyFile: string;
  readonly state: string;
  readonly registry: string;
  readonly finalize: boolean;
}

export const attestCommand: Command = {
  name: "attest",
  summary: "audit a book and sign the epochs that agree, as one of its attesters",
  help: HELP,
  async run(args, io) {
    const options = asUsage(() => readOptions(args, io));
    const privateKey = await readPrivateKey(options.keyFile);
    const [{ openAuditor }, { EpochAttester }] = await Promise.all([
      import("./audit/open-auditor.ts"),
      import("./attest/epoch-attester.ts"),
    ]);
    const following = await followingOf(options, io);
    let open: OpenAuditor | undefined;
    try {
      open = await openAuditor(options, { ...reporters(options, io, following), vouches: true });
      const attester = new EpochAttester({ ...options, ...open, privateKey });
      if (!following) await attester.requireAttester();
      return following
        ? await attestForEver(following, open, attester, options, io)
        : await attestOnce(open, attester, options, io);
    } finally {
      await open?.close();
      await following?.close();
    }
  },
};

function readOptions(args: readonly string[], io: CommandIo): AttestOptions {
  const { values } = readArgs({
    args: [...args],
    options: {
      ...AUDIT_ARGUMENTS,
      "key-file": { type: "string" },
      finalize: { type: "boolean", default: false },
    },
  });
  const options = auditOptionsOf(values, io);
  const { "key-file": keyFile, finalize } = values;
  const { state, registry } = options;
  if (keyFile === undefined) throw new Error("--key-file is needed: who signs");
  if (state === undefined) throw new Error("--state is needed: it keeps what was signed");
  if (registry === undefined) throw new Error("--registry is needed: an attester takes nobody's word for it");
  if (options.rpcs.length === 0)
    throw new Error("--rpc is needed: an attester has a node that is not the operator's");
  return { ...options, keyFile, state, registry, finalize };
}

async function attestOnce(
  { auditor }: OpenAuditor,
  attester: EpochAttester,
  options: AttestOptions,
  io: CommandIo,
): Promise<number> {
  const audit = await auditor.run();
  const outcome = audit.valid ? await attester.attest() : NOTHING_DONE;
  print(audit, outcome, options, io, stopText(audit.stopped, null));
  if (outcome.failure) throw outcome.failure;
  return audit.valid && outcome.refused.length === 0 ? EXIT_OK : EXIT_FAILED;
}

async function attestForEver(
  following: Following,
  { auditor }: OpenAuditor,
  attester: EpochAttester,
  options: AttestOptions,
  io: CommandIo,
): Promise<number> {
  let told = "";
  let stopped: string | null = null;
  const lie = await following.run(auditor, {
    async onValid(audit: Audit) {
      const { signed, refused, finalized, not_final, failure } = await attester.attest();
      // An epoch waits for hours, a book that is stopped for days: what for is told once.
      const waits = not_final === null ? told : waitsText(not_final);
      const stops = stopText(audit.stopped, stopped);
      const isNews = [signed, refused, finalized].some(({ length }) => length > 0);
      if (isNews || waits !== told || stops !== "") {
        const news = { signed, refused, finalized, not_final: waits === told ? null : not_final, failure };
        print(audit, news, options, io, stops);
      }
      told = waits;
      stopped = audit.stopped;
      if (failure) throw failure;
    },
    unreadable: "could not be done",
  });
  if (!lie) return EXIT_OK;
  print(lie, NOTHING_DONE, options, io);
  return EXIT_FAILED;
}

function print(
  audit: Audit,
  { signed, refused, finalized, not_final, failure }: AttestOutcome,
  options: AttestOptions,
  io: CommandIo,
  stops = "",
): void {
  if (options.json) {
    const plain = { ...audit, lines: Number(audit.lines), signed, refused, finalized, not_final };
    const text = JSON.stringify(plain, (_, value: unknown) =>
      typeof value === "bigint" ? Number(value) : value,
    );
    io.stdout.write(`${text}\n`);
    return;
  }
  if (!audit.valid) io.stdout.write(`NOT valid, nothing is signed: ${audit.checks.at(-1)?.detail}\n`);
  for (const { epoch, header_hash, again } of signed)
    io.stdout.write(
      again
        ? `epoch ${epoch} is signed already: ${header_hash}; handed in again\n`
        : `signed epoch ${epoch}: ${header_hash}\n`,
    );
  for (const why of refused) io.stdout.write(`REFUSED: ${why}\n`);
  if (audit.valid && !failure && signed.length === 0 && refused.length === 0 && !options.follow)
    io.stdout.write("nothing to sign\n");
  for (const { epoch, tx_hash } of finalized) io.stdout.write(`made epoch ${epoch} final: ${tx_hash}\n`);
  io.stdout.write(stops);
  if (not_final !== null) io.stdout.write(waitsText(not_final));
}

/** What is new of why the book does not go on; empty where nothing is. */
function stopText(now: string | null, before: string | null): string {
  if (now === before) return "";
  return now === null ? "the book goes on again\n" : `the book does not go on: ${now}\n`;
}

function waitsText({ epoch, window_until, is_window_open, attestations }: NotFinalYet): string {
  const { given, needed } = attestations;
  const waits = [
    ...(is_window_open ? [`its window until ${window_until} by the chain's clock`] : []),
    ...(given < needed ? [`${given} of ${needed} signatures so far`] : []),
  ];
  return `epoch ${epoch} is not final yet: ${waits.join("; ") || "its window is over only now"}\n`;
}
