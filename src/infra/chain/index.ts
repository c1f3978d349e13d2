/** The chain: connection, contracts, headers to and from the registry. No business rule lives here. */
export { ATTEST_TYPES, attestDomain, attesterOf, isCanonicalSignature } from "./attestation.ts";
export {
  type BlockRange,
  Book,
  type Custody,
  type FinalityRules,
  type PositionDemand,
} from "./book.ts";
export {
  type CommittedEpoch,
  claimCalldata,
  commitCalldata,
  decodeCommitted,
  decodeFinalized,
  decodeVetoed,
  type FinalizedEpoch,
  finalizeCalldata,
  serveCalldata,
  type VetoedEpoch,
} from "./book-codec.ts";
export {
  type BookEvent,
  bookContracts,
  bookEventNames,
  decodeBookEvent,
  type EventArgs,
  type RpcLog,
  showBookEvent,
} from "./book-events.ts";
export {
  ChainInconsistent,
  ChainUnavailable,
  type ContractRefusal,
  contractRefusal,
  isChainSilent,
  isChainUnavailable,
  isUndecodable,
  NodeFailed,
} from "./chain-errors.ts";
export {
  type ChainBlock,
  type ChainReader,
  createChainReader,
  mayHoldLogs,
  quantity,
  RangeTooWide,
} from "./chain-reader.ts";
export { type Chain, type ChainOptions, connectChain } from "./connect-chain.ts";
export type { RegistryTerms } from "./constructor-arguments.ts";
export {
  type ContractArtifact,
  type ContractName,
  contractArtifact,
  contractEvents,
} from "./contract-artifacts.ts";
export {
  type BookContract,
  type Creation,
  contractsDigest,
  contractsOf,
  creationFault,
  findCreations,
  MOST_BLOCKS_BACK,
  termsOfCreation,
} from "./creations.ts";
export { type DeployOptions, deployAnchor, deployContracts } from "./deploy-contracts.ts";
export {
  checkDeployment,
  contractAt,
  DeploymentMismatch,
  type DeploymentRecord,
} from "./deployment.ts";
export { eventWords } from "./event-words.ts";
export { type FinalSection, finalSectionOf, NO_FINAL_SECTION } from "./final-section.ts";
export {
  type ChainHeader,
  type ChainLeaf,
  type ChainNode,
  type ChainSection,
  NO_HEADER,
} from "./header-codec.ts";
export { minedReceipt, type SentTransaction, sendTransaction } from "./send-transaction.ts";
export {
  askWallet,
  checkWalletSignature,
  isSignedByKey,
  recheckWalletSignature,
  type SignedDigest,
} from "./wallet-signature.ts";
