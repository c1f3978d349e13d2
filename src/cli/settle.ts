/** `anchorbook settle`: asks the server to settle now, and waits until the epoch is on the chain. */
import { counted } from "#kernel";
import { connectApi, orHint, withAsset } from "./api-client.ts";
import { asUsage, type Command, type CommandIo, EXIT_OK } from "./command.ts";
import { readArgs } from "./read-args.ts";

const HELP = `Usage: anchorbook settle [--release] [--asset CODE] [--ledger NAME] [--api URL] [--json]

Settles all that was written until now: closes an epoch, publishes it, commits it
to the chain, and answers when that is mined. Of an epoch that is not final yet it says
what it waits for: its window by the chain's clock, signatures of attesters, and once the
registry made it final blocks on top of that, so that no reorg takes it back. Where lines
wait and no epoch may be closed it says why, and fails.
Needs the operator role (ANCHORBOOK_TOKEN; on a development server one is signed).

  --release      first give up the epochs that were vetoed, after you have looked at
                 why: their numbers are built again over the journal as it is now
  --asset CODE   the book of this asset, where the ledger has several
  --ledger NAME  another ledger than the default one
  --api URL      the server; default ANCHORBOOK_API, else the local one
  --json         print { epoch, status, header_hash, tx_hash }, and what it waits for:
                 { window_until, is_window_open, attestations, final_at_block,
                 blocks_to_final }, each null where it is not known (yet)
  -h, --help     print this

Exit code: 0 settled, or nothing was new and nothing waits; 1 it could not be done; 2 bad usage.
`;

const TELL_EVERY_SECONDS = 10;

interface RunAnswer {
  readonly epoch: number | null;
  readonly status: string;
  readonly header_hash: string | null;
  readonly tx_hash: string | null;
}

interface EpochAnswer {
  readonly status: string;
  readonly window_until: string | null;
  readonly is_window_open: boolean | null;
  readonly final_at_block: number | null;
  readonly blocks_to_final: number | null;
  readonly attestations: { readonly given: number; readonly needed: number | null };
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
      const path = withAsset("/api/v1/admin/settlement/release", values.asset);
      const release = () => client.postWork<ReleaseAnswer>(path, {});
      const { epoch, released } = await tellingThatItLasts(
        io,
        "when no settlement is under way",
        release,
      ).catch(
        orHint("It may have been released all the same: the same command says that nothing was vetoed then"),
      );
      if (!values.json)
        io.stdout.write(
          epoch === null
            ? "nothing was vetoed\n"
            : `released: ${counted(released, "vetoed epoch")} given up, from epoch ${epoch} on\n`,
        );
    }
    const run = () => client.postWork<RunAnswer>(withAsset("/api/v1/admin/settlement/run", values.asset), {});
    const answer = await tellingThatItLasts(io, "when the epoch is on the chain", run).catch(
      orHint("It may settle all the same: anchorbook settle says so, and waits for it"),
    );
    if (!values.json) io.stdout.write(`${describe(answer)}\n`);
    const path = withAsset(`/api/v1/settlement/epochs/${answer.epoch}`, values.asset);
    // It is settled, whether or not this is answered.
    const epoch = answer.epoch === null ? null : await client.get<EpochAnswer>(path).catch(() => null);
    const waits = epoch && waitsFor(epoch);
    if (values.json) io.stdout.write(`${JSON.stringify({ ...answer, ...factsOf(epoch) })}\n`);
    else if (waits !== null) io.stdout.write(`not final yet: ${waits}\n`);
    return EXIT_OK;
  },
};

/** How long that takes is the chain's to say, and what the server is at is not seen from here. @param when a server answers */
async function tellingThatItLasts<T>(io: CommandIo, when: string, work: () => Promise<T>): Promise<T> {
  let seconds = 0;
  const telling = setInterval(() => {
    seconds += TELL_EVERY_SECONDS;
    io.stderr.write(`still waiting after ${seconds} s: a server answers ${when}\n`);
  }, TELL_EVERY_SECONDS * 1_000);
  try {
    return await work();
  } finally {
    clearInterval(telling);
  }
}

function describe({ epoch, status, header_hash, tx_hash }: RunAnswer): string {
  if (epoch === null) return "nothing was ever written: there is no epoch yet";
  const what = status === "unchanged" ? "nothing new since" : `${status}:`;
  return `${what} epoch ${epoch}, header ${header_hash}, commit ${tx_hash ?? "not mined yet"}`;
}

/** For a machine, under the names that they have over HTTP. */
function factsOf(epoch: EpochAnswer | null) {
  const { window_until = null, is_window_open = null, attestations = null } = epoch ?? {};
  const { final_at_block = null, blocks_to_final = null } = epoch ?? {};
  return { window_until, is_window_open, attestations, final_at_block, blocks_to_final };
}

/** What a committed epoch waits for, as far as the server knows; null of any other. */
function waitsFor({ status, attestations, ...epoch }: EpochAnswer): string | null {
  if (status !== "committed") return null;
  const { window_until, is_window_open, final_at_block, blocks_to_final } = epoch;
  if (final_at_block !== null) {
    const left = blocks_to_final === null ? "" : `, ${counted(blocks_to_final, "block")} to go`;
    return `made final in the registry; deep enough in the chain with block ${final_at_block}${left}`;
  }
  const { given, needed } = attestations;
  const waits = [
    window_until !== null && is_window_open !== false
      ? `its window until ${window_until} by the chain's clock`
      : null,
    needed !== null && given < needed ? `${given} of ${needed} signatures so far` : null,
  ].filter((one) => one !== null);
  return waits.length === 0
    ? "somebody has to finalize it, which the server does by itself"
    : waits.join("; ");
}
