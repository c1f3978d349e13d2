/**
 * `anchorbook log`: fetches and checks what the journal's log says: a checkpoint,
 * that it continues an earlier one, and that a line stands in it. `verify` needs
 * neither server nor database.
 */
import { counted } from "#kernel";
import {
  formatNote,
  formatSignatureLine,
  formatTlogProof,
  isKeyOf,
  type OpenCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseSignatureLine,
  toSafeInteger,
} from "#proof";
import {
  type Check,
  type CheckpointVerification,
  conclude,
  type LogTrust,
  type Verification,
  verifyCheckpoint,
  verifyContinuity,
  verifyLogProof,
} from "#verifier";
import { asUsage, type Command, type CommandIo, EXIT_FAILED, EXIT_OK, UsageError } from "./command.ts";
import { explainError } from "./explain-error.ts";
import { readInput, writeOutput } from "./files.ts";
import { type LogOptions, readLogOptions } from "./log/options.ts";
import { ServedLog } from "./log/served-log.ts";
import { otherFile } from "./other-file.ts";

const HELP = `Usage: anchorbook log checkpoint [--size N] [--since FILE] [--out FILE] [KEYS] [SERVER]
       anchorbook log prove LINE [--size N] [--out FILE] [--line TEXT] [KEYS] [SERVER]
       anchorbook log verify FILE --key KEY [--line TEXT] [KEYS] [--json]
       anchorbook log submit URL --witness KEY [--size N] [KEYS] [SERVER]
KEYS:  [--key KEY]… [--witness KEY]… [--quorum N]
SERVER: [--ledger NAME] [--api URL] [--json]

checkpoint  fetches a checkpoint (a C2SP signed note) and checks its signatures
prove       fetches the proof that line LINE (from 0) stands in the log, checks it
            and saves it as a C2SP tlog-proof
verify      checks such a file, without server or database; proofs of positions are
            checked by "anchorbook verify"
submit      has a witness that speaks C2SP tlog-witness cosign a checkpoint, and
            brings its cosignature to the log, which has to know the witness

  --key KEY      the log's key (name+id+base64); more than one after a change of
                 keys. Without it the API's word is taken, and said so
  --witness KEY  a witness whose cosignature counts; may be given several times
  --quorum N     how many witnesses must have signed; default all that are given
  --size N       the checkpoint of N lines; default the newest
  --since FILE   an earlier checkpoint: check that the log only grew since
  --line TEXT    the line to look for, in place of the one that the file carries
  --out FILE     where to save; default line-LINE.tlog-proof, for checkpoints none
  --ledger NAME  another ledger than the default one
  --api URL      the server; default ANCHORBOOK_API, else the local one
  --json         print { valid, checks: [{ name, ok, detail }] }
  -h, --help     print this

Exit code: 0 every check holds, 1 one does not, 2 bad usage.
`;

/** `other`: what the file is instead, as a line. */
type Found = Verification & { readonly notes?: readonly string[]; readonly other?: string };
type Action = (options: LogOptions) => Promise<Found>;

const ACTIONS: Readonly<Record<string, Action>> = { checkpoint, prove, verify, submit };

export const logCommand: Command = {
  name: "log",
  summary: "fetch and check a checkpoint of the journal's log, or the proof of a line",
  help: HELP,
  async run([name = "", ...args], io) {
    const action = ACTIONS[name];
    if (!action) throw new UsageError(`use one of ${Object.keys(ACTIONS).join(", ")}`);
    const options = asUsage(() => readLogOptions(args, io));
    asUsage(() => checkUsage(name, options));
    const { notes, other = "", ...verification } = await action(options);
    if (!options.json) io.stdout.write(other);
    print(verification, notes ?? [], options, io);
    return verification.valid ? EXIT_OK : EXIT_FAILED;
  },
};

function checkUsage(name: string, { positionals, logKeys, witnesses }: LogOptions): void {
  const [first, ...others] = positionals;
  if (name === "checkpoint" ? first !== undefined : first === undefined || others.length > 0)
    throw new Error(
      {
        checkpoint: "checkpoint takes no argument",
        prove: "the number of one line is needed",
        submit: "the URL of one witness is needed",
      }[name] ?? "exactly one proof file is needed",
    );
  if (name === "submit" && !/^https?:\/\//.test(first ?? ""))
    throw new Error("the witness must be an http(s) URL");
  if (name === "submit" && witnesses.length === 0)
    throw new Error("submit needs --witness: the witness's key");
  if (name === "prove" && !isLine(first ?? ""))
    throw new Error(`"${first}" is no line: they are counted from 0`);
  if (name === "verify" && logKeys.length === 0)
    throw new Error("verify needs --key: a proof without a key that you trust proves nothing");
}

function isLine(text: string): boolean {
  return /^(0|[1-9]\d*)$/.test(text);
}

async function checkpoint(options: LogOptions) {
  const served = new ServedLog(options);
  const { note, trust, notes } = await fetchCheckpoint(options, served);
  const found = await verifyCheckpoint(note, trust);
  const checks = [...found.checks, ...(await continuity(options, served, trust, found))];
  const verification = conclude(checks);
  if (verification.valid && options.out !== undefined) await writeOutput(options.out, note);
  return { ...verification, notes };
}

/** @throws Error that names the file: of the checkpoints in play only this one comes from it */
async function openEarlier(file: string, { logKeys }: LogTrust): Promise<OpenCheckpoint> {
  const note = await readInput(file);
  return openCheckpoint(note, logKeys).catch((error: unknown) => {
    throw new Error(`${file} is no checkpoint of this log: ${explainError(error)}`, { cause: error });
  });
}

/** Where an earlier checkpoint is given: does this one continue it? */
async function continuity(
  { since }: LogOptions,
  served: ServedLog,
  trust: LogTrust,
  { checkpoint: later }: CheckpointVerification,
): Promise<Check[]> {
  if (since === undefined || !later) return [];
  const earlier = await openEarlier(since, trust);
  if (earlier.size > later.size)
    return [
      {
        ...{ name: "consistency", ok: false },
        detail: `the log has ${counted(later.size, "line")}, it had ${earlier.size}`,
      },
    ];
  const proof = earlier.size === 0n ? [] : await served.consistency(earlier.size, later.size);
  return [verifyContinuity(earlier, later, proof)];
}

async function prove(options: LogOptions) {
  const served = new ServedLog(options);
  const { note, trust, notes } = await fetchCheckpoint(options, served);
  const wanted = BigInt(options.positionals[0] ?? "");
  const { checkpoint: signed, ...verification } = await verifyCheckpoint(note, trust);
  if (!signed) return { ...verification, notes };
  if (wanted >= signed.size)
    throw new Error(
      `the log has no line ${wanted} (yet): its checkpoint holds ${counted(signed.size, "line")}, counted from 0`,
    );
  const index = toSafeInteger(wanted, "line");
  const { line, proof } = await served.inclusion(index, signed.size);
  const file = formatTlogProof({
    ...{ index: BigInt(index), hashes: proof, checkpoint: note },
    line: new TextEncoder().encode(line),
  });
  const verified = await verifyLogProof(file, trust, options.line);
  if (!verified.valid) return { ...verified, notes };
  const out = options.out ?? `line-${index}.tlog-proof`;
  await writeOutput(out, file);
  return { ...verified, notes: [...notes, `saved as ${out}`, line] };
}

/** What a witness answers is checked here already: the log would refuse it with less to say. */
async function submit(options: LogOptions) {
  const served = new ServedLog(options);
  const { note, trust, notes } = await fetchCheckpoint(options, served);
  const { checkpoint: signed, ...verification } = await verifyCheckpoint(note, { ...trust, quorum: 0 });
  if (!signed) return { ...verification, notes };
  const [url = ""] = options.positionals;
  const { askWitness } = await import("#infra");
  const lines = await askWitness({
    ...{ url, note, size: signed.size },
    consistencyFrom: (from) => served.consistency(from, signed.size),
  });
  const signatures = lines.map(parseSignatureLine);
  const asked = signatures
    .filter((signature) => options.witnesses.some((key) => isKeyOf(key, signature)))
    .map(formatSignatureLine);
  if (asked.length === 0) throw new Error("the witness's cosignature is of no key that --witness names");
  const { text, signatures: own } = parseNote(note);
  const cosigned = formatNote({ text, signatures: [...own, ...signatures] });
  const found = await verifyCheckpoint(cosigned, trust);
  if (!found.valid) return { ...found, notes };
  for (const line of asked) await served.cosign(signed.size, line);
  const taken = await served.checkpoint(toSafeInteger(signed.size, "size"));
  const { checks } = await verifyCheckpoint(taken.note, trust);
  return { ...conclude(checks), notes };
}

async function verify(options: LogOptions) {
  const [path = ""] = options.positionals;
  const file = await readInput(path);
  const found = await verifyLogProof(file, options, options.line);
  return { ...found, other: found.valid ? "" : otherFile(file, "line") };
}

interface Fetched {
  readonly note: string;
  readonly trust: LogTrust;
  readonly notes: readonly string[];
}

/** @throws Error where the server answers with another size than was asked for */
async function fetchCheckpoint(options: LogOptions, served: ServedLog): Promise<Fetched> {
  const { size, logKeys, witnesses, quorum } = options;
  const { note, key } = await served.checkpoint(size);
  if (size !== undefined && parseCheckpoint(parseNote(note).text).size !== BigInt(size))
    throw new Error(`the server answers with a checkpoint of another size than ${size}`);
  if (logKeys.length > 0) return { note, trust: { logKeys, witnesses, quorum }, notes: [] };
  const notes = ["the log's key is the API's own word (--key pins it)"];
  return { note, trust: { logKeys: [key], witnesses, quorum }, notes };
}

function print(
  { valid, checks }: Verification,
  notes: readonly string[],
  { json }: LogOptions,
  io: CommandIo,
): void {
  if (json) {
    io.stdout.write(`${JSON.stringify({ valid, checks })}\n`);
    return;
  }
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const { name, ok, detail } of checks)
    io.stdout.write(`${ok ? "ok  " : "FAIL"}  ${name.padEnd(width)}  ${detail}\n`);
  for (const note of notes) io.stdout.write(`${note}\n`);
  const failed = checks.filter((check) => !check.ok).length;
  io.stdout.write(valid ? "valid\n" : `NOT valid: ${failed} of ${checks.length} checks failed\n`);
}
