/** `anchorbook withdraw`: a user's own tokens from the ledger to the user's own wallet; `anchorbook claim` brings them there. */
import { randomUUID } from "node:crypto";
import { ApiError, connectUserApi, type Once, type UserApiClient, withAsset } from "./api-client.ts";
import { asUsage, type Command, EXIT_OK } from "./command.ts";
import { linkWallet } from "./link-wallet.ts";
import { requireAddress, requireUrl } from "./option-checks.ts";
import { readArgs } from "./read-args.ts";
import { WALLET_KEY } from "./wallet-key.ts";

const HELP = `Usage: anchorbook withdraw AMOUNT [--asset CODE] [--key NAME]
                           [--link [--key-file FILE] [--registry ADDRESS] [--rpc URL]]
                           [--ledger NAME] [--api URL] [--json]

Withdraws to the linked wallet of the user whose token is in ANCHORBOOK_TOKEN (on a
development server: anchorbook token --sub USER).
"anchorbook claim" waits until it is final on the chain, and claims it there.

  AMOUNT              in whole units, above 0, such as 10 or 0.5
  --asset CODE        default TST
  --key NAME          withdraw once under this name, however often the command is run
                      with it; default a new one, which is told before anything is
                      sent: with it a command that was cut off can be run again
  --link              where no wallet is linked for it yet, link the one of the key
                      first: it is the user's for ever. Refused where another one is
  --key-file FILE     a file with the wallet's private key; default ${WALLET_KEY}.
                      Only --link needs it
  --registry ADDRESS  link in this registry's book only; default the server's word
  --rpc URL           link on the chain of this node only; default the server's word
  --ledger NAME       another ledger of the server than the default one
  --api URL           the server; default ANCHORBOOK_API, else the local one
  --json              print the withdrawal as the API answers it
  -h, --help          print this

Exit code: 0 withdrawn, 1 it was refused, 2 bad usage.
`;

interface Options {
  readonly amount: string;
  readonly asset: string | undefined;
  readonly key: string;
  readonly link: boolean;
  readonly keyFile: string | undefined;
  readonly registry: string | undefined;
  readonly rpc: string | undefined;
  readonly ledger: string | undefined;
  readonly api: string | undefined;
  readonly json: boolean;
}

const NO_WALLET = "no_wallet: none is linked yet; --link links the one of the key";

interface Withdrawal {
  readonly withdrawal_id: string;
  readonly status: string;
  readonly amount: string;
  readonly asset: string;
  readonly wallet: string;
}

export const withdrawCommand: Command = {
  name: "withdraw",
  summary: "withdraw a user's own tokens to the user's wallet",
  help: HELP,
  async run(args, io) {
    const options = asUsage(() => readOptions(args));
    const client = connectUserApi(io.env, options);
    if (options.link) await linkWallet(client, options, io);
    else await requireWallet(client, options);
    const { key, json } = options;
    io.stderr.write(`withdrawing under the key ${key}: with --key ${key} this is done once\n`);
    const { answer: made, replayed } = await withdraw(client, options);
    if (replayed)
      io.stderr.write("this key was used before: it is the withdrawal made then, as it was then\n");
    io.stdout.write(
      json
        ? `${JSON.stringify(made)}\n`
        : `${made.withdrawal_id}: ${made.amount} ${made.asset} to ${made.wallet}, ${made.status}\nNext: npx anchorbook claim ${made.withdrawal_id}\n`,
    );
    return EXIT_OK;
  },
};

/** Before a key is told under which nothing will ever be withdrawn. @throws Error where none is linked */
async function requireWallet(client: UserApiClient, { asset }: Options): Promise<void> {
  const { wallet } = await client.get<{ wallet: string | null }>(withAsset("/api/v1/wallets", asset));
  if (wallet === null) throw new Error(NO_WALLET);
}

/** @throws Error that says whether it may have been done, and how to find out */
async function withdraw(client: UserApiClient, { amount, asset, key }: Options): Promise<Once<Withdrawal>> {
  try {
    return await client.postOnce<Withdrawal>("/api/v1/withdrawals", { amount, asset }, key);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new Error(`${refusal(error)}${hint(error, key)}`, { cause: error });
  }
}

function refusal({ code, message }: ApiError): string {
  return code === "no_wallet" ? NO_WALLET : message;
}

function hint({ code, leavesOpen, replayed }: ApiError, key: string): string {
  if (leavesOpen)
    return `\nIt may have been withdrawn all the same: the same command with --key ${key} says so, and does it once`;
  if (replayed)
    return `\nThat was the answer to the first try with --key ${key}, and stays it: take another key`;
  return code === "idempotency_key_reused" ? `\n--key ${key} was used for another amount or asset` : "";
}

const noAmount = (text: string) => `"${text}" is no amount above 0, such as 10 or 0.5`;

function readOptions(args: readonly string[]): Options {
  const { values, positionals } = readArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      asset: { type: "string" },
      key: { type: "string", default: randomUUID() },
      link: { type: "boolean", default: false },
      "key-file": { type: "string" },
      registry: { type: "string" },
      rpc: { type: "string" },
      ledger: { type: "string" },
      api: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const [amount, ...more] = positionals;
  if (amount === undefined || more.length > 0) throw new Error("exactly one amount is needed");
  if (!/^\d+(\.\d+)?$/.test(amount) || !/[1-9]/.test(amount)) throw new Error(noAmount(amount));
  const { "key-file": keyFile, registry, rpc, link, key, ...others } = values;
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    throw new Error("--key must be 1 to 255 letters, digits and signs, without spaces");
  if (!link && (registry !== undefined || rpc !== undefined))
    throw new Error("--registry and --rpc belong to --link");
  requireUrl("--rpc", rpc);
  requireAddress("--registry", registry);
  return {
    ...{ amount, asset: others.asset, key, link, keyFile, registry: registry?.toLowerCase(), rpc },
    ...{ ledger: others.ledger, api: others.api, json: others.json },
  };
}
