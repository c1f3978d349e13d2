/**
 * Deploys a book: token, custodians, registry. The contracts know each other
 * through constructor arguments alone, so their addresses are worked out from
 * the sender's nonce beforehand; the registry comes last and refuses to exist
 * unless every custodian is wired to it.
 *
 * Safe to repeat: nothing is recorded until all of it is mined and checked, and
 * an interrupted deployment leaves contracts that belong to no record. Start
 * again from scratch.
 */
import { getAddress, getCreateAddress, type Wallet, ZeroAddress } from "ethers";
import type { Chain } from "./connect-chain.ts";
import { type BookAddresses, constructorArguments, registryArguments } from "./constructor-arguments.ts";
import { type ContractName, contractArtifact, IN_ORDER_OF_CREATION } from "./contract-artifacts.ts";
import { MOST_BLOCKS_BACK } from "./creations.ts";
import { checkDeployment, type DeploymentRecord } from "./deployment.ts";
import { sendTransaction } from "./send-transaction.ts";

export interface DeployOptions {
  /** Seconds between commit and finalize, 0 to 259,200 (3 days). Above 0 admin, committer and guardian must differ. */
  windowSeconds: number;
  /** Accounts that sign epochs; at least one where there is a window, and none of them with a role. */
  attesters: readonly string[];
  /** Signatures an epoch needs to become final: by default those of all attesters. */
  threshold?: number | undefined;
  /** Base units; the smallest position for which an exit can be demanded. 1 TST, where not given. */
  minimumExit?: bigint | undefined;
  /** Ends a pause and gives roles. The sender, where not given; so for the two below. */
  admin?: string | undefined;
  committer?: string | undefined;
  guardian?: string | undefined;
  /** Told of every contract that is mined. */
  log?: ((message: string) => void) | undefined;
}

const ONE_TST = 10n ** 18n;

/**
 * @returns the record, once everything is mined and `checkDeployment` agrees
 * @throws Error without a signer, where another transaction of the sender came in between, or where the contracts
 * refuse the options (`contractRefusal` tells why)
 */
export async function deployContracts(chain: Chain, options: DeployOptions): Promise<DeploymentRecord> {
  const signer = chain.signer;
  if (!signer) throw new Error("deploying needs a connection with a private key");
  const firstNonce = await chain.provider.getTransactionCount(signer.address, "pending");
  const addresses = plannedAddresses(signer.address, firstNonce);
  const blocks: number[] = [];
  for (const [place, name] of IN_ORDER_OF_CREATION.entries()) {
    const plan = { nonce: firstNonce + place, address: addresses[name] };
    blocks.push(await deployOne(signer, name, argumentsOf(name, addresses, signer.address, options), plan));
    options.log?.(`deployed ${name} at ${addresses[name]}`);
  }
  const deployedBlock = Math.max(...blocks);
  if (deployedBlock - Math.min(...blocks) > MOST_BLOCKS_BACK)
    throw new Error(
      `the first contract was mined ${deployedBlock - Math.min(...blocks)} blocks before the last: an audit looks for them over ${MOST_BLOCKS_BACK} blocks. Deploy again when the chain has more room`,
    );
  const record = recordOf(chain.chainId, addresses, deployedBlock, options);
  await checkDeployment(chain, record);
  return record;
}

/**
 * Deploys a registry alone: a book without a token, which anchors a journal and holds nothing.
 * @throws as `deployContracts`
 */
export async function deployAnchor(chain: Chain, options: DeployOptions): Promise<DeploymentRecord> {
  const signer = chain.signer;
  if (!signer) throw new Error("deploying needs a connection with a private key");
  const nonce = await chain.provider.getTransactionCount(signer.address, "pending");
  const address = getCreateAddress({ from: signer.address, nonce });
  const names = IN_ORDER_OF_CREATION.map((name) => [
    name,
    name === "SettlementRegistry" ? address : ZeroAddress,
  ]);
  const addresses = Object.fromEntries(names) as BookAddresses;
  const args = argumentsOf("SettlementRegistry", addresses, signer.address, options);
  const deployedBlock = await deployOne(signer, "SettlementRegistry", args, { nonce, address });
  options.log?.(`deployed SettlementRegistry at ${address}, for a book without a token`);
  // Such a registry names itself where leaves name a custodian.
  const itself = Object.fromEntries(IN_ORDER_OF_CREATION.map((name) => [name, address])) as BookAddresses;
  const record = { ...recordOf(chain.chainId, itself, deployedBlock, options), token: ZeroAddress };
  await checkDeployment(chain, record);
  return record;
}

function plannedAddresses(sender: string, firstNonce: number): BookAddresses {
  const pairs = IN_ORDER_OF_CREATION.map((name, place) => [
    name,
    getCreateAddress({ from: sender, nonce: firstNonce + place }),
  ]);
  return Object.fromEntries(pairs) as BookAddresses;
}

function argumentsOf(
  name: ContractName,
  at: BookAddresses,
  sender: string,
  options: DeployOptions,
): readonly unknown[] {
  if (name !== "SettlementRegistry") return constructorArguments(name, at);
  const { admin = sender, committer = sender, guardian = sender, minimumExit = ONE_TST } = options;
  const { attesters, windowSeconds, threshold = attesters.length } = options;
  return registryArguments(at, {
    ...{ admin, committer, guardian, minimumExit, attesters },
    ...{ challengeWindow: BigInt(windowSeconds), threshold: BigInt(threshold) },
  });
}

async function deployOne(
  signer: Wallet,
  name: ContractName,
  args: readonly unknown[],
  plan: { nonce: number; address: string },
): Promise<number> {
  const { abi, bytecode } = contractArtifact(name);
  const receipt = await sendTransaction(signer, {
    data: bytecode + abi.encodeDeploy(args).slice(2),
    nonce: plan.nonce,
  });
  if (receipt.contractAddress == null || getAddress(receipt.contractAddress) !== plan.address)
    throw new Error(
      `${name} was not deployed at ${plan.address}: another transaction of the sender came in between`,
    );
  return receipt.blockNumber;
}

function recordOf(
  chainId: bigint,
  at: BookAddresses,
  deployedBlock: number,
  { windowSeconds }: DeployOptions,
): DeploymentRecord {
  return {
    chain_id: Number(chainId),
    token: at.TST,
    registry: at.SettlementRegistry,
    custodians: {
      balances: at.SettlementVault,
      locks: at.P2PAgreementEscrow,
      stakes: at.AccessTierStaking,
      compute: at.EntityComputeReserve,
      payouts: at.SettlementVault,
    },
    deployed_block: deployedBlock,
    challenge_window_seconds: windowSeconds,
  };
}
