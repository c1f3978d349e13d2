/**
 * The contracts that this server settles into. On the embedded chain they are
 * deployed where they are missing: at the first start, and after the chain was
 * lost. On any other chain their addresses come from a file and are only checked.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "#config";
import type { DevStack } from "#devstack";
import {
  type Chain,
  checkDeployment,
  connectChain,
  DeploymentMismatch,
  type DeploymentRecord,
  deployContracts,
  type Log,
} from "#infra";

/** @throws Error that says what to do where the contracts are not there and must not be deployed from here */
export async function ensureContracts(
  stack: Pick<DevStack, "rpcUrl" | "operatorPrivateKey" | "embeddedChain">,
  config: Pick<Config, "dataDir" | "contractsFile">,
  log: Log,
): Promise<DeploymentRecord> {
  if (!stack.embeddedChain) return readRecord(config.contractsFile ?? join(config.dataDir, "contracts.json"));
  const file = join(config.dataDir, "contracts.json");
  const chain = await connectChain({ rpcUrl: stack.rpcUrl, privateKey: stack.operatorPrivateKey });
  try {
    const known = await standingDeployment(chain, file, log);
    if (known) return known;
    log.info({ chain_id: chain.chainId.toString() }, "deploying the contracts");
    const record = await deployContracts(chain, {
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
    throw new Error(
      `${file} holds no deployed contracts. Run "npx anchorbook deploy", or set CONTRACTS_FILE to the file it wrote.`,
      { cause },
    );
  }
}

function writeRecord(file: string, record: DeploymentRecord): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}
