/** `anchorbook settle`: asks the server to settle now, and waits until the epoch is on the chain. */
import { connectApi, withAsset } from "./api-client.ts";
import { asUsage, type Command, EXIT_OK } from "./command.ts";
import { readArgs } from "./read-args.ts";

const HELP = `Usage: anchorbook settle [--release] [--asset CODE] [--ledger NAME] [--api URL] [--json]

Settles all that was written until now: closes an epoch, publishes it, commits it
to the chain, and answers when that is mined. Needs the operator role
(ANCHORBOOK_TOKEN; on a development server one is signed).

  --release      first give up the epochs that were vetoed, after you have looked at
                 why: their numbers are built again over the journal as it is now
  --asset CODE   the book of this asset, where the ledger has several
  --ledger NAME  another ledger than the default one
  --api URL      the server; default ANCHORBOOK_API, else the local one
  --json         print { epoch, status, header_hash, tx_hash }
  -h, --help     print this

Exit code: 0 settled, or nothing was new; 1 it could not be done; 2 bad usage.
`;

interface RunAnswer {
  readonly epoch: number | null;
  readonly status: string;
  readonly header_hash: string | null;
  readonly tx_hash: string | null;
}

interface ReleaseAnswer {
  readonly epoch: number | null;
  readonly released: number;
}

export const settleCommand: Command = {
  name: "settle",
  summary: "settle now and wait until the epoch is on the chain",
  help: HELP,
  async run(args, io) {
    const options = {
      api: { type: "string" },
      asset: { type: "string" },
      ledger: { type: "string" },
      json: { type: "boolean", default: false },
      release: { type: "boolean", default: false },
    } as const;
    const { values } = asUsage(() => readArgs({ args: [...args], options }));
    const client = await connectApi(io.env, { api: values.api, ledger: values.ledger });
    if (values.release) {
      const { epoch, released } = await client.post<ReleaseAnswer>(
        withAsset("/api/v1/admin/settlement/release", values.asset),
        {},
      );
      if (!values.json)
        io.stdout.write(
          epoch === null ? "nothing was vetoed\n" : `released: epoch ${epoch}, ${released} given up\n`,
        );
    }
    const answer = await client.post<RunAnswer>(withAsset("/api/v1/admin/settlement/run", values.asset), {});
    io.stdout.write(`${values.json ? JSON.stringify(answer) : describe(answer)}\n`);
    return EXIT_OK;
  },
};

function describe({ epoch, status, header_hash, tx_hash }: RunAnswer): string {
  if (epoch === null) return "nothing was ever written: there is no epoch yet";
  const what = status === "unchanged" ? "nothing new since" : `${status}:`;
  return `${what} epoch ${epoch}, header ${header_hash}, commit ${tx_hash ?? "not mined yet"}`;
}
