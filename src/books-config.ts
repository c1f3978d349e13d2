/**
 * More books of the default ledger: assets that settle on a chain of their own.
 * A JSON list, because each has a chain, a key and contracts; keys and addresses
 * with keys in them stay in the environment, and the list names the variables.
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { z } from "zod";

export interface BookConfig {
  /** The asset that settles there; its home chain. */
  readonly asset: string;
  readonly rpcUrl: string;
  /** Where anybody may ask the chain; null keeps it to ourselves. */
  readonly publicRpcUrl: string | null;
  readonly privateKey: string;
  /** As CHAIN_FINALITY, which counts where it is left out. */
  readonly finality: number | "finalized" | null;
  /** Absolute; `anchorbook deploy --asset` writes it. */
  readonly contractsFile: string;
}

const HTTP_URL = z.string().refine((text) => /^https?:\/\//.test(text) && URL.canParse(text), {
  error: "must be a URL such as https://node.example.com",
});
const VARIABLE = z.string().regex(/^[A-Z][A-Z0-9_]{0,99}$/, { error: "must name an environment variable" });
const MAX_BOOKS = 32;

const bookSchema = z
  .strictObject({
    asset: z.string().regex(/^[A-Z][A-Z0-9]{0,15}$/, { error: "must be an asset's code" }),
    rpc_url: HTTP_URL.optional(),
    rpc_url_env: VARIABLE.optional(),
    public_rpc_url: HTTP_URL.optional(),
    private_key_env: VARIABLE,
    contracts: z.string().min(1),
    finality: z.union([z.int().min(0).max(999_999), z.literal("finalized")]).optional(),
  })
  .refine(({ rpc_url, rpc_url_env }) => (rpc_url === undefined) !== (rpc_url_env === undefined), {
    error: "needs rpc_url, or rpc_url_env with the name of the variable that holds it",
  });
const booksSchema = z.array(bookSchema).max(MAX_BOOKS);

/**
 * @param file absolute; paths in it are relative to its folder
 * @throws Error with a line for the first problem
 */
export function readBooks(
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): BookConfig[] {
  const parsed = booksSchema.safeParse(readJson(file));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`BOOKS_FILE ${file}: ${issue?.path.join(".") || "the list"}: ${issue?.message}`);
  }
  const books = parsed.data.map((book) => {
    const named = (variable: string): string => {
      const value = environment[variable];
      if (!value)
        throw new Error(`BOOKS_FILE ${file}: the book of ${book.asset} wants ${variable} to be set`);
      return value;
    };
    const rpcUrl = book.rpc_url ?? named(book.rpc_url_env ?? "");
    if (!HTTP_URL.safeParse(rpcUrl).success)
      throw new Error(
        `BOOKS_FILE ${file}: ${book.rpc_url_env} must be a URL such as https://node.example.com`,
      );
    const privateKey = named(book.private_key_env);
    if (!/^0x[0-9a-fA-F]{64}$/.test(privateKey))
      throw new Error(`BOOKS_FILE ${file}: ${book.private_key_env} must be 0x and 64 hexadecimal digits`);
    const contractsFile = resolve(dirname(file), book.contracts);
    return {
      asset: book.asset,
      rpcUrl,
      publicRpcUrl: book.public_rpc_url ?? null,
      finality: book.finality ?? null,
      privateKey,
      contractsFile,
    };
  });
  const assets = books.map(({ asset }) => asset);
  const twice = assets.find((asset, place) => assets.indexOf(asset) !== place);
  if (twice) throw new Error(`BOOKS_FILE ${file}: ${twice} has two books; an asset has one home chain`);
  if (assets.includes("TST"))
    throw new Error(`BOOKS_FILE ${file}: the book of TST is the one of RPC_URL and CONTRACTS_FILE`);
  return books;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`BOOKS_FILE ${file} cannot be read: ${reason}`, { cause });
  }
}
