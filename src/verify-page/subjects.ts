/** The two kinds of proofs that the page takes, each as what the page does with it. */
import {
  type AskNode,
  type ChainVerification,
  conclude,
  FormatError,
  type Hex,
  type ProofDocument,
  parseLineProof,
  parseProof,
  verifyLine,
  verifyOnChain,
  verifyProof,
  verifyRootOnChain,
} from "#verifier";
import { offlineVerdict, type Verdict, whatIsShown, whatLineShows } from "./explain.ts";
import { lineSteps } from "./line-steps.ts";
import { offlineSteps } from "./steps.ts";

export interface Given {
  /** Whether all of the file holds together. */
  readonly valid: boolean;
  readonly verdict: Verdict;
  readonly steps: readonly HTMLElement[];
  /** What it shows, in a sentence. */
  readonly subject: string;
  readonly words: AskWords;
  /** Whether the file itself names no registry. */
  readonly needsRegistry: boolean;
  /** A signed checkpoint. */
  readonly note?: string | undefined;
  /** @param registry in lower case; empty for the file's own */
  readonly askChain: (registry: string, ask: AskNode) => Promise<ChainVerification>;
}

/** What stands at the form for the chain. */
interface AskWords {
  readonly why: string;
  readonly registry: string;
  readonly registryHelp: string;
}

const POSITION: AskWords = {
  why: "So far only the file was looked at. It shows that position and header belong together; that this header is the one on the chain, only a node of that chain can say. Choose one that you trust. It is told the chain, the contract, the epoch, the position and the hashes of the proof; it is never told whose position it is.",
  registry: "Address of the registry, if you know it from elsewhere (may stay empty)",
  registryHelp:
    "Without it the registry is the one that the proof names: then whoever made the proof could have made the registry too.",
};

const LINE: AskWords = {
  why: "So far only the file was looked at. It shows that the line belongs to the root; that this root stands in the header of an epoch, only a node of the chain can say. Choose one that you trust. It is asked for the headers of the registry that you name, and told nothing of the line.",
  registry: "Address of the registry",
  registryHelp: "The file names none: take it from where you know it.",
};

export function givenPosition(document: unknown): Given {
  const verification = verifyProof(document);
  const proof = orNull(() => parseProof(document));
  const subject = proof && whatIsShown(proof);
  const open =
    "whether the chain holds this header. A file alone can be made up as a whole; ask a node (2. Ask the chain).";
  return {
    valid: verification.valid,
    verdict: offlineVerdict(verification, subject, open),
    steps: proof ? offlineSteps(proof, verification.checks) : [],
    subject: subject ?? "",
    words: POSITION,
    needsRegistry: false,
    askChain: async (registry, ask) => {
      if (!proof) throw new Error("there is no proof to ask about");
      return withPinned(proof, registry, await verifyOnChain(proof, ask));
    },
  };
}

export function givenLine(document: unknown): Given {
  const verification = verifyLine(document);
  const proof = orNull(() => parseLineProof(document));
  const subject = proof && whatLineShows(proof);
  const open = proof?.checkpoint
    ? "whether an epoch on the chain has this root (2. Ask the chain), and whether the log signed it (3. Check the signature)."
    : "whether an epoch on the chain has this root; ask a node (2. Ask the chain).";
  return {
    valid: verification.valid,
    verdict: offlineVerdict(verification, subject, open),
    steps: proof ? lineSteps(proof, verification.checks) : [],
    subject: subject ?? "",
    words: LINE,
    needsRegistry: true,
    note: proof?.checkpoint?.note,
    askChain: (registry, ask) => {
      if (!proof) throw new Error("there is no proof to ask about");
      return verifyRootOnChain(proof, registry as Hex, ask);
    },
  };
}

function orNull<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function withPinned(proof: ProofDocument, registry: string, found: ChainVerification): ChainVerification {
  if (registry === "") return found;
  const ok = registry === proof.registry;
  const detail = ok ? registry : `the proof is of registry ${proof.registry}, you named ${registry}`;
  return { ...found, ...conclude([{ name: "pinned_registry", ok, detail }, ...found.checks]) };
}
