/**
 * `anchorbook deploy`: deploys the contracts of a book to the chain of the
 * settings and writes their addresses to the contracts file. The server never
 * does this by itself on a chain that is not its own.
 */
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type BookConfig, loadBooks, loadConfig } from "#config";
import { asUsage, type Command, type CommandIo, EXIT_FAILED, EXIT_OK, UsageError } from "./command.ts";
import { type DeployFlags, listed, readDeployFlags } from "./deploy-options.ts";

const HELP = `Usage: anchorbook deploy [--ledger NAME | --asset CODE] [--window TIME --attester ADDRESS …
         --threshold K --guardian ADDRESS --admin ADDRESS] [--force] [--json]

Deploys token, custodians and registry to RPC_URL with OPERATOR_PRIVATE_KEY, and
writes their addresses to the file that CONTRACTS_FILE names. The operator becomes
the committer, and has every role that is not given to somebody else. On its
embedded chain the server deploys by itself.

  --asset CODE
              deploy the registry of a book of BOOKS_FILE, to its chain and with its
              key: it anchors the journal and holds no token
  --window TIME
              how long an epoch can be challenged and vetoed before it becomes
              final: 24h, 90m, 3d, or seconds; at most 3 days. Needs an attester, a
              guardian and an admin, all of them different accounts. 0 is none: the
              default on a local chain (31337) and of a book without a token; a book
              with a token on any other chain is deployed only with this flag
  --attester ADDRESS
              who signs epochs (anchorbook attest); once for each. Needs --window
  --threshold K
              how many of them must; default all
  --guardian ADDRESS
              may pause commits and veto epochs
  --admin ADDRESS
              ends a pause; announces changes of roles and attesters
  --ledger NAME
              deploy the registry of a ledger beside the default one: it anchors
              the journal and holds no token. Written beside CONTRACTS_FILE, with
              the ledger's name in front of ".json"; a running server that reads
              that file settles the ledger within seconds
  --force     deploy again although the file is there: a new book, with a new token
  --json      print the addresses
  -h, --help  print this

Exit code: 0 deployed, 1 it could not be done, 2 bad usage.
`;

const DEV_CHAIN_ID = 31_337n;
const WINDOW_WANTED = `say how long an epoch can be challenged before it is final: --window 24h with --attester, --threshold,
--guardian and --admin. --window 0 makes a book in which the operator's key alone decides who owns the tokens`;
const WARNING = `warning: this book has no challenge window and no attesters: an epoch can be made final in the block
that commits it, and the operator's key alone decides what it says. An audit finds a false epoch; nothing on the chain
stops one. --window, --attester, --guardian and --admin make it otherwise.`;

export const deployCommand: Command = {
  name: "deploy",
  summary: "deploy the contracts and write down their addresses",
  help: HELP,
  async run(args, io) {
    const flags = asUsage(() => readDeployFlags(args));
    if (flags.asset !== null) return deployBook(flags, loadBooks(io.env), io);
    const config = loadConfig(io.env);
    const { rpcUrl, operatorPrivateKey } = config;
    const { contractsFileOf, isLedgerName } = await import("#create-ledger");
    const { ledger } = flags;
    if (ledger !== null && !isLedgerName(ledger))
      throw new UsageError(`"${ledger}" cannot be a ledger's name`);
    const contractsFile = config.contractsFile && contractsFileOf(config, ledger);
    if (!rpcUrl || !operatorPrivateKey || !contractsFile) {
      const settings = {
        RPC_URL: rpcUrl,
        OPERATOR_PRIVATE_KEY: operatorPrivateKey,
        CONTRACTS_FILE: contractsFile,
      };
      const missing = Object.entries(settings).flatMap(([name, value]) => (value ? [] : [name]));
      const where = contractsFile
        ? ""
        : "; CONTRACTS_FILE is where the addresses are written, such as contracts.json";
      return refuse(io, `set ${listed(missing)}${where}`);
    }
    return deploy({ ...flags, rpcUrl, operatorPrivateKey, contractsFile }, io);
  },
};

async function deployBook(flags: DeployFlags, books: readonly BookConfig[], io: CommandIo): Promise<number> {
  const book = books.find(({ asset }) => asset === flags.asset);
  if (!book) return refuse(io, `BOOKS_FILE has no book of ${flags.asset}`);
  const { rpcUrl, privateKey: operatorPrivateKey, contractsFile } = book;
  return deploy({ ...flags, rpcUrl, operatorPrivateKey, contractsFile }, io);
}

interface Target extends DeployFlags {
  readonly rpcUrl: string;
  readonly operatorPrivateKey: string;
  readonly contractsFile: string;
}

async function deploy(target: Target, io: CommandIo): Promise<number> {
  if (existsSync(target.contractsFile) && !target.force)
    return refuse(io, `${target.contractsFile} is there already; --force deploys another book over it`);
  const anchors = target.ledger !== null || target.asset !== null;
  // What talks to a chain takes a while to load: only where it is used.
  const { connectChain, contractRefusal, deployAnchor, deployContracts, makeFolder } = await import("#infra");
  const chain = await connectChain({ rpcUrl: target.rpcUrl, privateKey: target.operatorPrivateKey });
  try {
    const { attesters, threshold, admin, guardian } = target;
    const isLocal = chain.chainId === DEV_CHAIN_ID;
    // Whoever means a book with tokens to rest on one key says so.
    if (target.windowSeconds === null && !isLocal && !anchors) return refuse(io, WINDOW_WANTED);
    if (!isLocal && attesters.length === 0) io.stderr.write(`${WARNING}\n`);
    // Before anything is paid for.
    makeFolder(dirname(target.contractsFile));
    const record = await (anchors ? deployAnchor : deployContracts)(chain, {
      ...{ windowSeconds: target.windowSeconds ?? 0, attesters, threshold, admin, guardian },
      log: (message) => io.stderr.write(`${message}\n`),
    });
    writeFileSync(`${target.contractsFile}.new`, `${JSON.stringify(record, null, 2)}\n`);
    renameSync(`${target.contractsFile}.new`, target.contractsFile);
    io.stdout.write(
      target.json
        ? `${JSON.stringify(record)}\n`
        : `${termsText(target, chain.signer?.address ?? "")}deployed: registry ${record.registry}, ${anchors ? "no token" : `token ${record.token}`}, on chain ${record.chain_id}; written to ${target.contractsFile}\n`,
    );
    return EXIT_OK;
  } catch (error) {
    const refusal = contractRefusal(error);
    if (!refusal) throw error;
    return refuse(io, `the contracts refuse: ${refusal.name}(${refusal.args.join(", ")})`);
  } finally {
    chain.close();
  }
}

/** Who makes epochs final in what was deployed. */
function termsText(
  { windowSeconds, attesters, threshold = attesters.length, guardian, admin }: Target,
  operator: string,
): string {
  const who = (account: string | undefined) => account ?? `${operator}, the operator`;
  return `window     ${windowSeconds ? `${windowSeconds} s` : "none"}
attesters  ${attesters.length === 0 ? "none" : `${threshold} of ${listed(attesters)} must sign`}
committer  ${who(undefined)}
guardian   ${who(guardian)}
admin      ${who(admin)}
`;
}

function refuse(io: CommandIo, why: string): number {
  io.stderr.write(`anchorbook deploy: ${why}\n`);
  return EXIT_FAILED;
}
