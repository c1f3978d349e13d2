/** What a file is that somebody wants to have checked as a proof, and that is none of that kind. */
import { parseCheckpoint, parseNote } from "#proof";

/** @returns a line for a person, or "" where nothing is known of it */
export function otherFile(text: string, wanted: "position" | "line"): string {
  if (text.trim() === "")
    return `The file is empty: ${wanted === "position" ? "anchorbook proof SECTION ID" : "anchorbook log prove LINE --key KEY"} fetches a proof\n`;
  if (wanted === "position" && text.startsWith("c2sp.org/tlog-proof@"))
    return "The file is the proof of a line of the journal: anchorbook log verify FILE --key KEY checks it\n";
  if (wanted === "position" && isCutOff(text))
    return "The file is JSON that breaks off before its end, as where fetching it was cut short: anchorbook proof SECTION ID fetches a proof\n";
  const { format, error, message, index, leaf_hash, note, ...epoch } = membersOf(text);
  if (wanted === "line" && typeof format === "string" && format.startsWith("anchorbook-proof/"))
    return "The file is the proof of a position: anchorbook verify FILE checks it\n";
  if (typeof leaf_hash === "string" && Number.isSafeInteger(index))
    return `The file is the API's answer about line ${index} of the journal, without the checkpoint that it holds for: anchorbook log prove ${index} --key KEY fetches the whole proof and checks it\n`;
  if (format === undefined && isEpoch(epoch))
    return `The file is the API's answer about epoch ${epoch.epoch}, and proves no position of it: anchorbook proof SECTION ID --epoch ${epoch.epoch} fetches the proof of one\n`;
  if (isCheckpoint(text))
    return "The file is a checkpoint of the journal's log: anchorbook log checkpoint --since FILE --key KEY checks that the log only grew since\n";
  if (typeof note === "string" && isCheckpoint(note))
    return "The file is the API's answer about a checkpoint of the journal's log: anchorbook log checkpoint --key KEY fetches and checks the newest one\n";
  // What curl saves where a server has no such proof (yet).
  const says = typeof message === "string" ? `${error}: ${message}` : `${error}`;
  const isTold = typeof error === "string" && /^[\x20-\x7e]{1,300}$/.test(says);
  return isTold ? `What the file holds is no proof but a server's refusal: ${says}\n` : "";
}

function isEpoch({ epoch, header, header_hash }: Partial<Members>): boolean {
  return Number.isSafeInteger(epoch) && Object(header) === header && typeof header_hash === "string";
}

/** More is opened than closed, and not within a text of JSON that is whole. */
function isCutOff(text: string): boolean {
  const isOpen = text.trimStart().startsWith("{") && text.split("{").length > text.split("}").length;
  return isOpen && Object.keys(membersOf(text)).length === 0;
}

/** Whoever signed it. */
function isCheckpoint(text: string): boolean {
  try {
    parseCheckpoint(parseNote(text).text);
    return true;
  } catch {
    return false;
  }
}

type Members = Record<
  "format" | "error" | "message" | "index" | "leaf_hash" | "note" | "epoch" | "header" | "header_hash",
  unknown
>;

function membersOf(text: string): Partial<Members> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
