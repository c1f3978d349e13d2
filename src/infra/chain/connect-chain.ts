/**
 * A connection to an EVM chain over JSON-RPC. It fails fast: where the node is
 * away a call rejects (see `isChainUnavailable`) instead of waiting for it, so
 * that the caller decides when to try again.
 */
import { FetchRequest, type JsonRpcProvider, Network, Wallet } from "ethers";
import { AskingProvider } from "./asking-provider.ts";
import { ChainUnavailable, NoNode } from "./chain-errors.ts";
import { createJsonRpc, type JsonRpc } from "./json-rpc.ts";

export interface Chain {
  readonly chainId: bigint;
  readonly provider: JsonRpcProvider;
  /** For whoever asks all day: patient with a node that is busy, and told what it refuses. */
  readonly rpc: JsonRpc;
  /** The account that sends; absent in a connection that only reads. */
  readonly signer: Wallet | undefined;
  /** Lets go of timers and sockets; pending calls reject. */
  close(): void;
}

export interface ChainOptions {
  rpcUrl: string;
  /** 0x-hex, 32 bytes. Without it the connection only reads. */
  privateKey?: string | undefined;
  /** Where it is known already (from a deployment record), nothing is asked of the node at connecting. */
  chainId?: bigint | undefined;
  requestTimeoutMs?: number | undefined;
}

const REQUEST_TIMEOUT_MS = 15_000;
const POLLING_INTERVAL_MS = 50;

/** @throws ChainUnavailable where `chainId` is not given and the node does not answer */
export async function connectChain(options: ChainOptions): Promise<Chain> {
  const timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const { url, headers } = endpoint(options.rpcUrl);
  const chainId = options.chainId ?? (await askChainId(url, headers, timeoutMs));
  const request = new FetchRequest(url);
  request.timeout = timeoutMs;
  for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
  const provider = new AskingProvider(request, Network.from(chainId), {
    staticNetwork: true,
    cacheTimeout: -1,
    pollingInterval: POLLING_INTERVAL_MS,
    // A batch waits for company; this client would rather be quick.
    batchMaxCount: 1,
  });
  const signer = options.privateKey === undefined ? undefined : new Wallet(options.privateKey, provider);
  const closing = new AbortController();
  const rpc = createJsonRpc({ url, headers, timeoutMs, signal: closing.signal });
  return {
    ...{ chainId, provider, rpc, signer },
    close() {
      closing.abort();
      provider.destroy();
    },
  };
}

/** Asked once by hand: ethers' own detection retries for ever and writes to the console while it does. */
async function askChainId(url: string, headers: Record<string, string>, timeoutMs: number): Promise<bigint> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const answer = jsonRpcIn(await response.text());
    // What stands before a node says in its own words that it is away.
    if (!answer && response.status !== 429 && response.status < 500)
      throw new NoNode(url, new Error(`status ${response.status}`), response.status);
    if (typeof answer?.result !== "string") throw new Error("the answer to eth_chainId has no result");
    return BigInt(answer.result);
  } catch (error) {
    if (error instanceof NoNode) throw error;
    throw isNoHttp(error) ? new NoNode(url, error) : new ChainUnavailable(url, error);
  }
}

/** Null where it is none. */
function jsonRpcIn(text: string): { readonly result?: unknown } | null {
  try {
    const answer = JSON.parse(text) as { readonly jsonrpc?: unknown; readonly result?: unknown } | null;
    return answer?.jsonrpc === undefined ? null : answer;
  } catch {
    return null;
  }
}

/** As of a database. */
function isNoHttp(error: unknown): boolean {
  return error instanceof Error && (error.cause as Error | undefined)?.name === "HTTPParserError";
}

/** User and password of the URL become a header: fetch refuses them in a URL, and its error would show them. */
function endpoint(rpcUrl: string): { url: string; headers: Record<string, string> } {
  const url = new URL(rpcUrl);
  if (url.username === "") return { url: rpcUrl, headers: {} };
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = "";
  url.password = "";
  return {
    url: url.href,
    headers: { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` },
  };
}
