/**
 * What a chain says of a proof: the same chain, a registry there, this header
 * anchored for this epoch, the leaf in it by the registry's own computation, and
 * whether the epoch is final. How a node is asked is the caller's part; here are
 * the questions, and what the answers mean.
 *
 * Never throws: what cannot be asked is a check that failed.
 */
import type { ProofDocument } from "#proof";
import { committedTopics, readWord, sectionNumber, verifyInCall } from "./registry-calls.ts";
import { type AskNode, type BookState, RegistryReader } from "./registry-reader.ts";
import { type Check, conclude, type Verification } from "./verify-proof.ts";

export type Finding = Omit<Check, "name">;

export interface ChainVerification extends Verification {
  /** Where the registry said it. */
  readonly book?: BookState | undefined;
  /** Whose header the registry holds; undefined where it holds none. */
  readonly epoch?: bigint | undefined;
}

/** Asks one question after the other, and keeps what each found. */
export class ChainChecks {
  readonly checks: Check[] = [];

  async ask(name: string, question: () => Promise<Finding>): Promise<boolean> {
    const finding = await question().catch((error: unknown) => ({ ok: false, detail: reasonOf(error) }));
    this.checks.push({ name, ...finding });
    return finding.ok;
  }
}

/**
 * The checks `chain`, then where it holds `contract`, `custodian`, `anchored`, `transaction`, `on_chain`, `finality`.
 * Being committed but not final is no failure; the detail of `finality` says which.
 */
export async function verifyOnChain(proof: ProofDocument, ask: AskNode): Promise<ChainVerification> {
  const questions = new Questions(proof, new RegistryReader(proof.registry, ask));
  const asked = new ChainChecks();
  const found = (epoch?: bigint) => ({ ...conclude(asked.checks), book: questions.book, epoch });
  if (!(await asked.ask("chain", () => questions.isThatChain()))) return found();
  if (!(await asked.ask("contract", () => questions.hasContract()))) return found();
  await asked.ask("custodian", () => questions.hasCustodian());
  if (!(await asked.ask("anchored", () => questions.isAnchored()))) return found();
  await asked.ask("transaction", () => questions.committedThere());
  await asked.ask("on_chain", () => questions.isInTree());
  await asked.ask("finality", () => questions.finality());
  return found(proof.epoch);
}

class Questions {
  book: BookState | undefined;
  readonly #proof: ProofDocument;
  readonly #registry: RegistryReader;

  constructor(proof: ProofDocument, registry: RegistryReader) {
    this.#proof = proof;
    this.#registry = registry;
  }

  async isThatChain(): Promise<Finding> {
    const chainId = await this.#registry.chainId();
    const ok = chainId === this.#proof.chainId;
    const other = `the RPC is of chain ${chainId}, the proof of ${this.#proof.chainId}`;
    return { ok, detail: ok ? `chain ${chainId}` : other };
  }

  async hasContract(): Promise<Finding> {
    const ok = await this.#registry.hasCode();
    return { ok, detail: `${ok ? "a contract" : "no contract"} at ${this.#proof.registry}` };
  }

  async hasCustodian(): Promise<Finding> {
    const { section, custodian, asset } = this.#proof;
    const token = await this.#registry.token();
    const named = await this.#registry.custodianOf(sectionNumber(section));
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
    this.book = await this.#registry.state();
    const { lastFinal, frozenAt } = this.book;
    const anchored = await this.#registry.headerHash(epoch);
    if (anchored !== null)
      return {
        ok: anchored === headerHash,
        detail:
          anchored === headerHash
            ? `the registry holds this header for epoch ${epoch}`
            : `the registry holds ${anchored} for epoch ${epoch}, the proof names ${headerHash}`,
      };
    if (epoch > lastFinal && frozenAt !== 0n)
      return {
        ok: false,
        detail: `epoch ${epoch} will never be final: the book is frozen, and the last final one is ${lastFinal}`,
      };
    const finalized = epoch > lastFinal ? null : await this.#registry.finalizedHeader(epoch);
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
    const { txHash, epoch, headerHash } = this.#proof;
    if (txHash === null) return { ok: true, detail: "the proof names none" };
    const logs = await this.#registry.receiptLogs(txHash);
    // Finalizing and vetoing name the header as well.
    const wanted = `${committedTopics(epoch, headerHash)}`;
    const ok = logs?.some(({ topics }) => `${topics}` === wanted) ?? false;
    const said = logs ? "does not commit this header" : "is not known to the chain";
    return { ok, detail: `${txHash} ${ok ? "committed this header" : said}` };
  }

  async isInTree(): Promise<Finding> {
    if ((await this.#registry.headerHash(this.#proof.epoch)) === null)
      return {
        ok: true,
        detail: "not asked: the registry answers for epochs in its ring; the header's hash binds the rest",
      };
    const ok = BigInt(readWord(await this.#registry.call(verifyInCall(this.#proof)))) === 1n;
    return { ok, detail: ok ? "verifyIn: the leaf is in the tree" : "verifyIn: the leaf is not in the tree" };
  }

  async finality(): Promise<Finding> {
    const { epoch } = this.#proof;
    this.book = await this.#registry.state();
    return finalityOf(epoch, this.book);
  }
}

/** What the state of a book says of an epoch that the registry holds. */
export function finalityOf(epoch: bigint, { lastFinal, frozenAt }: BookState): Finding {
  if (epoch <= lastFinal)
    return {
      ok: true,
      detail: `epoch ${epoch} ${frozenAt === 0n ? "is final" : "was final when the book was frozen"}`,
    };
  return frozenAt === 0n
    ? {
        ok: true,
        detail: `epoch ${epoch} is committed and not final yet; the last final one is ${lastFinal}`,
      }
    : { ok: false, detail: `epoch ${epoch} was not final when the book was frozen, and never will be` };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "unknown failure";
}
