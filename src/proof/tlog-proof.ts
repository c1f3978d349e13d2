/**
 * Proof files of single lines (c2sp.org/tlog-proof): where a line stands, the
 * hashes from it to the root, and the checkpoint that signs the root, all in one
 * text. `extra` carries the line itself: it needs no trust, since its own hash is
 * what the proof begins with.
 */
import { fromBase64, toBase64 } from "./base64.ts";
import { fromHex, type Hex, toHex } from "./bytes.ts";
import { FormatError } from "./format-error.ts";

export interface TlogProof {
  /** The line's number, from 0. */
  readonly index: bigint;
  /** Inclusion proof, leaf level first. */
  readonly hashes: readonly Hex[];
  /** A checkpoint as a signed note. */
  readonly checkpoint: string;
  /** The line's bytes, without its newline; where missing, whoever checks brings it. */
  readonly line?: Uint8Array | undefined;
}

const FIRST_LINE = "c2sp.org/tlog-proof@v1";
const HASH_BYTES = 32;
const MAX_HASHES = 63;
const INDEX = /^index (0|[1-9][0-9]{0,18})$/;
const EXTRA = "extra ";

export function formatTlogProof({ index, hashes, checkpoint, line }: TlogProof): string {
  return [
    FIRST_LINE,
    ...(line ? [`${EXTRA}${toBase64(line)}`] : []),
    `index ${index}`,
    ...hashes.map((hash) => toBase64(fromHex(hash, HASH_BYTES, "proof"))),
    "",
    checkpoint,
  ].join("\n");
}

/** @throws FormatError where it is no such file; the checkpoint in it is not looked at */
export function parseTlogProof(file: string): TlogProof {
  const end = file.indexOf("\n\n");
  if (end < 0) throw new FormatError("proof", "has no checkpoint");
  const [first, ...lines] = file.slice(0, end).split("\n");
  if (first !== FIRST_LINE) throw new FormatError("proof", `does not begin with ${FIRST_LINE}`);
  const extra = lines[0]?.startsWith(EXTRA) ? lines.shift() : undefined;
  const [, index] = INDEX.exec(lines.shift() ?? "") ?? [];
  if (index === undefined) throw new FormatError("proof", "does not say the line's index");
  if (lines.length > MAX_HASHES) throw new FormatError("proof", `has more than ${MAX_HASHES} hashes`);
  return {
    index: BigInt(index),
    hashes: lines.map(readHash),
    checkpoint: file.slice(end + 2),
    ...(extra === undefined ? {} : { line: fromBase64(extra.slice(EXTRA.length), "proof.extra") }),
  };
}

function readHash(encoded: string): Hex {
  const hash = fromBase64(encoded, "proof");
  if (hash.length !== HASH_BYTES) throw new FormatError("proof", `must be hashes of ${HASH_BYTES} bytes`);
  return toHex(hash);
}
