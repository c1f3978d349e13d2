/** The chain: connection, contracts, headers to and from the registry. No business rule lives here. */
export {
  type BlockRange,
  Book,
  type CommittedEpoch,
  type Custody,
  claimCalldata,
  claimNewestCalldata,
  commitCalldata,
  decodeCommitted,
  decodeFinalized,
  type FinalizedEpoch,
  finalizeCalldata,
} from "./book.ts";
export {
  ChainUnavailable,
  type ContractRefusal,
  contractRefusal,
  isChainUnavailable,
} from "./chain-errors.ts";
export { type Chain, type ChainOptions, connectChain } from "./connect-chain.ts";
export { type ContractArtifact, type ContractName, contractArtifact } from "./contract-artifacts.ts";
export { type DeployOptions, deployAnchor, deployContracts } from "./deploy-contracts.ts";
export {
  checkDeployment,
  contractAt,
  DeploymentMismatch,
  type DeploymentRecord,
} from "./deployment.ts";
export {
  type ChainHeader,
  type ChainLeaf,
  type ChainNode,
  type ChainSection,
  NO_HEADER,
} from "./header-codec.ts";
export {
  checkWalletSignature,
  isSignedByKey,
  recheckWalletSignature,
  type SignedDigest,
} from "./wallet-signature.ts";
