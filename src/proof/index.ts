/**
 * The settlement format, version 1: leaves, sum trees, the log, headers, journal
 * lines and proof documents. Pure: no I/O, nothing of Node, runs in a browser.
 * Nothing here may change without a new version number; `docs/settlement-format.md`
 * says the same in words, and golden vectors hold code and contracts to it.
 */
export { fromBase64, toBase64 } from "./base64.ts";
export {
  concatBytes,
  equalBytes,
  fromHex,
  type Hex,
  toHex,
  toSafeInteger,
  ZERO_ADDRESS,
  ZERO_WORD,
} from "./bytes.ts";
export {
  type Checkpoint,
  type Cosignature,
  cosignatureOf,
  cosignatureTime,
  cosignedMessage,
  formatCheckpoint,
  type OpenCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  verifyNoteSignature,
} from "./checkpoint.ts";
export { FormatError } from "./format-error.ts";
export { KeccakStream, keccak256, sha256 } from "./hash.ts";
export {
  encodeHeader,
  HEADER_VERSION,
  type Header,
  type HeaderJson,
  type HeaderSection,
  headerHash,
  headerSection,
  headerToJson,
  isSameSection,
  parseHeader,
} from "./header.ts";
export {
  type ChainLine,
  type ClosingLine,
  encodeJournalLine,
  type JournalLine,
  type LineBook,
  PHASES,
  type Phase,
  type PositionLine,
  parseJournalLine,
  type TransferLine,
} from "./journal-line.ts";
export {
  encodeLeaf,
  LEAF_BYTES,
  LEAF_RECORD,
  LEAF_RECORD_BYTES,
  type Leaf,
  leafHash,
  leafHasher,
  type Opening,
  positionKey,
} from "./leaf.ts";
export {
  dataHash,
  encodeLeafFile,
  encodeLeafLine,
  leafFileHash,
  parseLeafFile,
  parseLeafLine,
} from "./leaf-file.ts";
export {
  consistencyProof,
  foldPlan,
  inclusionProof,
  LogTree,
  planConsistency,
  planInclusion,
  type Subtree,
  type SubtreeHashes,
  subtreesOf,
  verifyConsistency,
  verifyInclusion,
} from "./log-proof.ts";
export {
  hashesFromTiles,
  lastTiles,
  rootFromTiles,
  TILE_HASH_BYTES,
  TILE_WIDTH,
  type Tile,
  TileBuilder,
  type TileHashes,
  type TileName,
  tileIndexPath,
  tilesFor,
  tileWidth,
} from "./log-tiles.ts";
export {
  EMPTY_LOG_ROOT,
  foldSubtrees,
  LogFrontier,
  type LogFrontierJson,
  logLeafHash,
  logNodeHash,
} from "./log-tree.ts";
export {
  buildProof,
  PROOF_FORMAT,
  type ProofDocument,
  type ProofDocumentJson,
  type ProofParts,
  parseProof,
  proofToJson,
} from "./proof-document.ts";
export type { ReplayedAccount } from "./replay-accounts.ts";
export { ReplayError } from "./replay-error.ts";
export { ReplayState, type SectionLeaves } from "./replay-state.ts";
export {
  custodianFits,
  type DomainParts,
  isSection,
  KEY_PARTS,
  leafDomain,
  SECTIONS,
  type Section,
} from "./section.ts";
export {
  formatNote,
  formatSignatureLine,
  formatVerifierKey,
  isKeyOf,
  isNoteName,
  NOTE_COSIGNATURE,
  NOTE_ED25519,
  type NoteKey,
  type NoteSignature,
  noteKey,
  parseNote,
  parseSignatureLine,
  parseVerifierKey,
  type SignedNote,
} from "./signed-note.ts";
export { type OlderLeaves, stepBack } from "./step-back.ts";
export { isAddress, parseJson, requireHexList, toChecksumAddress } from "./strict-json.ts";
export {
  allocateTree,
  copyTree,
  hashRecords,
  hashRun,
  hashTop,
  type LeafRun,
  levelsOf,
  RUN_LEAVES,
  type TreeMemory,
  writeLeafRecord,
} from "./subtrees.ts";
export { EMPTY_NODE, foldProof, joinNodes, type SumNode, treeDepth } from "./sum-node.ts";
export { SumTree, type SumTreeOptions, type TreeChange, type TreeView } from "./sum-tree.ts";
export { formatTlogProof, parseTlogProof, type TlogProof } from "./tlog-proof.ts";
export type { TreeUndo } from "./tree-undo.ts";
export {
  type CancelMessage,
  cancelDigest,
  type LinkMessage,
  linkDigest,
  WALLET_DOMAIN,
  WALLET_TYPES,
  type WalletBook,
} from "./wallet-message.ts";
export {
  type CompletedChange,
  type SignatureCheck,
  WALLET_DELAY_SECONDS,
  type WalletCheck,
  type WalletFacts,
  WalletRules,
  type WalletRulesJson,
} from "./wallet-rules.ts";
export {
  type CancelStatement,
  type EntryStatement,
  encodeStatement,
  entryProof,
  type LinkStatement,
  linkReference,
  MAX_SIGNATURE_BYTES,
  parseStatement,
  type ReferenceStatement,
  type WalletSignature,
  type WalletStatement,
} from "./wallet-statement.ts";
