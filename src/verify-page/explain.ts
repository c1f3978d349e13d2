/** What checks mean, in words for somebody who has never heard of a Merkle tree. */
import type { Check, ProofDocument, Verification } from "#verifier";

/** Why a proof is worth nothing where this check fails. */
const MEANING: Readonly<Record<string, string>> = {
  format: "This is not a proof of the form that can be checked.",
  registry: "The proof names another chain or registry than its own header.",
  epoch: "The proof names another epoch than its own header.",
  header_hash: "The header was changed, or the proof names the hash of another header.",
  section: "The header says that there are no such positions at all.",
  domain: "Contract and token of the proof do not fit together.",
  leaf: "The position cannot be computed.",
  index: "The position lies outside the count of positions that the header states.",
  depth: "The way to the root has the wrong length for the count of positions.",
  root: "The position does not lead to the header's root: the position or a hash on the way is not what was settled.",
  sum: "The amounts do not add up to the header's sum: an amount in the proof is not what was settled.",
  opening: "The name of the position does not belong to it: salt or ids are not the right ones.",
  pinned_registry: "The proof is of another registry than the one you named.",
  chain: "The node is of another chain than the proof.",
  contract: "There is no contract at the registry's address.",
  custodian: "The registry holds these tokens in another contract, or another token.",
  anchored: "The chain does not hold this header for this epoch.",
  transaction: "The transaction that the proof names did not commit this header.",
  on_chain: "The registry itself does not find the position.",
  finality: "The registry did not say which epochs are final.",
};

export function meaningOf({ name, detail }: Check): string {
  const meaning = MEANING[name];
  return meaning === undefined ? detail : `${meaning} (${detail})`;
}

export interface Verdict {
  readonly state: "unreadable" | "broken" | "valid" | "confirmed" | "refuted" | "unanswered";
  readonly headline: string;
  readonly sentences: readonly string[];
}

export function unreadable(why: string): Verdict {
  return { state: "unreadable", headline: "Not valid: this cannot be a proof.", sentences: [why] };
}

export function offlineVerdict({ checks }: Verification, proof: ProofDocument | null): Verdict {
  const failed = checks.filter(({ ok }) => !ok);
  if (!proof || failed.length > 0)
    return {
      state: "broken",
      headline: `Not valid: ${count(failed.length, "check")} of ${checks.length} failed.`,
      sentences: [...failed.map(meaningOf), "It shows nothing about the position, whoever gave it to you."],
    };
  return {
    state: "valid",
    headline: "Valid as far as the file goes.",
    sentences: [
      whatIsShown(proof),
      "Not checked yet: whether the chain holds this header. A file alone can be made up as a whole; ask a node in part 2.",
    ],
  };
}

/** @param trouble why the node could not be asked something, or null */
export function chainVerdict(
  checks: readonly Check[],
  proof: ProofDocument,
  trouble: string | null,
  pinned: boolean,
): Verdict {
  if (trouble !== null)
    return {
      state: "unanswered",
      headline: "The node could not be asked.",
      sentences: [
        `Of the node: ${trouble}`,
        "The file holds together as before; whether the chain has it is still open.",
      ],
    };
  const failed = checks.filter(({ ok }) => !ok);
  if (failed.length > 0)
    return {
      state: "refuted",
      headline: "Not valid: the chain says otherwise.",
      sentences: [...failed.map(meaningOf), "The file holds together, but it is not what was settled there."],
    };
  const finality = checks.find(({ name }) => name === "finality")?.detail ?? "";
  const isFinal = finality.endsWith("is final");
  return {
    state: "confirmed",
    headline: isFinal ? "Valid, and final on the chain." : "Valid, and on the chain, but not final yet.",
    sentences: [
      whatIsShown(proof),
      isFinal
        ? "The chain holds this header and will not let it go again."
        : `The chain holds this header; until it is final it can still be vetoed (${finality}).`,
      pinned
        ? "The registry is the one you named."
        : "The registry is the proof's own word: compare its address with one that you know from elsewhere.",
    ],
  };
}

/** The position in words: a newcomer takes the tree's sum for the amount otherwise. */
export function whatIsShown({ section, leaf, epoch, header }: ProofDocument): string {
  const held =
    leaf.amount === 0n
      ? "nothing any more (it has ended)"
      : `${amountText(leaf.amount)}${leaf.validUntil === 0n ? "" : `, until ${timeText(leaf.validUntil)}`}`;
  return `Position ${leaf.index} of ${section} held ${held}, in epoch ${epoch}, closed ${timeText(header.closedAt)}.`;
}

/** Base units, and what they are with the eighteen decimals that most tokens have. */
export function amountText(units: bigint): string {
  const digits = units.toString().padStart(19, "0");
  const fraction = digits.slice(-18).replace(/0+$/, "");
  const whole = digits.slice(0, -18);
  return `${units} base units (${whole}${fraction === "" ? "" : `.${fraction}`} with 18 decimals)`;
}

/** The last second that a calendar of four-digit years holds. */
const LAST_SECOND = 253_402_300_799n;

export function timeText(seconds: bigint): string {
  if (seconds > LAST_SECOND) return `second ${seconds}`;
  return new Date(Number(seconds) * 1000).toISOString().replace(".000", "").replace("T", " ");
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
