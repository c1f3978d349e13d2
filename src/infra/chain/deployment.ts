/**
 * The deployment record (which contracts make up a book) and the check that the
 * chain agrees with it. The check reads only; it is how a start notices that the
 * chain behind a record is another one, or has lost the contracts.
 */
import { Contract, getAddress, ZeroAddress } from "ethers";
import type { Chain } from "./connect-chain.ts";
import { type ContractName, contractArtifact } from "./contract-artifacts.ts";

/** As it stands in the contracts file. Addresses are checksummed; balances and payouts share the vault. */
export interface DeploymentRecord {
  chain_id: number;
  token: string;
  registry: string;
  custodians: { balances: string; locks: string; stakes: string; compute: string; payouts: string };
  /** The block the registry was deployed in: no event of the book is older. */
  deployed_block: number;
  /** Seconds between an epoch's commit and its finalize; never changes. Absent: 0, or an older record. */
  challenge_window_seconds?: number;
}

export const SECTION_NAMES = ["balances", "locks", "stakes", "compute", "payouts"] as const;
export type SectionName = (typeof SECTION_NAMES)[number];

const CUSTODIAN_CONTRACTS: Readonly<Record<SectionName, ContractName>> = {
  balances: "SettlementVault",
  locks: "P2PAgreementEscrow",
  stakes: "AccessTierStaking",
  compute: "EntityComputeReserve",
  payouts: "SettlementVault",
};

/** The record names contracts that are not there, or that do not belong together. */
export class DeploymentMismatch extends Error {
  constructor(what: string) {
    super(`the contracts do not match the deployment record: ${what}`);
    this.name = "DeploymentMismatch";
  }
}

/**
 * Checks code and cross-wiring of every contract of the record: the token knows
 * the custodians, the custodians know registry and token, the registry knows all.
 * @throws DeploymentMismatch
 */
export async function checkDeployment(chain: Chain, record: DeploymentRecord): Promise<void> {
  if (BigInt(record.chain_id) !== chain.chainId)
    throw new DeploymentMismatch(`it is for chain ${record.chain_id}, connected is ${chain.chainId}`);
  // A connection may have been told its chain id (from this very record) without asking the node.
  const answered: string = await chain.provider.send("eth_chainId", []);
  if (BigInt(answered) !== chain.chainId)
    throw new DeploymentMismatch(
      `it is for chain ${record.chain_id}, the node is of chain ${BigInt(answered)}`,
    );
  const { custodians } = record;
  if (!same(custodians.balances, custodians.payouts))
    throw new DeploymentMismatch("balances and payouts have different custodians");
  const all = { token: record.token, registry: record.registry, ...custodians };
  const anchorsOnly = same(record.token, ZeroAddress);
  for (const [name, address] of Object.entries(anchorsOnly ? { registry: record.registry } : all))
    if ((await chain.provider.getCode(address)) === "0x")
      throw new DeploymentMismatch(`no contract at ${address} (${name})`);
  await checkRegistry(chain, record);
  // A book without a token has no custodians either, which the registry has just confirmed.
  if (anchorsOnly) return;
  await checkToken(chain, record);
  for (const section of SECTION_NAMES) await checkCustodian(chain, record, section);
}

async function checkRegistry(chain: Chain, record: DeploymentRecord): Promise<void> {
  const registry = contractAt(chain, "SettlementRegistry", record.registry);
  const window = (await registry.getFunction("challengeWindow")()) as bigint;
  if (record.challenge_window_seconds !== undefined && BigInt(record.challenge_window_seconds) !== window)
    throw new DeploymentMismatch(
      `the challenge window is ${window} s, not ${record.challenge_window_seconds} s`,
    );
  await expectAddress("registry.token", registry.getFunction("token")(), record.token);
  for (const [number, section] of SECTION_NAMES.entries())
    await expectAddress(
      `registry.custodianOf(${section})`,
      registry.getFunction("custodianOf")(number),
      record.custodians[section],
    );
}

async function checkToken(chain: Chain, record: DeploymentRecord): Promise<void> {
  const token = contractAt(chain, "TST", record.token);
  const { balances, locks, stakes, compute } = record.custodians;
  const known = { vault: balances, escrow: locks, staking: stakes, reserve: compute };
  for (const [name, address] of Object.entries(known))
    await expectAddress(`token.${name}`, token.getFunction(name)(), address);
}

async function checkCustodian(chain: Chain, record: DeploymentRecord, section: SectionName): Promise<void> {
  const custodian = contractAt(chain, CUSTODIAN_CONTRACTS[section], record.custodians[section]);
  await expectAddress(`${section}.registry`, custodian.getFunction("registry")(), record.registry);
  await expectAddress(`${section}.token`, custodian.getFunction("token")(), record.token);
  if (!(await custodian.getFunction("holds")(SECTION_NAMES.indexOf(section))))
    throw new DeploymentMismatch(`${record.custodians[section]} does not hold the section ${section}`);
}

export function contractAt(chain: Chain, name: ContractName, address: string): Contract {
  return new Contract(address, contractArtifact(name).abi, chain.signer ?? chain.provider);
}

export function custodianAt(chain: Chain, record: DeploymentRecord, section: SectionName): Contract {
  return contractAt(chain, CUSTODIAN_CONTRACTS[section], record.custodians[section]);
}

async function expectAddress(what: string, answer: Promise<string>, expected: string): Promise<void> {
  const actual = await answer;
  if (!same(actual, expected)) throw new DeploymentMismatch(`${what} is ${actual}, not ${expected}`);
}

function same(left: string, right: string): boolean {
  return getAddress(left) === getAddress(right);
}
