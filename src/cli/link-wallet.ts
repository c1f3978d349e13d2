/**
 * Links a wallet to the user of a token, by the wallet's signature. A wallet signs this once and for ever, so the message is
 * made here: the user key from the token's user and the salt that the server answers, the wallet from the key, the registry
 * from whoever runs the command. What the server wants to be signed has to be that.
 */
import { toRfc3339 } from "#kernel";
import {
  type Hex,
  isAddress,
  type Opening,
  positionKey,
  toChecksumAddress,
  WALLET_DOMAIN,
  WALLET_TYPES,
  ZERO_ADDRESS,
} from "#proof";
import { type UserApiClient, withAsset } from "./api-client.ts";
import type { CommandIo } from "./command.ts";
import { readWalletKey, WALLET_KEY } from "./wallet-key.ts";

export interface LinkOptions {
  readonly asset: string | undefined;
  readonly keyFile: string | undefined;
  /** Of the book that the wallet is linked in, and a node of its chain; undefined: the server's own word. */
  readonly registry: string | undefined;
  readonly rpc: string | undefined;
}

const MEMBERS = ["user", "wallet", "previous", "number", "deadline"] as const;

type LinkText = Readonly<Record<(typeof MEMBERS)[number], string>>;

/** What of `POST /api/v1/wallets/message` is looked at. */
interface MessageAnswer {
  readonly typed_data?: {
    readonly domain: { readonly chainId: string; readonly verifyingContract: string };
    readonly message: LinkText;
  };
  readonly opening?: Opening;
}

interface Book {
  readonly chainId: string;
  readonly registry: Hex;
}

/**
 * Nothing where the key's wallet is linked.
 * @throws Error where another one is, where there is no key, or where the server wants something else to be signed
 */
export async function linkWallet(client: UserApiClient, options: LinkOptions, io: CommandIo): Promise<void> {
  const { asset, keyFile } = options;
  const { wallet: linked } = await client.get<{ wallet: string | null }>(withAsset("/api/v1/wallets", asset));
  const key = await readWalletKey(io.env, keyFile);
  if (key === undefined && linked !== null) return;
  if (key === undefined) throw new Error(`--link needs the wallet's key, in ${WALLET_KEY} or --key-file`);
  const { Wallet } = await import("ethers");
  const signer = new Wallet(key);
  const { address: wallet } = signer;
  if (linked === wallet) return;
  // Whoever had the user's token before could link one; what is withdrawn would be theirs.
  if (linked !== null) throw new Error(`${linked} is linked already, and ${wallet} is the wallet of the key`);
  const asked = await client.post<MessageAnswer>("/api/v1/wallets/message", { wallet, asset });
  const book = await checkedBook(asked, options);
  const message = checkedMessage(asked, client.userId, wallet);
  io.stderr.write(describe(client.userId, message, book, options));
  const signature = await signer.signTypedData(
    { ...WALLET_DOMAIN, chainId: book.chainId, verifyingContract: book.registry },
    { LinkWallet: [...WALLET_TYPES.LinkWallet] },
    message,
  );
  const [number, deadline] = [message.number, message.deadline].map((text) => Number.parseInt(text, 10));
  await client.post("/api/v1/wallets", { wallet, number, deadline, signature, asset });
  io.stderr.write(`linked ${wallet}\n`);
}

/** A signature counts in the one book that it names. */
async function checkedBook({ typed_data: typed }: MessageAnswer, pinned: LinkOptions): Promise<Book> {
  const { chainId, verifyingContract } = typed?.domain ?? {};
  if (typeof chainId !== "string" || !/^[1-9]\d{0,19}$/.test(chainId) || !isAddress(verifyingContract ?? ""))
    throw new Error("the server names no registry on a chain to sign for");
  const registry = `${verifyingContract}`.toLowerCase() as Hex;
  if (pinned.registry !== undefined && pinned.registry !== registry)
    throw new Error(`the server wants the registry ${registry} to be signed for, and not ${pinned.registry}`);
  if (pinned.rpc !== undefined) {
    const { connectChain } = await import("#infra");
    const chain = await connectChain({ rpcUrl: pinned.rpc });
    chain.close();
    if (`${chain.chainId}` !== chainId)
      throw new Error(
        `the server wants chain ${chainId} to be signed for, and the node is of ${chain.chainId}`,
      );
  }
  return { chainId, registry };
}

/** A user's first link. Only until when it holds is the server's to say. */
function checkedMessage(
  { typed_data: typed, opening }: MessageAnswer,
  userId: string,
  wallet: string,
): LinkText {
  if (!typed?.message || !opening) throw new Error("the server does not show what the user key is made of");
  const { deadline } = typed.message;
  if (!/^\d{1,12}$/.test(deadline))
    throw new Error("the server names no time until which the signature holds");
  const user = positionKey({ salt: opening.salt, parts: [userId] });
  const own: LinkText = { user, wallet, previous: ZERO_ADDRESS, number: "1", deadline };
  const other = MEMBERS.find((member) => typed.message[member] !== own[member]);
  if (other === undefined) return own;
  const wanted = JSON.stringify(typed.message[other]);
  throw new Error(
    `the server wants the ${other} ${wanted} to be signed for, and for ${userId} it is ${own[other]}`,
  );
}

function describe(
  userId: string,
  { user, wallet, deadline }: LinkText,
  { chainId, registry }: Book,
  pinned: LinkOptions,
): string {
  const word = (option: string, value: string | undefined) =>
    value === undefined ? ` (the server's own word; ${option} pins it)` : "";
  return `the wallet signs, for ever:
  user      ${userId}, by the key ${user}
  wallet    ${wallet}
  registry  ${toChecksumAddress(registry)}${word("--registry ADDRESS", pinned.registry)}
  chain     ${chainId}${word("--rpc URL", pinned.rpc)}
  until     ${toRfc3339(Number.parseInt(deadline, 10))}, for the server to bring it in
`;
}
