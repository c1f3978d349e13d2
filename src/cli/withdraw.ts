/** `anchorbook withdraw`: a user's own tokens from the ledger to the user's own wallet; `anchorbook claim` brings them there. */
import { parseArgs } from "node:util";
import { WALLET_DOMAIN, WALLET_TYPES } from "#proof";
import { type ApiClient, ApiError, connectUserApi, withAsset } from "./api-client.ts";
import { asUsage, type Command, type CommandIo, EXIT_OK } from "./command.ts";
import { readWalletKey, WALLET_KEY } from "./wallet-key.ts";

const HELP = `Usage: anchorbook withdraw AMOUNT [--asset CODE] [--link] [--key-file FILE]
                           [--ledger NAME] [--api URL] [--json]

Withdraws to the linked wallet of the user whose token is in ANCHORBOOK_TOKEN.
"anchorbook claim" waits until it is final on the chain, and claims it there.

  AMOUNT           in whole units, such as 10 or 0.5
  --asset CODE     default TST
  --link           where no wallet is linked for it yet, link the one of the key first:
                   it is the user's for ever
  --key-file FILE  a file with the wallet's private key; default ${WALLET_KEY}.
                   Only --link needs it
  --ledger NAME    another ledger of the server than the default one
  --api URL        the server; default ANCHORBOOK_API, else the local one
  --json           print the withdrawal as the API answers it
  -h, --help       print this

Exit code: 0 withdrawn, 1 it was refused, 2 bad usage.
`;

interface Options {
  readonly amount: string;
  readonly asset: string | undefined;
  readonly link: boolean;
  readonly keyFile: string | undefined;
  readonly ledger: string | undefined;
  readonly api: string | undefined;
  readonly json: boolean;
}

interface Withdrawal {
  readonly withdrawal_id: string;
  readonly status: string;
  readonly amount: string;
  readonly asset: string;
  readonly wallet: string;
}

/** The parts of `POST /api/v1/wallets/message` that are signed: of which book, and what. */
interface LinkMessage {
  readonly typed_data: {
    readonly domain: { readonly chainId: string; readonly verifyingContract: string };
    readonly message: Readonly<Record<"user" | "wallet" | "previous" | "number" | "deadline", string>>;
  };
}

export const withdrawCommand: Command = {
  name: "withdraw",
  summary: "withdraw a user's own tokens to the user's wallet",
  help: HELP,
  async run(args, io) {
    const options = asUsage(() => readOptions(args));
    const client = connectUserApi(io.env, options);
    if (options.link) await linkWallet(client, options, io);
    const { amount, asset, json } = options;
    const made = await client
      .post<Withdrawal>("/api/v1/withdrawals", { amount, asset })
      .catch((error: unknown) => {
        if (!(error instanceof ApiError) || error.code !== "no_wallet") throw error;
        throw new Error("no_wallet: none is linked yet; --link links the one of the key", { cause: error });
      });
    io.stdout.write(
      json
        ? `${JSON.stringify(made)}\n`
        : `${made.withdrawal_id}: ${made.amount} ${made.asset} to ${made.wallet}, ${made.status}\nNext: npx anchorbook claim ${made.withdrawal_id}\n`,
    );
    return EXIT_OK;
  },
};

function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      asset: { type: "string" },
      link: { type: "boolean", default: false },
      "key-file": { type: "string" },
      ledger: { type: "string" },
      api: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const [amount, ...others] = positionals;
  if (amount === undefined || others.length > 0) throw new Error("exactly one amount is needed");
  if (!/^\d+(\.\d+)?$/.test(amount)) throw new Error(`"${amount}" is no amount such as 10 or 0.5`);
  const { "key-file": keyFile, asset, link, ledger, api, json } = values;
  return { amount, asset, link, keyFile, ledger, api, json };
}

/** Nothing where a wallet is linked. Which message is signed is decided here: the server says only what stands in it. */
async function linkWallet(client: ApiClient, { asset, keyFile }: Options, io: CommandIo): Promise<void> {
  const { wallet: linked } = await client.get<{ wallet: string | null }>(withAsset("/api/v1/wallets", asset));
  if (linked !== null) return;
  const key = await readWalletKey(io.env, keyFile);
  if (key === undefined) throw new Error(`--link needs the wallet's key, in ${WALLET_KEY} or --key-file`);
  const { Wallet } = await import("ethers");
  const signer = new Wallet(key);
  const { address: wallet } = signer;
  const asked = await client.post<LinkMessage>("/api/v1/wallets/message", { wallet, asset });
  const { domain, message } = asked.typed_data;
  if (message.wallet !== wallet) throw new Error(`the server wants ${message.wallet} to be linked`);
  const signature = await signer.signTypedData(
    { ...WALLET_DOMAIN, chainId: domain.chainId, verifyingContract: domain.verifyingContract },
    { LinkWallet: [...WALLET_TYPES.LinkWallet] },
    message,
  );
  const [number, deadline] = [message.number, message.deadline].map((text) => Number.parseInt(text, 10));
  await client.post("/api/v1/wallets", { wallet, number, deadline, signature, asset });
  io.stderr.write(`linked ${wallet}\n`);
}
