/** What a file is that somebody wants to have checked as a proof, and that is none of that kind. */

/** @returns a line for a person, or "" where nothing is known of it */
export function otherFile(text: string, wanted: "position" | "line"): string {
  if (wanted === "position" && text.startsWith("c2sp.org/tlog-proof@"))
    return "The file is the proof of a line of the journal: anchorbook log verify FILE --key KEY checks it\n";
  const { format, error, message } = membersOf(text);
  if (wanted === "line" && typeof format === "string" && format.startsWith("anchorbook-proof/"))
    return "The file is the proof of a position: anchorbook verify FILE checks it\n";
  // What curl saves where a server has no such proof (yet).
  const says = typeof message === "string" ? `${error}: ${message}` : `${error}`;
  const isTold = typeof error === "string" && /^[\x20-\x7e]{1,300}$/.test(says);
  return isTold ? `What the file holds is no proof but a server's refusal: ${says}\n` : "";
}

function membersOf(text: string): { format?: unknown; error?: unknown; message?: unknown } {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
