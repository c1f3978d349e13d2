/** What checks mean, in words for somebody who has never heard of a Merkle tree. */
import type { ChainVerification, Check, LineProof, ProofDocument, Verification } from "#verifier";

/** Why a proof is worth nothing where this check fails. */
const MEANING: Readonly<Record<string, string>> = {
  format: "This is not a proof of a form that can be checked.",
  registry: "The proof names another chain or registry than its own header.",
  epoch: "The proof names another epoch than its own header.",
  header_hash: "The header was changed, or the proof names the hash of another header.",
  section: "The header says that there are no such positions at all.",
  domain: "Contract and token of the proof do not fit together.",
  leaf: "The position cannot be computed.",
  index: "The place lies outside the count that is stated.",
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
  finality: "The epoch is not final and cannot become so, or the registry did not say which epochs are.",
  line: "There is no line, or it is not the one whose hash the file states.",
  path: "The way to the root has the wrong length for the line's place.",
  inclusion: "The line does not lead to the root: the line or a hash on the way is not what was published.",
  journal_root: "No epoch that the registry holds has this journal root for so many lines.",
  checkpoint: "There is no such signature, or it is of another text.",
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

/** @param subject what the file shows where it holds @param open what it cannot show */
export function offlineVerdict({ checks }: Verification, subject: string | null, open: string): Verdict {
  const failed = checks.filter(({ ok }) => !ok);
  if (subject === null || failed.length > 0)
    return {
      state: "broken",
      headline: `Not valid: ${count(failed.length, "check")} of ${checks.length} failed.`,
      sentences: [...failed.map(meaningOf), "It shows nothing, whoever gave it to you."],
    };
  return {
    state: "valid",
    headline: "Valid as far as the file goes.",
    sentences: [subject, `Not checked yet: ${open}`],
  };
}

/**
 * @param trouble why the node could not be asked something, or null
 * @param whose whose word it is that this is the registry
 */
export function chainVerdict(
  { checks, book, epoch }: ChainVerification,
  subject: string,
  trouble: string | null,
  whose: string,
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
  const frozenAt = book?.frozenAt ? timeText(book.frozenAt) : null;
  const failed = checks.filter(({ ok }) => !ok);
  if (failed.length > 0)
    return {
      state: "refuted",
      headline: "Not valid: the chain says otherwise.",
      sentences: [
        ...failed.map(meaningOf),
        ...(frozenAt
          ? [
              `The book was frozen ${frozenAt}: what was not final then never counts. The last final epoch is ${book?.lastFinal}.`,
            ]
          : []),
        "The file holds together, but it is not what was settled there.",
      ],
    };
  const finality = checks.find(({ name }) => name === "finality")?.detail ?? "";
  const isFinal = book !== undefined && epoch !== undefined && epoch <= book.lastFinal;
  return {
    state: "confirmed",
    headline: `Valid, and ${isFinal ? "final on the chain" : "on the chain, but not final yet"}${frozenAt ? "; the book is frozen" : ""}.`,
    sentences: [
      subject,
      isFinal
        ? "The chain holds this header and will not let it go again."
        : `The chain holds this header; until it is final it can still be vetoed (${finality}).`,
      ...(frozenAt
        ? [`The book was frozen ${frozenAt}: ${whatIsLeft(epoch === book?.lastFinal, book?.lastFinal)}`]
        : []),
      whose,
    ],
  };
}

function whatIsLeft(isLast: boolean, lastFinal: bigint | undefined): string {
  return isLast
    ? "this is its last final epoch, and what positions hold in it is paid to their owners."
    : `this epoch was final by then, but what is paid to owners is what positions hold in the last final one, ${lastFinal}.`;
}

/** @param verification of the log's signature alone */
export function signatureVerdict({ valid, checks }: Verification, subject: string): Verdict {
  return valid
    ? {
        state: "confirmed",
        headline: "Valid, and signed by the log.",
        sentences: [
          subject,
          "The log's key signed this root: the log cannot say later that it was another one.",
        ],
      }
    : {
        state: "refuted",
        headline: "Not valid: this is not signed with the key you named.",
        sentences: checks.filter(({ ok }) => !ok).map(meaningOf),
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

export function whatLineShows({ index, size, root, checkpoint }: LineProof): string {
  const log = checkpoint ? `the log ${checkpoint.origin}` : "a log";
  return `Line ${index} stands among the first ${size} lines of ${log}, whose root is ${root}.`;
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
