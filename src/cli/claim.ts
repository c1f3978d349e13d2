/** `anchorbook claim`: waits until a withdrawal is final, and has the vault pay it out. */
import { setTimeout as pause } from "node:timers/promises";
import { formatAmount } from "#kernel";
import { type ApiClient, connectUserApi, type UserApiClient, withAsset } from "./api-client.ts";
import type { Transaction } from "./claim-on-chain.ts";
import { asUsage, type Command, type CommandIo, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { requireAddress, requireUrl } from "./option-checks.ts";
import { readArgs } from "./read-args.ts";
import { readWalletKey, WALLET_KEY } from "./wallet-key.ts";

const HELP = `Usage: anchorbook claim [WITHDRAWAL] [--asset CODE] [--key-file FILE] [--timeout SECONDS]
                        [--rpc URL] [--registry ADDRESS] [--ledger NAME] [--api URL] [--json]

Waits until a withdrawal of the user whose token is in ANCHORBOOK_TOKEN (on a
development server: anchorbook token --sub USER) is final on the chain, and claims it
with the wallet's key. One claim pays all that is final by then. Without a key it prints
the transaction, which anyone may send.

  WITHDRAWAL          its id; default the newest one
  --asset CODE        of which asset the newest one is meant; default TST
  --key-file FILE     a file with the private key of the wallet, or of whoever pays the
                      gas; default ${WALLET_KEY}
  --timeout SECONDS   how long to wait; default without an end
  --rpc URL           the chain; default the node that the server names
  --registry ADDRESS  claim from this registry's book only; default the server's word
  --ledger NAME       another ledger of the server than the default one
  --api URL           the server; default ANCHORBOOK_API, else the local one
  --json              print { withdrawal_id, status, amount, asset, wallet, tx_hash,
                      transaction }
  -h, --help          print this

Exit code: 0 claimed, or nothing was left to claim; 1 not; 2 bad usage.
`;

interface Options {
  readonly id: string | undefined;
  readonly asset: string | undefined;
  readonly keyFile: string | undefined;
  readonly timeoutMs: number;
  readonly rpc: string | undefined;
  readonly registry: string | undefined;
  readonly ledger: string | undefined;
  readonly api: string | undefined;
  readonly json: boolean;
}

interface Withdrawal {
  readonly withdrawal_id: string;
  readonly status: "pending" | "committed" | "final" | "claimed";
  readonly asset: string;
  readonly claim?: { readonly proof: string; readonly wallet: string } | null;
}

interface Claimed {
  readonly withdrawal_id: string;
  readonly status: "claimed" | "claimable";
  /** In whole units, by proof and vault; null where it was claimed before. */
  readonly amount: string | null;
  /** By its token, where there is an amount. */
  readonly asset: string;
  readonly wallet: string | null;
  readonly tx_hash: string | null;
  /** Where there is no key to send it with. */
  readonly transaction: Transaction | null;
}

const FIRST_LOOK_MS = 500;
const LONGEST_LOOK_MS = 15_000;

export const claimCommand: Command = {
  name: "claim",
  summary: "wait for a withdrawal, and claim it on the chain",
  help: HELP,
  async run(args, io) {
    const options = asUsage(() => readOptions(args));
    const key = await readWalletKey(io.env, options.keyFile);
    const client = connectUserApi(io.env, options);
    const id = options.id ?? (await newestOf(client, options.asset));
    const found = await untilFinal(client, id, options, io);
    if (found === null) {
      io.stderr.write(`anchorbook claim: ${id} is not final yet; ask again later\n`);
      return EXIT_FAILED;
    }
    const claimed = await claim(client, found, key, options, io);
    io.stdout.write(options.json ? `${JSON.stringify(claimed)}\n` : describe(claimed));
    return EXIT_OK;
  },
};

function readOptions(args: readonly string[]): Options {
  const { values, positionals } = readArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      asset: { type: "string" },
      "key-file": { type: "string" },
      timeout: { type: "string" },
      rpc: { type: "string" },
      registry: { type: "string" },
      ledger: { type: "string" },
      api: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const [id, ...others] = positionals;
  if (others.length > 0) throw new Error("at most one withdrawal can be named, by its id");
  if (id !== undefined && !/^wd_[0-9a-f]{32}$/.test(id))
    throw new Error(
      `"${id}" is no id of a withdrawal: wd_ and 32 hex digits, as anchorbook withdraw tells it`,
    );
  const { asset, "key-file": keyFile, timeout, rpc, registry, ledger, api, json } = values;
  if (timeout !== undefined && !/^\d{1,8}$/.test(timeout))
    throw new Error("--timeout must be a whole number of seconds");
  requireUrl("--rpc", rpc);
  requireAddress("--registry", registry);
  const timeoutMs = timeout === undefined ? Number.POSITIVE_INFINITY : Number.parseInt(timeout, 10) * 1_000;
  return { id, asset, keyFile, timeoutMs, rpc, registry: registry?.toLowerCase(), ledger, api, json };
}

async function newestOf(client: ApiClient, asset: string | undefined): Promise<string> {
  const { data } = await client.get<{ data: readonly Withdrawal[] }>(
    withAsset("/api/v1/withdrawals?limit=1", asset),
  );
  if (!data[0]) throw new Error("nothing was ever withdrawn: anchorbook withdraw AMOUNT");
  return data[0].withdrawal_id;
}

/** Null where it takes longer than it may. */
async function untilFinal(
  client: ApiClient,
  id: string,
  { timeoutMs }: Options,
  io: CommandIo,
): Promise<Withdrawal | null> {
  const began = performance.now();
  let told = "";
  for (let waitMs = FIRST_LOOK_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_LOOK_MS)) {
    const found = await client.get<Withdrawal>(`/api/v1/withdrawals/${id}`);
    if (found.status === "claimed" || (found.status === "final" && found.claim)) return found;
    const leftMs = timeoutMs - (performance.now() - began);
    if (leftMs <= 0) return null;
    if (found.status !== told) io.stderr.write(`${id} is ${found.status}; waiting until it is final\n`);
    told = found.status;
    await pause(Math.min(waitMs, leftMs));
  }
}

/** Looked at on the chain only where there is something to claim. */
async function claim(
  client: UserApiClient,
  { withdrawal_id, asset, claim: wanted }: Withdrawal,
  privateKey: string | undefined,
  { rpc, registry }: Options,
  io: CommandIo,
): Promise<Claimed> {
  const nothing = { withdrawal_id, amount: null, asset, wallet: null, tx_hash: null, transaction: null };
  if (!wanted) return { ...nothing, status: "claimed" };
  const rpcUrl =
    rpc ??
    (await client.get<{ rpc_url: string | null }>(withAsset("/api/v1/settlement/contracts", asset))).rpc_url;
  if (rpcUrl === null) throw new Error("--rpc is needed: the server names no node of its chain");
  const { claimOnChain } = await import("./claim-on-chain.ts");
  const document = await client.get(wanted.proof);
  const { wallet } = wanted;
  const onWait = (account: string) =>
    io.stderr.write(`a transaction of ${account} is under way; waiting until it is mined\n`);
  const { transaction, due, unit, txHash, wasPaid } = await claimOnChain(
    { rpcUrl, privateKey, registry, wallet, userId: client.userId, onWait },
    document,
  );
  if (wasPaid) return { ...nothing, status: "claimed" };
  const what = { ...nothing, amount: formatAmount(due, unit.decimals), asset: unit.asset, wallet };
  return txHash === null
    ? { ...what, status: "claimable", transaction }
    : { ...what, status: "claimed", tx_hash: txHash };
}

function describe({ withdrawal_id, amount, asset, wallet, tx_hash, transaction }: Claimed): string {
  if (amount === null) return `${withdrawal_id} is claimed already\n`;
  if (!transaction) return `claimed ${amount} ${asset} to ${wallet}: ${tx_hash}\n`;
  return `${amount} ${asset} can be claimed to ${wallet}, by anyone:\nto   ${transaction.to}\ndata ${transaction.data}\n`;
}
