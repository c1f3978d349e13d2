/**
 * The few calls to a registry that checking a proof takes, as ABI-encoded text,
 * and its answers read back. By hand, because a library for contracts is many
 * times larger than all of the verifier. Answers come from a node that may say
 * anything: what is not exactly of the form is an error.
 */
import {
  encodeHeader,
  type Hex,
  keccak256,
  type Leaf,
  type ProofDocument,
  SECTIONS,
  type SumNode,
  toHex,
} from "#proof";

const HEADER =
  "(uint32,uint256,address,uint64,bytes32,(bytes32,uint128,uint64)[5],bytes32,uint64,uint64,bytes32,uint64)";
const LEAF = "(uint64,address,bytes32,uint128,uint64,uint32,uint32)";
const WORD_BYTES = 32n;
/** Header, section, leaf and the place of the list: what stands before the siblings. */
const HEAD_WORDS = 25n + 1n + 7n + 1n;
/** Where a header has it; the journal's size is the word after it. */
const JOURNAL_ROOT_WORD = 20;

const utf8 = new TextEncoder();

function hashOf(signature: string): Hex {
  return toHex(keccak256(utf8.encode(signature)));
}

function call(signature: string, ...words: string[]): Hex {
  return `${hashOf(signature).slice(0, 10)}${words.join("")}` as Hex;
}

/** One word without its 0x: an integer, an address or 32 bytes. */
function word(value: bigint | Hex): string {
  return (typeof value === "bigint" ? value.toString(16) : value.slice(2)).padStart(64, "0");
}

export const tokenCall = (): Hex => call("token()");

export const lastFinalCall = (): Hex => call("lastFinal()");

export const frozenAtCall = (): Hex => call("frozenAt()");

export const headerHashOfCall = (epoch: bigint): Hex => call("headerHashOf(uint64)", word(epoch));

/** @param section its number: 0 balances to 4 payouts */
export const custodianOfCall = (section: bigint): Hex => call("custodianOf(uint8)", word(section));

export function verifyInCall({ header, section, leaf, siblings }: ProofDocument): Hex {
  return call(
    `verifyIn(${HEADER},uint8,${LEAF},(bytes32,uint128)[])`,
    toHex(encodeHeader(header)).slice(2),
    word(sectionNumber(section)),
    ...leafWords(leaf),
    word(HEAD_WORDS * WORD_BYTES),
    word(BigInt(siblings.length)),
    ...siblings.flatMap(({ hash, sum }: SumNode) => [word(hash), word(sum)]),
  );
}

/** Topics of `EpochCommitted(uint64 indexed epoch, bytes32 indexed headerHash, Header header)` for a header. */
export function committedTopics(epoch: bigint, headerHash: Hex): readonly Hex[] {
  return [...allCommittedTopics(), `0x${word(epoch)}`, headerHash];
}

/** The same for every header. */
export function allCommittedTopics(): readonly Hex[] {
  return [hashOf(`EpochCommitted(uint64,bytes32,${HEADER})`)];
}

/** Journal root and size as a header's 25 words hold them; null where the data of an event is no header. */
export function journalOf(data: string): { readonly root: Hex; readonly size: bigint } | null {
  if (!/^0x[0-9a-f]{1600}$/.test(data)) return null;
  const wordAt = (place: number): Hex => `0x${data.slice(2 + 64 * place, 66 + 64 * place)}`;
  return { root: wordAt(JOURNAL_ROOT_WORD), size: BigInt(wordAt(JOURNAL_ROOT_WORD + 1)) };
}

/** Topics of `EpochFinalized(uint64 indexed epoch, bytes32 indexed headerHash)` for an epoch. */
export function finalizedTopics(epoch: bigint): readonly Hex[] {
  return [hashOf("EpochFinalized(uint64,bytes32)"), `0x${word(epoch)}`];
}

export function sectionNumber(section: ProofDocument["section"]): bigint {
  return BigInt(SECTIONS.indexOf(section));
}

function leafWords({ index, owner, key, amount, validUntil, kind, quantity }: Leaf): string[] {
  return [index, owner, key, amount, validUntil, BigInt(kind), BigInt(quantity)].map(word);
}

const ONE_WORD = /^0x[0-9a-f]{64}$/;

/** @throws Error for anything but one word */
export function readWord(answer: unknown): Hex {
  const text = typeof answer === "string" ? answer.toLowerCase() : "";
  if (!ONE_WORD.test(text)) throw new Error("the node answered something other than 32 bytes");
  return text as Hex;
}

/** @throws Error for anything but one word that holds an address */
export function readAddressWord(answer: unknown): Hex {
  const text = readWord(answer);
  if (!/^0x0{24}/.test(text)) throw new Error("the node answered something other than an address");
  return `0x${text.slice(26)}`;
}

const QUANTITY = /^0x[0-9a-f]{1,64}$/i;

/** A JSON-RPC quantity. @throws Error for anything else */
export function readQuantity(answer: unknown): bigint {
  if (typeof answer !== "string" || !QUANTITY.test(answer))
    throw new Error("the node answered something other than a number");
  return BigInt(answer);
}
