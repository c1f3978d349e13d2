/**
 * `anchorbook verify`: checks one proof document, offline against its own header,
 * and with `--rpc` against the chain. Needs neither database nor server.
 */
import { toRfc3339 } from "#kernel";
import { type ProofDocument, parseJson, parseProof, toSafeInteger } from "#proof";
import { type Check, conclude, type Verification, verifyProof } from "#verifier";
import { asUsage, type Command, type CommandIo, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { readInput } from "./files.ts";
import { requireAddress, requireUrl } from "./option-checks.ts";
import { otherFile } from "./other-file.ts";
import { readArgs } from "./read-args.ts";

const HELP = `Usage: anchorbook verify PROOF.json [--rpc URL] [--registry ADDRESS] [--json]

Checks a proof document (anchorbook-proof/1): that its leaf stands under the root
and sum of its header, and that the header has the hash it names. Proofs of lines of
the journal (c2sp.org/tlog-proof) are checked by "anchorbook log verify".

  --rpc URL            ask the chain as well: is this header anchored for its epoch,
                       does the registry find the leaf in it, is the epoch final
  --registry ADDRESS   accept proofs of this registry only; without it the proof's own
                       registry is taken at its word
  --json               print { valid, checks: [{ name, ok, detail }] }
  -h, --help           print this

PROOF.json may be - for standard input. Exit code: 0 valid, 1 a check failed, 2 bad usage.
`;

interface Options {
  readonly file: string;
  readonly rpc: string | undefined;
  readonly registry: string | undefined;
  readonly json: boolean;
}

export const verifyCommand: Command = {
  name: "verify",
  summary: "check a proof document, offline or against the chain",
  help: HELP,
  async run(args, io) {
    const options = asUsage(() => readOptions(args));
    const document = await readInput(options.file);
    const verification = await verify(document, options);
    // What it is comes first: what is wrong with it as a proof says nothing to who took another file.
    if (!options.json && !verification.valid) io.stdout.write(otherFile(document, "position"));
    print(verification, parsed(document), options, io);
    return verification.valid ? EXIT_OK : EXIT_FAILED;
  },
};

function readOptions(args: readonly string[]): Options {
  const { values, positionals } = readArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rpc: { type: "string" },
      registry: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) throw new Error("exactly one proof file is needed");
  requireUrl("--rpc", values.rpc);
  requireAddress("--registry", values.registry);
  return { file, rpc: values.rpc, registry: values.registry?.toLowerCase(), json: values.json };
}

/** With `isSilent` a node was to be asked and did not answer. */
async function verify(
  document: string,
  options: Options,
): Promise<Verification & { readonly isSilent?: boolean }> {
  const offline = verifyProof(document);
  const proof = parsed(document);
  if (!proof) return offline;
  const pinned = options.registry === undefined ? [] : [pinnedCheck(proof, options.registry)];
  if (options.rpc === undefined || pinned.some((check) => !check.ok))
    return conclude([...offline.checks, ...pinned]);
  // Only here: what talks to a chain takes longer to load than all offline checks to run.
  const { checkOnChain } = await import("./verify-on-chain.ts");
  const { checks, isSilent } = await checkOnChain(proof, options.rpc);
  return { ...conclude([...offline.checks, ...pinned, ...checks]), isSilent };
}

function parsed(document: string): ProofDocument | undefined {
  try {
    return parseProof(parseJson(document, "proof"));
  } catch {
    return undefined;
  }
}

function pinnedCheck(proof: ProofDocument, registry: string): Check {
  const ok = proof.registry === registry;
  return {
    name: "pinned_registry",
    ok,
    detail: ok ? registry : `the proof is of registry ${proof.registry}, asked for is ${registry}`,
  };
}

function print(
  { valid, checks, isSilent }: Verification & { readonly isSilent?: boolean },
  proof: ProofDocument | undefined,
  options: Options,
  io: CommandIo,
): void {
  if (options.json) {
    io.stdout.write(`${JSON.stringify({ valid, checks })}\n`);
    return;
  }
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const { name, ok, detail } of checks)
    io.stdout.write(`${ok ? "ok  " : "FAIL"}  ${name.padEnd(width)}  ${detail}\n`);
  if (valid && proof) io.stdout.write(`${whatIsProved(proof)}\n`);
  const failed = checks.filter((check) => !check.ok).length;
  if (valid) io.stdout.write("valid");
  else if (isSilent && failed === 1)
    io.stdout.write("NOT decided: the file holds together, and the node could not be asked");
  else io.stdout.write(`NOT valid: ${failed} of ${checks.length} checks failed`);
  const notes = [
    ...(options.rpc === undefined ? ["the chain was not asked (--rpc URL)"] : []),
    ...(options.registry === undefined
      ? ["the registry is the proof's own word (--registry ADDRESS pins it)"]
      : []),
  ];
  io.stdout.write(notes.length > 0 ? `; ${notes.join("; ")}\n` : "\n");
}

/** The position in words: a newcomer takes the tree's sum for the amount otherwise. */
function whatIsProved({ section, leaf, epoch, header }: ProofDocument): string {
  const until = leaf.validUntil === 0n ? "" : `, until ${timeText(leaf.validUntil)}`;
  const held =
    leaf.amount === 0n
      ? "nothing any more (an amount of 0: it has ended)"
      : `${leaf.amount} base units${until}`;
  return `proved: position ${leaf.index} of ${section} held ${held}, in epoch ${epoch}, closed ${timeText(header.closedAt)}`;
}

/** The last second that a calendar of four-digit years holds. */
const LAST_SECOND = 253_402_300_799n;

function timeText(time: bigint): string {
  return time > LAST_SECOND ? `second ${time}` : toRfc3339(toSafeInteger(time, "time"));
}
