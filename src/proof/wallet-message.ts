/**
 * What wallets sign: EIP-712 typed data in the domain of a book's registry. Every
 * member can be found in the journal, so that whoever reads it can check each
 * signature again; the user stands in it as a key, never by name.
 */
import { concatBytes, fromHex, type Hex, toHex, writeHex, writeU64, writeU256 } from "./bytes.ts";
import { keccak256 } from "./hash.ts";

const text = new TextEncoder();
const hashOf = (value: string): Uint8Array => keccak256(text.encode(value));

export const WALLET_DOMAIN = { name: "Anchorbook", version: "1" } as const;
/** As libraries and wallets want them, in order. */
export const WALLET_TYPES = {
  LinkWallet: [
    { name: "user", type: "bytes32" },
    { name: "wallet", type: "address" },
    { name: "previous", type: "address" },
    { name: "number", type: "uint64" },
    { name: "deadline", type: "uint64" },
  ],
  CancelWallet: [
    { name: "user", type: "bytes32" },
    { name: "wallet", type: "address" },
    { name: "previous", type: "address" },
    { name: "number", type: "uint64" },
  ],
} as const;

const DOMAIN_TYPE = hashOf(
  "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
);
const DOMAIN_NAME = hashOf(WALLET_DOMAIN.name);
const DOMAIN_VERSION = hashOf(WALLET_DOMAIN.version);
const LINK_TYPE = hashOf(typeText("LinkWallet"));
const CANCEL_TYPE = hashOf(typeText("CancelWallet"));

/** Where a message counts. */
export interface WalletBook {
  readonly chainId: bigint;
  /** Lower case. */
  readonly registry: Hex;
}

/** "`wallet` is mine from now on, in the place of `previous`." */
export interface LinkMessage {
  /** The user's key: that of its position in `balances`. */
  readonly user: Hex;
  readonly wallet: Hex;
  /** The wallet linked until then; zero for the first. */
  readonly previous: Hex;
  /** u64: 1 for the user's first, then one more each. */
  readonly number: bigint;
  /** u64, Unix seconds: no line that is newer may bring it. */
  readonly deadline: bigint;
}

/** "`wallet` shall not take my place." */
export type CancelMessage = Omit<LinkMessage, "deadline">;

export function linkDigest(book: WalletBook, message: LinkMessage): Hex {
  return digest(book, [
    LINK_TYPE,
    ...wordsOf(message),
    u64Word(message.number, "number"),
    u64Word(message.deadline, "deadline"),
  ]);
}

export function cancelDigest(book: WalletBook, message: CancelMessage): Hex {
  return digest(book, [CANCEL_TYPE, ...wordsOf(message), u64Word(message.number, "number")]);
}

function typeText(name: keyof typeof WALLET_TYPES): string {
  return `${name}(${WALLET_TYPES[name].map((member) => `${member.type} ${member.name}`).join(",")})`;
}

function wordsOf({ user, wallet, previous }: CancelMessage): Uint8Array[] {
  return [fromHex(user, 32, "user"), addressWord(wallet, "wallet"), addressWord(previous, "previous")];
}

function digest({ chainId, registry }: WalletBook, struct: readonly Uint8Array[]): Hex {
  const chain = new Uint8Array(32);
  writeU256(new DataView(chain.buffer), 0, chainId, "chain_id");
  const domain = keccak256(
    concatBytes(DOMAIN_TYPE, DOMAIN_NAME, DOMAIN_VERSION, chain, addressWord(registry, "registry")),
  );
  return toHex(keccak256(concatBytes(Uint8Array.of(0x19, 0x01), domain, keccak256(concatBytes(...struct)))));
}

function addressWord(address: Hex, where: string): Uint8Array {
  const word = new Uint8Array(32);
  writeHex(word, 12, address, 20, where);
  return word;
}

function u64Word(value: bigint, where: string): Uint8Array {
  const word = new Uint8Array(32);
  writeU64(new DataView(word.buffer), 24, value, where);
  return word;
}
