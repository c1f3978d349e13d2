/**
 * Questions to one registry through a node that may say anything: each answer is
 * read strictly, and what is not of the form is an error. What an answer means is
 * the caller's part.
 */
import { type Hex, ZERO_WORD } from "#proof";
import {
  allCommittedTopics,
  custodianOfCall,
  finalizedTopics,
  frozenAtCall,
  headerHashOfCall,
  lastFinalCall,
  readAddressWord,
  readQuantity,
  readWord,
  tokenCall,
} from "./registry-calls.ts";

/** One JSON-RPC request: answers its result; throws where the node refuses or does not answer. */
export type AskNode = (method: string, params: readonly unknown[]) => Promise<unknown>;

/** What decides whether an epoch counts for good. */
export interface BookState {
  readonly lastFinal: bigint;
  /** Unix seconds; 0 while the book works. In a frozen book no epoch becomes final any more. */
  readonly frozenAt: bigint;
}

/** An event of the registry, in lower case. */
export interface RegistryLog {
  readonly topics: readonly string[];
  readonly data: string;
}

export class RegistryReader {
  readonly #registry: Hex;
  readonly #ask: AskNode;

  constructor(registry: Hex, ask: AskNode) {
    this.#registry = registry;
    this.#ask = ask;
  }

  async chainId(): Promise<bigint> {
    return readQuantity(await this.#ask("eth_chainId", []));
  }

  async hasCode(): Promise<boolean> {
    const code = await this.#ask("eth_getCode", [this.#registry, "latest"]);
    return typeof code === "string" && code.length > 2;
  }

  async token(): Promise<Hex> {
    return readAddressWord(await this.call(tokenCall()));
  }

  async custodianOf(section: bigint): Promise<Hex> {
    return readAddressWord(await this.call(custodianOfCall(section)));
  }

  async state(): Promise<BookState> {
    const lastFinal = BigInt(readWord(await this.call(lastFinalCall())));
    return { lastFinal, frozenAt: BigInt(readWord(await this.call(frozenAtCall()))) };
  }

  /** Null where the epoch is not committed, or older than the last 1,024. */
  async headerHash(epoch: bigint): Promise<Hex | null> {
    const hash = readWord(await this.call(headerHashOfCall(epoch)));
    return hash === ZERO_WORD ? null : hash;
  }

  /** The header that the event of the finalizing names, of an epoch that is final. */
  async finalizedHeader(epoch: bigint): Promise<Hex | null> {
    return ((await this.#logs(finalizedTopics(epoch))).at(-1)?.topics[2] as Hex | undefined) ?? null;
  }

  /** Every commit there ever was, oldest first, also of epochs that were dropped. */
  commits(): Promise<readonly RegistryLog[]> {
    return this.#logs(allCommittedTopics());
  }

  async receiptLogs(txHash: Hex): Promise<readonly RegistryLog[] | null> {
    const receipt = await this.#ask("eth_getTransactionReceipt", [txHash]);
    return receipt ? logsOf((receipt as { logs?: unknown }).logs, this.#registry) : null;
  }

  call(data: Hex): Promise<unknown> {
    return this.#ask("eth_call", [{ to: this.#registry, data }, "latest"]);
  }

  async #logs(topics: readonly Hex[]): Promise<readonly RegistryLog[]> {
    const filter = { address: this.#registry, topics, fromBlock: "0x0", toBlock: "latest" };
    return logsOf(await this.#ask("eth_getLogs", [filter]), this.#registry);
  }
}

/** What of an answer looks like logs of the registry, in lower case. */
function logsOf(logs: unknown, registry: Hex): RegistryLog[] {
  if (!Array.isArray(logs)) return [];
  return logs.flatMap((log: { address?: unknown; topics?: unknown; data?: unknown } | null) => {
    if (!Array.isArray(log?.topics) || `${log.address}`.toLowerCase() !== registry) return [];
    const topics = log.topics.map((topic) => `${topic}`.toLowerCase());
    return [{ topics, data: `${log.data}`.toLowerCase() }];
  });
}
