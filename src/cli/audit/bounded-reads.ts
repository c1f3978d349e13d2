/**
 * What a server sends, read in bounded memory: an answer or a line that is longer
 * than any honest one ends the reading, so that no server can exhaust whoever
 * audits it.
 */
import { FormatError } from "#proof";

/** The longest journal line has two signatures of 2,048 bytes by contracts, in hex. */
export const MOST_LINE_CHARS = 65_536;
/** A page of a thousand epochs has some three million. */
export const MOST_JSON_BYTES = 32 * 2 ** 20;

/** An answer ended too early. Some proxies end one so when the server behind them does: that is no lie. */
export class CutOff extends Error {}

/** Lines of a file. @throws FormatError for bytes that are not UTF-8, a line that is too long, or a last one without its newline */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  try {
    for await (const lines of batchesOf(pieces)) yield* lines;
  } catch (error) {
    // A file is whole, or it is not what its hash is of.
    throw error instanceof CutOff ? new FormatError("", "ends in the middle of a line") : error;
  }
}

/** Lines of an answer that may be asked on, those that arrive together at once. @throws as `linesOf`, but CutOff for a last one without its newline */
export async function* batchesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let rest = "";
  for await (const piece of pieces) {
    const lines = (rest + decoded(decoder, piece)).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MOST_LINE_CHARS || lines.some(({ length }) => length > MOST_LINE_CHARS))
      throw new FormatError("", `has a line of more than ${MOST_LINE_CHARS} characters`);
    if (lines.length > 0) yield lines;
  }
  rest += decoded(decoder, undefined);
  if (rest !== "") throw new CutOff("the answer ends in the middle of a line");
}

/** A whole answer. @throws Error where it is too long; SyntaxError where it is no JSON */
export async function jsonOf(url: string, pieces: AsyncIterable<Uint8Array>): Promise<unknown> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > MOST_JSON_BYTES) throw new Error(`${url} answered with more than ${MOST_JSON_BYTES} bytes`);
    text += decoder.decode(piece, { stream: true });
  }
  return JSON.parse(text + decoder.decode());
}

function decoded(decoder: InstanceType<typeof TextDecoder>, piece: Uint8Array | undefined): string {
  try {
    return decoder.decode(piece, { stream: piece !== undefined });
  } catch {
    throw new FormatError("", "holds bytes that are not UTF-8");
  }
}
