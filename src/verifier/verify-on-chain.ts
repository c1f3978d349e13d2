/**
 * What a chain says of a proof: the same chain, a registry there, this header
 * anchored for this epoch, the leaf in it by the registry's own computation, and
 * whether the epoch is final. How a node is asked is the caller's part; here are
 * the questions, and what the answers mean.
 *
 * Never throws: what cannot be asked is a check that failed.
 */
import { type Hex, type ProofDocument, ZERO_WORD } from "#proof";
import {
  committedTopics,
  custodianOfCall,
  finalizedTopics,
  headerHashOfCall,
  lastFinalCall,
  readAddressWord,
  readQuantity,
  readWord,
  tokenCall,
  verifyInCall,
} from "./registry-calls.ts";
import type { Check } from "./verify-proof.ts";

/** One JSON-RPC request: answers its result; throws where the node refuses or does not answer. */
export type AskNode = (method: string, params: readonly unknown[]) => Promise<unknown>;

type Finding = Omit<Check, "name">;

/**
 * The checks `chain`, then where it holds `contract`, `custodian`, `anchored`, `transaction`, `on_chain`, `finality`.
 * Being committed but not final is no failure; the detail of `finality` says which.
 */
export async function verifyOnChain(proof: ProofDocument, ask: AskNode): Promise<Check[]> {
  const checks: Check[] = [];
  const check = async (name: string, question: () => Promise<Finding>): Promise<boolean> => {
    const finding = await question().catch((error: unknown) => ({ ok: false, detail: reasonOf(error) }));
    checks.push({ name, ...finding });
    return finding.ok;
  };
  const questions = new Questions(proof, ask);
  if (!(await check("chain", () => questions.isThatChain()))) return checks;
  if (!(await check("contract", () => questions.hasContract()))) return checks;
  await check("custodian", () => questions.hasCustodian());
  if (!(await check("anchored", () => questions.isAnchored()))) return checks;
  await check("transaction", () => questions.committedThere());
  await check("on_chain", () => questions.isInTree());
  await check("finality", () => questions.finality());
  return checks;
}

class Questions {
  readonly #proof: ProofDocument;
  readonly #ask: AskNode;

  constructor(proof: ProofDocument, ask: AskNode) {
    this.#proof = proof;
    this.#ask = ask;
  }

  async isThatChain(): Promise<Finding> {
    const chainId = readQuantity(await this.#ask("eth_chainId", []));
    const ok = chainId === this.#proof.chainId;
    const other = `the RPC is of chain ${chainId}, the proof of ${this.#proof.chainId}`;
    return { ok, detail: ok ? `chain ${chainId}` : other };
  }

  async hasContract(): Promise<Finding> {
    const { registry } = this.#proof;
    const code = await this.#ask("eth_getCode", [registry, "latest"]);
    const ok = typeof code === "string" && code.length > 2;
    return { ok, detail: `${ok ? "a contract" : "no contract"} at ${registry}` };
  }

  async hasCustodian(): Promise<Finding> {
    const { section, custodian, asset } = this.#proof;
    const token = readAddressWord(await this.#call(tokenCall()));
    const named = readAddressWord(await this.#call(custodianOfCall(this.#proof)));
    const ok = token === asset && named === custodian;
    return {
      ok,
      detail: ok
        ? `${custodian} holds ${section} of ${asset}`
        : `the registry names custodian ${named} of token ${token}, the proof ${custodian} of ${asset}`,
    };
  }

  async isAnchored(): Promise<Finding> {
    const { epoch, headerHash } = this.#proof;
    const anchored = await this.#headerHash();
    if (anchored !== null)
      return {
        ok: anchored === headerHash,
        detail:
          anchored === headerHash
            ? `the registry holds this header for epoch ${epoch}`
            : `the registry holds ${anchored} for epoch ${epoch}, the proof names ${headerHash}`,
      };
    const finalized = await this.#finalizedHeader();
    if (finalized === null) return { ok: false, detail: `epoch ${epoch} is not committed` };
    return {
      ok: finalized === headerHash,
      detail:
        finalized === headerHash
          ? `epoch ${epoch} has left the registry's ring; its finalizing event names this header`
          : `the finalizing event of epoch ${epoch} names ${finalized}`,
    };
  }

  /** The transaction that the proof names is the one that committed this header. */
  async committedThere(): Promise<Finding> {
    const { txHash, registry, epoch, headerHash } = this.#proof;
    if (txHash === null) return { ok: true, detail: "the proof names none" };
    const receipt = await this.#ask("eth_getTransactionReceipt", [txHash]);
    // Finalizing and vetoing name the header as well.
    const wanted = `${committedTopics(epoch, headerHash)}`;
    const ok = logsOf(receipt).some(({ address, topics }) => address === registry && `${topics}` === wanted);
    const said = receipt ? "does not commit this header" : "is not known to the chain";
    return { ok, detail: `${txHash} ${ok ? "committed this header" : said}` };
  }

  async isInTree(): Promise<Finding> {
    if ((await this.#headerHash()) === null)
      return {
        ok: true,
        detail: "not asked: the registry answers for epochs in its ring; the header's hash binds the rest",
      };
    const ok = BigInt(readWord(await this.#call(verifyInCall(this.#proof)))) === 1n;
    return { ok, detail: ok ? "verifyIn: the leaf is in the tree" : "verifyIn: the leaf is not in the tree" };
  }

  async finality(): Promise<Finding> {
    const { epoch } = this.#proof;
    const lastFinal = await this.#lastFinal();
    return {
      ok: true,
      detail:
        epoch <= lastFinal
          ? `epoch ${epoch} is final`
          : `epoch ${epoch} is committed and not final yet; the last final one is ${lastFinal}`,
    };
  }

  /** Null where the epoch is not committed, or older than the last 1,024. */
  async #headerHash(): Promise<Hex | null> {
    const hash = readWord(await this.#call(headerHashOfCall(this.#proof.epoch)));
    return hash === ZERO_WORD ? null : hash;
  }

  async #lastFinal(): Promise<bigint> {
    return BigInt(readWord(await this.#call(lastFinalCall())));
  }

  async #finalizedHeader(): Promise<Hex | null> {
    const { epoch, registry } = this.#proof;
    if (epoch > (await this.#lastFinal())) return null;
    const filter = { address: registry, topics: finalizedTopics(epoch), fromBlock: "0x0", toBlock: "latest" };
    const logs = logsOf({ logs: await this.#ask("eth_getLogs", [filter]) });
    return (logs.at(-1)?.topics[2] as Hex | undefined) ?? null;
  }

  #call(data: Hex): Promise<unknown> {
    return this.#ask("eth_call", [{ to: this.#proof.registry, data }, "latest"]);
  }
}

interface NodeLog {
  readonly address: string;
  readonly topics: readonly string[];
}

/** What of an answer looks like logs, in lower case; a node may say anything. */
function logsOf(receipt: unknown): NodeLog[] {
  const logs = (receipt as { logs?: unknown } | null)?.logs;
  if (!Array.isArray(logs)) return [];
  return logs.flatMap((log: { address?: unknown; topics?: unknown } | null) =>
    typeof log?.address === "string" && Array.isArray(log.topics)
      ? [{ address: log.address.toLowerCase(), topics: log.topics.map((topic) => `${topic}`.toLowerCase()) }]
      : [],
  );
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "unknown failure";
}
