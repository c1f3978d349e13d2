/**
 * `anchorbook exit`: brings a wallet's tokens out of a book without its operator,
 * from nothing but the last published data and a node: shows the positions, and
 * prepares or sends whatever the next step is at this moment.
 */
import { loadConfig } from "#config";
import type { Chain } from "#infra";
import type { Hex } from "#proof";
import { asUsage, type Command, type CommandIo, EXIT_FAILED, EXIT_OK } from "./command.ts";
import type { ExitStep } from "./exit/exit-plan.ts";
import { requireAddress, requireUrl } from "./option-checks.ts";
import { readPrivateKey } from "./private-key.ts";
import { readArgs } from "./read-args.ts";
import type { OnceOptions } from "./send-once.ts";

const HELP = `Usage: anchorbook exit (--wallet ADDRESS | --key-file FILE)
                       [--data FOLDER-OR-URL ... | --api URL [--ledger NAME] [--asset CODE]]
                       [--rpc URL] [--registry ADDRESS] [--send] [--json]

Leaves a book without its operator. Shows what the wallet owns in the last final
epoch, and the next step of each position at this moment: demandExit, requestFreeze,
freeze, escape, claim of what was withdrawn, repayEntry of what was never credited.
Prints the transactions; with --send it sends them, one after the other, until only
waiting is left. Run it again when the time that it names has come. What another one
does at the same moment is not sent twice. Nothing is sent to contracts that are not
Anchorbook's, where that can be seen: by --api, or the folder of an audit.

  --wallet ADDRESS     whose positions
  --key-file FILE      a file with the wallet's private key (0x and 64 hex digits)
  --data PLACE         a copy of the folder in which the operator publishes epochs
                       (DATA_DIR/published of a server): a folder, or its address
                       on any web server; or the folder that anchorbook audit
                       --state keeps. Several times: of each file the first good
                       copy is taken
  --api URL            without --data: a server that still answers
  --rpc URL            the chain; default RPC_URL. Published files need its logs
  --registry ADDRESS   this registry's book; default that of an audit's folder or of
                       the server: published files alone do not say it
  --ledger NAME        another ledger of the server than the default one
  --asset CODE         the book of this asset, where that ledger has several
  --send               sign and send, with the key of --key-file
  --json               print { wallet, epoch, positions, unproven, steps, sent };
                       amounts of positions are base units
  -h, --help           print this

Exit code: 0 shown or sent, 1 it could not be done, or not for every section, 2 bad
usage.
`;

interface Options {
  readonly wallet: Hex | undefined;
  readonly keyFile: string | undefined;
  readonly data: readonly string[];
  readonly api: string;
  readonly rpc: string;
  readonly registry: string | undefined;
  readonly ledger: string | undefined;
  readonly asset: string | undefined;
  readonly send: boolean;
  readonly json: boolean;
  /** How long an answer of a server is waited for. */
  readonly answerSeconds: number;
}

export const exitCommand: Command = {
  name: "exit",
  summary: "leave a book without its operator, from published data and a node",
  help: HELP,
  async run(args, io) {
    const options = asUsage(() => readOptions(args, io));
    const { connectChain } = await import("#infra");
    const privateKey = options.keyFile === undefined ? undefined : await readPrivateKey(options.keyFile);
    const chain = await connectChain({ rpcUrl: options.rpc, privateKey });
    try {
      return await leave(options, chain, io);
    } finally {
      chain.close();
    }
  },
};

function readOptions(args: readonly string[], io: CommandIo): Options {
  const { values } = readArgs({
    args: [...args],
    options: {
      wallet: { type: "string" },
      "key-file": { type: "string" },
      data: { type: "string", multiple: true, default: [] },
      api: { type: "string" },
      rpc: { type: "string" },
      registry: { type: "string" },
      ledger: { type: "string" },
      asset: { type: "string" },
      send: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const keyFile = values["key-file"];
  if (values.wallet === undefined && keyFile === undefined)
    throw new Error("--wallet or --key-file is needed");
  if (values.send && keyFile === undefined) throw new Error("--send needs --key-file: who signs");
  for (const name of ["wallet", "registry"] as const) requireAddress(`--${name}`, values[name]);
  for (const name of ["api", "asset", "ledger"] as const)
    if (values.data.length > 0 && values[name] !== undefined)
      throw new Error(`--data and --${name} exclude each other`);
  const config = loadConfig(io.env);
  const rpc = values.rpc ?? config.rpcUrl;
  if (rpc === undefined) throw new Error("--rpc (or RPC_URL) is needed: a node of the book's chain");
  requireUrl("--rpc", rpc);
  requireUrl("--api", values.api);
  const { data, registry, ledger, asset, send, json } = values;
  return {
    ...{
      wallet: values.wallet?.toLowerCase() as Hex | undefined,
      keyFile,
      data,
      rpc,
      registry,
      ledger,
      asset,
      send,
      json,
    },
    ...{ api: values.api ?? config.api, answerSeconds: config.answerSeconds },
  };
}

async function leave(options: Options, chain: Chain, io: CommandIo): Promise<number> {
  const wallet = options.wallet ?? (chain.signer?.address.toLowerCase() as Hex);
  const { openSource } = await import("./exit/open-source.ts");
  const { readExitData } = await import("./exit/exit-data.ts");
  const { doubtsText, positionsText, sentText, stepsText } = await import("./exit/exit-text.ts");
  const { ExitPlanner } = await import("./exit/exit-plan.ts");
  const { lateProgress } = await import("./exit/late-progress.ts");
  const { amountText, readUnit } = await import("./amount-text.ts");
  const { contractsDoubt } = await import("./exit/contracts-doubt.ts");
  const { source, record, contracts } = await openSource(options, chain);
  if (BigInt(record.token) === 0n) throw new Error("the book has no token: nothing of it can leave on-chain");
  const doubt = await contractsDoubt(chain, record, contracts);
  if (doubt?.areOthers && options.send)
    throw new Error(`nothing is sent: ${doubt.text}. Without --send the transactions are shown`);
  if (doubt) io.stderr.write(`${doubt.areOthers ? "WARNING" : "note"}: ${doubt.text}\n`);
  const unit = await readUnit(chain, record.token);
  const progress = lateProgress(options.json ? null : io.stderr);
  const data = await readExitData(chain, record, source, wallet, progress.update);
  progress.end();
  io.stderr.write(doubtsText(data));
  const shown = (amount: bigint) => amountText(amount, unit);
  if (!options.json) io.stdout.write(positionsText(data, wallet, source.description, shown));
  const planner = new ExitPlanner(chain, record, unit);
  const sent: { action: string; what: string; tx_hash: string }[] = [];
  const tried: ExitStep[] = [];
  let steps = await planner.steps(data, wallet);
  // A step may open the next one: a freeze opens every escape. One that was sent once is not sent again.
  for (let next = nextToSend(steps, tried); options.send && next; next = nextToSend(steps, tried)) {
    const step = next;
    tried.push(step);
    const isDone = async () => {
      steps = await planner.steps(data, wallet);
      return !steps.some((open) => open.call && isSame(open, step));
    };
    const tx_hash = await send(chain, step, wallet, { isDone, onWait: waitTeller(chain, io) });
    if (!options.json) io.stdout.write(sentText(step, tx_hash));
    if (tx_hash === null) continue;
    sent.push({ action: step.action, what: step.what, tx_hash });
    steps = await planner.steps(data, wallet);
  }
  const { header, positions, unproven } = data;
  if (options.json)
    io.stdout.write(
      `${toJson({ wallet, epoch: header?.epoch ?? null, positions, unproven, steps, sent })}\n`,
    );
  else io.stdout.write(stepsText(steps));
  return unproven.length === 0 ? EXIT_OK : EXIT_FAILED;
}

type StepName = Pick<ExitStep, "action" | "what">;

function isSame(step: StepName, other: StepName): boolean {
  return step.action === other.action && step.what === other.what;
}

function nextToSend(steps: readonly ExitStep[], tried: readonly ExitStep[]): ExitStep | undefined {
  return steps.find((step) => step.call && !tried.some((other) => isSame(step, other)));
}

function waitTeller({ signer }: Chain, io: CommandIo): () => void {
  return () =>
    void io.stderr.write(`a transaction of ${signer?.address} is under way; waiting until it is mined\n`);
}

/** @returns the transaction's hash; null where it was done without it */
async function send(
  chain: Chain,
  { action, what, call }: ExitStep,
  wallet: Hex,
  options: OnceOptions,
): Promise<string | null> {
  if (!chain.signer || !call) throw new Error("nothing can be sent");
  if (call.fromOwner && chain.signer.address.toLowerCase() !== wallet)
    throw new Error(`${action} of ${what} has to be sent by ${wallet} itself`);
  const { contractRefusal } = await import("#infra");
  const { sendOnce } = await import("./send-once.ts");
  try {
    return await sendOnce(chain.signer, { to: call.to, data: call.data }, options);
  } catch (error) {
    const refusal = contractRefusal(error);
    if (!refusal) throw error;
    throw new Error(`the contract refuses ${action} of ${what}: ${refusal.name}(${refusal.args.join(", ")})`);
  }
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? `${inner}` : inner));
}
