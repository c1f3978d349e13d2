/**
 * After an audit that found all well: signs the epochs that stand and are not
 * final, hands the signatures in, and where it is asked to makes the oldest final.
 */
import { Wallet } from "ethers";
import {
  Book,
  type Chain,
  contractAt,
  contractRefusal,
  finalizeCalldata,
  isChainUnavailable,
  sendTransaction,
} from "#infra";
import { toRfc3339 } from "#kernel";
import type { Hex } from "#proof";
import { ApiError, createApiClient, withAsset } from "../api-client.ts";
import { ApiSource, type ServedBook } from "../audit/api-source.ts";
import type { StandingEpoch } from "../audit/header-chain.ts";
import type { Node } from "../audit/nodes.ts";
import type { Auditor } from "../audit/run-audit.ts";
import { Attestor, Refusal, type SignedEpoch } from "./attestor.ts";

export interface EpochAttesterParts extends ServedBook {
  readonly auditor: Auditor;
  readonly nodes: readonly Node[];
  readonly privateKey: string;
  readonly state: string;
  readonly registry: string;
  readonly finalize: boolean;
}

export interface GivenEpoch extends SignedEpoch {
  /** It was signed by an earlier run, and is handed in once more: the server may have lost it. */
  readonly again: boolean;
}

/** What the oldest pending epoch still needs before it can be made final. Its times are RFC 3339, by the chain's clock. */
export interface NotFinalYet {
  readonly epoch: string;
  readonly window_until: string;
  readonly is_window_open: boolean;
  readonly attestations: { readonly given: number; readonly needed: number };
}

export interface FinalizedEpoch {
  readonly epoch: string;
  /** Mined. */
  readonly tx_hash: string;
}

export interface AttestOutcome {
  /** Handed in now. */
  readonly signed: readonly GivenEpoch[];
  readonly refused: readonly string[];
  /** Made final by a transaction of this key now. */
  readonly finalized: readonly FinalizedEpoch[];
  /** Where `finalize` was to be sent and could not be. */
  readonly not_final: NotFinalYet | null;
  /** What ended it in the middle: the rest was done by then. */
  readonly failure: Error | null;
}

interface Done {
  readonly signed: GivenEpoch[];
  readonly refused: string[];
  readonly finalized: FinalizedEpoch[];
}

export class EpochAttester {
  readonly #parts: EpochAttesterParts;
  readonly #wallet: Wallet;
  #attestor: Attestor | undefined;
  /** Header hashes whose signature the server took. */
  readonly #given = new Set<string>();

  constructor(parts: EpochAttesterParts) {
    this.#parts = parts;
    this.#wallet = new Wallet(parts.privateKey);
  }

  /**
   * Before an audit, which may take hours. By the first node alone: what is signed in the end goes by the audit.
   * @throws Error where this key is no attester's, or the node does not answer
   */
  async requireAttester(): Promise<void> {
    const { nodes, registry } = this.#parts;
    const contract = contractAt(nodes[0]?.chain as Chain, "SettlementRegistry", registry);
    const attesters = (await contract
      .getFunction("attesters")()
      .catch((error: unknown) => {
        if (isChainUnavailable(error)) throw error;
        // There is no such registry, which the audit says better.
        return null;
      })) as readonly string[] | null;
    if (attesters) this.#requireOneOf(attesters.map((address) => address.toLowerCase() as Hex));
  }

  #requireOneOf(attesters: readonly Hex[]): void {
    if (!attesters.includes(this.#wallet.address.toLowerCase() as Hex))
      throw new Error(
        `${this.#wallet.address} is none of the registry's attesters: ${attesters.join(", ") || "it has none"}`,
      );
  }

  /** @throws Error where nothing could be done at all: this key is no attester's, or its folder cannot be used */
  async attest(): Promise<AttestOutcome> {
    const { auditor, state } = this.#parts;
    const { book } = auditor;
    if (!book) throw new Error("nothing was audited yet");
    this.#attestor ??= await Attestor.open(state, this.#wallet, book.record);
    const attestor = this.#attestor;
    this.#requireOneOf(book.attesters);
    await attestor.settle(book.lastFinal);
    const done: Done = { signed: [], refused: [], finalized: [] };
    try {
      await this.#signPending(attestor, done);
      // In a frozen book nothing becomes final any more.
      const toFinalize = this.#parts.finalize && done.refused.length === 0 && book.frozenAt === 0n;
      const not_final = toFinalize ? await this.#finalizeOldest(auditor, done) : null;
      return { ...done, not_final, failure: null };
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      return { ...done, not_final: null, failure };
    }
  }

  /** @throws Error where the server or the chain is away */
  async #signPending(attestor: Attestor, { signed, refused }: Done): Promise<void> {
    const { auditor } = this.#parts;
    const lastFinal = auditor.book?.lastFinal ?? 0n;
    for (const standing of auditor.standing.filter(({ epoch }) => epoch > lastFinal)) {
      if (this.#given.has(standing.headerHash)) continue;
      try {
        signed.push(await this.#signAndGive(attestor, standing));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        refused.push(error.message);
        // What comes after it rests on it.
        return;
      }
    }
  }

  async #signAndGive(attestor: Attestor, { epoch, headerHash }: StandingEpoch): Promise<GivenEpoch> {
    const again = attestor.has(epoch, headerHash);
    const signature = await attestor.sign(epoch, headerHash, (hash) => this.#isVetoed(hash));
    try {
      await this.#client().post(
        withAsset(`/api/v1/settlement/epochs/${epoch}/attestations`, this.#parts.asset),
        { signature },
      );
    } catch (error) {
      if (error instanceof ApiError && error.status !== 0)
        throw new Error(`the server does not take the signature of epoch ${epoch}: ${error.message}`);
      throw error;
    }
    this.#given.add(headerHash);
    return { epoch: `${epoch}`, header_hash: headerHash, again };
  }

  async #isVetoed(headerHash: Hex): Promise<boolean> {
    const { auditor, nodes } = this.#parts;
    const registry = auditor.book?.record.registry ?? "";
    const answers = await Promise.all(
      nodes.map(({ chain }) =>
        contractAt(chain, "SettlementRegistry", registry).getFunction("vetoed")(headerHash),
      ),
    );
    return answers.every((answer) => answer === true);
  }

  /** With the signatures that the server has; one epoch after the other, as far as window and signatures allow. @returns what stops it there */
  async #finalizeOldest(auditor: Auditor, { finalized }: Done): Promise<NotFinalYet | null> {
    const chain = this.#parts.nodes[0]?.chain as Chain;
    const book = auditor.book as NonNullable<Auditor["book"]>;
    const sender = this.#wallet.connect(chain.provider);
    const onChain = new Book(chain, book.record);
    for (const { epoch, header, headerHash } of auditor.standing) {
      if (epoch <= (await onChain.lastFinal())) continue;
      const signatures = await this.#signaturesOf(epoch, headerHash, book.attesters);
      if (signatures.length < book.threshold) return notFinalYet(chain, onChain, epoch, signatures.length);
      const data = finalizeCalldata(header, signatures.slice(0, Math.max(book.threshold, 1)));
      try {
        const { hash } = await sendTransaction(sender, { to: book.record.registry, data });
        finalized.push({ epoch: `${epoch}`, tx_hash: hash });
      } catch (error) {
        const refusal = contractRefusal(error);
        if (refusal?.name === "WindowOpen") return notFinalYet(chain, onChain, epoch, signatures.length);
        // Somebody was faster, or left the book meanwhile: the next audit says so.
        if (refusal?.name === "NotNextToFinalize" || refusal?.name === "BookFrozen") return null;
        throw refusal
          ? new Error(`finalize of epoch ${epoch} is refused: ${refusal.name}(${refusal.args.join(", ")})`)
          : error;
      }
    }
    return null;
  }

  /** Of present attesters, ascending as the registry wants them. */
  async #signaturesOf(epoch: bigint, headerHash: Hex, attesters: readonly Hex[]): Promise<Hex[]> {
    const { headerHash: shown, given } = await new ApiSource(this.#parts).attestations(epoch);
    if (shown !== headerHash) return [];
    return given
      .map(({ attester, signature }) => ({
        attester: attester.toLowerCase() as Hex,
        signature: signature as Hex,
      }))
      .filter(({ attester }) => attesters.includes(attester))
      .sort((left, right) => (left.attester < right.attester ? -1 : 1))
      .map(({ signature }) => signature);
  }

  #client() {
    const { api, ledger, answerSeconds } = this.#parts;
    return createApiClient(api, { token: null, ledger, answerSeconds });
  }
}

/** Null where somebody made it final, or vetoed it, meanwhile. */
async function notFinalYet(
  { provider }: Chain,
  book: Book,
  epoch: bigint,
  given: number,
): Promise<NotFinalYet | null> {
  const [lastFinal, committedAt, { windowSeconds, threshold }, block] = await Promise.all([
    book.lastFinal(),
    book.committedAt(epoch),
    book.rules(),
    provider.getBlock("latest"),
  ]);
  if (epoch <= lastFinal || committedAt === null || !block) return null;
  const until = committedAt + windowSeconds;
  return {
    ...{ epoch: `${epoch}`, window_until: toRfc3339(until), is_window_open: block.timestamp < until },
    attestations: { given, needed: threshold },
  };
}
