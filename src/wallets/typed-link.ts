/** A message to sign in the form that wallets take it (`eth_signTypedData_v4`). */
import {
  type Hex,
  type LinkMessage,
  linkDigest,
  toChecksumAddress,
  WALLET_DOMAIN,
  WALLET_TYPES,
  type WalletBook,
} from "#proof";

const DOMAIN_TYPE = [
  { name: "name", type: "string" },
  { name: "version", type: "string" },
  { name: "chainId", type: "uint256" },
  { name: "verifyingContract", type: "address" },
];

export interface TypedLink {
  readonly typed_data: {
    readonly domain: {
      readonly name: string;
      readonly version: string;
      readonly chainId: string;
      readonly verifyingContract: string;
    };
    readonly types: Readonly<Record<"EIP712Domain" | "LinkWallet", { name: string; type: string }[]>>;
    readonly primaryType: "LinkWallet";
    readonly message: {
      readonly user: string;
      readonly wallet: string;
      readonly previous: string;
      readonly number: string;
      readonly deadline: string;
    };
  };
  readonly digest: Hex;
}

export function typedLink(book: WalletBook, message: LinkMessage): TypedLink {
  return {
    typed_data: {
      domain: {
        ...WALLET_DOMAIN,
        chainId: `${book.chainId}`,
        verifyingContract: toChecksumAddress(book.registry),
      },
      types: { EIP712Domain: DOMAIN_TYPE, LinkWallet: [...WALLET_TYPES.LinkWallet] },
      primaryType: "LinkWallet",
      message: {
        user: message.user,
        wallet: toChecksumAddress(message.wallet),
        previous: toChecksumAddress(message.previous),
        number: `${message.number}`,
        deadline: `${message.deadline}`,
      },
    },
    digest: linkDigest(book, message),
  };
}
