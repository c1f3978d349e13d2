/**
 * From what a person gave (a file, pasted text) to JSON, or to the text of a line's
 * proof, or to a sentence that says in plain words why it cannot be a proof. It judges only whether there is
 * a document at all; what stands in it is the verifier's part.
 */
import { isLineProof } from "#verifier";

export type Reading =
  /** Parsed JSON; the proof of a line as its text. */
  { readonly ok: true; readonly document: unknown } | { readonly ok: false; readonly why: string };

/** The deepest tree that a count can name, with all its text, stays far below. */
const MOST_BYTES = 1_000_000;

export async function readDocument(source: Blob | string): Promise<Reading> {
  const bytes = typeof source === "string" ? source.length : source.size;
  if (bytes > MOST_BYTES)
    return no(
      `It is too large: a proof has some thousand bytes, and this has ${(bytes / 1_000_000).toFixed(1)} million. This is another kind of file.`,
    );
  const text = typeof source === "string" ? source : await textOf(source);
  if (text === null) return no("It is not text. A proof is a text; this is another kind of file.");
  return parse(text.trim());
}

async function textOf(blob: Blob): Promise<string | null> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await blob.arrayBuffer());
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}

function parse(text: string): Reading {
  if (text === "") return no("It is empty.");
  // Ends in the newline of its last signature, which a pasted text may have lost.
  if (isLineProof(text)) return { ok: true, document: `${text}\n` };
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return no(
      text.startsWith("{") && !text.endsWith("}")
        ? "It ends in the middle: the last part is missing. Get the file again, whole."
        : `It is not JSON, so it is no proof file. (${error instanceof Error ? error.message : "syntax error"})`,
    );
  }
  return refusalOf(document) ?? { ok: true, document };
}

/** Someone who saved what a server answered may have saved an error. */
function refusalOf(document: unknown): Reading | null {
  if (typeof document !== "object" || document === null) return null;
  const { error, message, format } = document as Record<string, unknown>;
  if (error === undefined || format !== undefined) return null;
  const said = [message, error, (error as { message?: unknown } | null)?.message];
  const words = said.find((text) => typeof text === "string" && text.trim() !== "");
  return no(`It is not a proof but an error that a server answered: ${words ?? "it does not say which"}`);
}

function no(why: string): Reading {
  return { ok: false, why };
}
