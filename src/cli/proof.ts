/** `anchorbook proof`: fetches the proof of a position and saves it; `anchorbook verify` checks it. */
import { isSection, SECTIONS } from "#proof";
import { connectApi, withAsset } from "./api-client.ts";
import { asUsage, type Command, EXIT_OK } from "./command.ts";
import { writeOutput } from "./files.ts";
import { readArgs } from "./read-args.ts";

const HELP = `Usage: anchorbook proof SECTION ID [--epoch N] [--asset CODE] [--out FILE]
                        [--ledger NAME] [--api URL] [--json]

Fetches the proof of a position and saves it as a file that "anchorbook verify"
checks without server or database.

  SECTION        ${SECTIONS.join(", ")}
  ID             a lock id, a stake id, a reservation id, a withdrawal id; for balances
                 the user id
  --epoch N      as of this epoch; default the newest committed one
  --asset CODE   of the book of this asset; default TST
  --out FILE     default SECTION-ID.proof.json in this folder; - for standard output
  --ledger NAME  another ledger than the default one
  --api URL      the server; default ANCHORBOOK_API, else the local one
  --json         print { section, id, epoch, file }; with --out - the proof alone is printed
  -h, --help     print this

Exit code: 0 saved, 1 there is no such proof, 2 bad usage.
`;

interface Options {
  readonly section: string;
  readonly id: string;
  readonly epoch: string | undefined;
  readonly asset: string | undefined;
  readonly out: string;
  readonly api: string | undefined;
  readonly ledger: string | undefined;
  readonly json: boolean;
}

export const proofCommand: Command = {
  name: "proof",
  summary: "fetch and save the proof of a position",
  help: HELP,
  async run(args, io) {
    const options = asUsage(() => readOptions(args));
    const client = await connectApi(io.env, { api: options.api, ledger: options.ledger });
    const query = options.epoch === undefined ? "" : `?epoch=${options.epoch}`;
    const path = `/api/v1/proofs/${options.section}/${encodeURIComponent(options.id)}${query}`;
    const document = await client.get<{ epoch: string }>(withAsset(path, options.asset));
    const text = `${JSON.stringify(document, null, 2)}\n`;
    if (options.out === "-") io.stdout.write(text);
    else {
      await writeOutput(options.out, text);
      const { section, id, out: file } = options;
      io.stdout.write(
        options.json
          ? `${JSON.stringify({ section, id, epoch: Number(document.epoch), file })}\n`
          : `saved the proof as of epoch ${document.epoch}: ${file}\n`,
      );
    }
    return EXIT_OK;
  },
};

function readOptions(args: readonly string[]): Options {
  const { values, positionals } = readArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      epoch: { type: "string" },
      asset: { type: "string" },
      out: { type: "string" },
      api: { type: "string" },
      ledger: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const [section, id, ...others] = positionals;
  if (section === undefined || id === undefined || others.length > 0)
    throw new Error("a section and an id are needed");
  if (!isSection(section)) throw new Error(`there is no section "${section}"; use ${SECTIONS.join(", ")}`);
  if (values.epoch !== undefined && !/^[1-9]\d{0,14}$/.test(values.epoch))
    throw new Error("--epoch must be a whole number from 1, of at most 15 digits");
  const file = `${section}-${id.replaceAll(/[^A-Za-z0-9._@-]/g, "_")}.proof.json`;
  const { epoch, asset, out = file, api, ledger, json } = values;
  return { section, id, epoch, asset, out, api, ledger, json };
}
