/** What the contracts of a book are created with: each other's addresses, and the terms of the registry. */
import { AbiCoder, ZeroAddress } from "ethers";
import { type ContractName, contractArtifact } from "./contract-artifacts.ts";
import type { DeploymentRecord } from "./deployment.ts";

export type BookAddresses = Readonly<Record<ContractName, string>>;

/** What a registry is told besides addresses; roles and attesters can change later, the rest cannot. */
export interface RegistryTerms {
  readonly admin: string;
  readonly committer: string;
  readonly guardian: string;
  /** Seconds. */
  readonly challengeWindow: bigint;
  /** Base units. */
  readonly minimumExit: bigint;
  readonly attesters: readonly string[];
  readonly threshold: bigint;
}

export function constructorArguments(
  name: Exclude<ContractName, "SettlementRegistry">,
  at: BookAddresses,
): readonly unknown[] {
  const [vault, ...others] = custodiansOf(at);
  if (name === "TST") return [vault, ...others];
  if (name === "SettlementVault") return [at.SettlementRegistry, at.TST, ...others];
  return [at.SettlementRegistry, at.TST, vault];
}

export function registryArguments(at: BookAddresses, terms: RegistryTerms): readonly unknown[] {
  const { admin, committer, guardian, challengeWindow, minimumExit, attesters, threshold } = terms;
  return [
    [admin, committer, guardian],
    at.TST,
    custodiansOf(at),
    [challengeWindow, minimumExit, attesters, threshold],
  ];
}

/** @param encoded the bytes behind a registry's creation code, as hex @throws Error where they are too few or malformed */
export function readRegistryTerms(encoded: string): RegistryTerms {
  const { abi } = contractArtifact("SettlementRegistry");
  const [roles, , , rules] = AbiCoder.defaultAbiCoder().decode(abi.deploy.inputs, encoded).toArray(true);
  const [admin, committer, guardian] = roles as [string, string, string];
  const [challengeWindow, minimumExit, attesters, threshold] = rules as [bigint, bigint, string[], bigint];
  return { admin, committer, guardian, challengeWindow, minimumExit, attesters, threshold };
}

/** A book without a token names its registry where others name a custodian; its constructor was told of none. */
export function addressesOf({ registry, token, custodians }: DeploymentRecord): BookAddresses {
  const none = BigInt(token) === 0n;
  return {
    ...{ TST: token, SettlementRegistry: registry },
    SettlementVault: none ? ZeroAddress : custodians.balances,
    P2PAgreementEscrow: none ? ZeroAddress : custodians.locks,
    AccessTierStaking: none ? ZeroAddress : custodians.stakes,
    EntityComputeReserve: none ? ZeroAddress : custodians.compute,
  };
}

function custodiansOf(at: BookAddresses): readonly [string, string, string, string] {
  return [at.SettlementVault, at.P2PAgreementEscrow, at.AccessTierStaking, at.EntityComputeReserve];
}
