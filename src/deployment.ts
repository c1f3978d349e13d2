/**
 * The contracts that this server settles into. On the embedded chain they are
 * deployed where they are missing: at the first start, and after the chain was
 * lost. On any other chain their addresses come from a file and are only checked.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Config } from "#config";
import type { DevStack } from "#devstack";
import {
  type Chain,
  checkDeployment,
  connectChain,
  DeploymentMismatch,
  type DeploymentRecord,
  deployAnchor,
  deployContracts,
  type Log,
  makeFolder,
} from "#infra";
import { contractsFileOf } from "./contracts-files.ts";
import { StartRefused } from "./start-refused.ts";

type Stack = Pick<DevStack, "rpcUrl" | "operatorPrivateKey" | "embeddedChain">;
type Folders = Pick<Config, "dataDir" | "contractsFile">;

/** @throws StartRefused where the contracts are not there and must not be deployed from here */
export async function ensureContracts(stack: Stack, config: Folders, log: Log): Promise<DeploymentRecord> {
  const file = contractsFileOf(config, null);
  return stack.embeddedChain ? ensureDeployed(stack, file, log, deployContracts) : readRecord(file);
}

/**
 * The registry of a ledger beside the default one: without a token, since all TST is in the default ledger.
 * Null where somebody has to deploy it and has not: the ledger works, and settles nowhere.
 */
export async function ensureAnchor(
  stack: Stack,
  config: Folders,
  ledger: string,
  log: Log,
): Promise<DeploymentRecord | null> {
  const file = contractsFileOf(config, ledger);
  if (stack.embeddedChain) return ensureDeployed(stack, file, log, deployAnchor);
  return existsSync(file) ? readRecord(file) : null;
}

async function ensureDeployed(
  stack: Stack,
  file: string,
  log: Log,
  deploy: typeof deployContracts,
): Promise<DeploymentRecord> {
  const chain = await connectChain({ rpcUrl: stack.rpcUrl, privateKey: stack.operatorPrivateKey });
  try {
    const known = await standingDeployment(chain, file, log);
    if (known) return known;
    log.info({ chain_id: chain.chainId.toString() }, "deploying the contracts");
    const record = await deploy(chain, {
      windowSeconds: 0,
      attesters: [],
      log: (message) => log.debug({}, message),
    });
    writeRecord(file, record);
    return record;
  } finally {
    chain.close();
  }
}

async function standingDeployment(
  chain: Chain,
  file: string,
  log: Log,
): Promise<DeploymentRecord | undefined> {
  let record: DeploymentRecord;
  try {
    record = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
  try {
    await checkDeployment(chain, record);
    return record;
  } catch (error) {
    if (!(error instanceof DeploymentMismatch)) throw error;
    log.warn({ err: error }, "the local chain has lost the contracts; deploying them again");
    return undefined;
  }
}

function readRecord(file: string): DeploymentRecord {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new StartRefused(
      `${file} holds no deployed contracts. Run "npx anchorbook deploy", or set CONTRACTS_FILE to the file it wrote.`,
      { cause },
    );
  }
}

function writeRecord(file: string, record: DeploymentRecord): void {
  makeFolder(dirname(file));
  writeFileSync(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}
