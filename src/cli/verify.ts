/**
 * `anchorbook verify`: checks one proof document, offline against its own header,
 * and with `--rpc` against the chain. Needs neither database nor server.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { toRfc3339 } from "#kernel";
import { isAddress, type ProofDocument, parseJson, parseProof, toSafeInteger } from "#proof";
import { type Check, conclude, type Verification, verifyProof } from "#verifier";
import { type Command, type CommandIo, EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "./command.ts";
import { explainError } from "./explain-error.ts";

const HELP = `Usage: anchorbook verify PROOF.json [--rpc URL] [--registry ADDRESS] [--json]

Checks a proof document (anchorbook-proof/1): that its leaf stands under the root
and sum of its header, and that the header has the hash it names.

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
    let options: Options | "help";
    let document: unknown;
    try {
      options = readOptions(args);
      if (options === "help") {
        io.stdout.write(HELP);
        return EXIT_OK;
      }
      document = await readFile(options.file === "-" ? "/dev/stdin" : options.file, "utf8");
    } catch (error) {
      io.stderr.write(`anchorbook verify: ${explainError(error)}\n`);
      io.stderr.write("Try: anchorbook verify --help\n");
      return EXIT_USAGE;
    }
    const verification = await verify(document, options);
    print(verification, parsed(document), options, io);
    return verification.valid ? EXIT_OK : EXIT_FAILED;
  },
};

function readOptions(args: readonly string[]): Options | "help" {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rpc: { type: "string" },
      registry: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) throw new Error("exactly one proof file is needed");
  if (values.rpc !== undefined && !/^https?:\/\//.test(values.rpc))
    throw new Error("--rpc must be an http(s) URL");
  if (values.registry !== undefined && !isAddress(values.registry))
    throw new Error("--registry must be an address: 0x and 40 hex digits with a right checksum, if any");
  return { file, rpc: values.rpc, registry: values.registry?.toLowerCase(), json: values.json };
}

async function verify(document: unknown, options: Options): Promise<Verification> {
  const offline = verifyProof(document);
  const proof = parsed(document);
  if (!proof) return offline;
  const pinned = options.registry === undefined ? [] : [pinnedCheck(proof, options.registry)];
  if (options.rpc === undefined || pinned.some((check) => !check.ok))
    return conclude([...offline.checks, ...pinned]);
  // Only here: what talks to a chain takes longer to load than all offline checks to run.
  const { checkOnChain } = await import("./verify-on-chain.ts");
  return conclude([...offline.checks, ...pinned, ...(await checkOnChain(proof, options.rpc))]);
}

function parsed(document: unknown): ProofDocument | undefined {
  try {
    return parseProof(typeof document === "string" ? parseJson(document, "proof") : document);
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
  { valid, checks }: Verification,
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
  io.stdout.write(valid ? "valid" : `NOT valid: ${failed} of ${checks.length} checks failed`);
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
