/**
 * Proofs that a line stands in the journal's log, for whoever wants to see each
 * step: from the line by SHA-256 to the log's root (RFC 9162, 2.1.3.2). Whose root
 * that is, a file alone does not say: a chain does (`verifyRootOnChain`), or the
 * log's signature (`verifyCheckpoint`).
 *
 * Checks never throw: whatever is wrong with a file is a check that failed.
 */
import {
  FormatError,
  fromHex,
  type Hex,
  logLeafHash,
  logNodeHash,
  parseCheckpoint,
  parseNote,
  parseTlogProof,
  requireHexList,
  toHex,
  verifyInclusion,
} from "#proof";
import { type Check, conclude, type Verification } from "./verify-proof.ts";

export interface LineProof {
  /** The line's number, from 0. */
  readonly index: bigint;
  /** How many lines the log has. */
  readonly size: bigint;
  /** Of the log of so many lines. */
  readonly root: Hex;
  /** The other node at each step, leaf level first. */
  readonly hashes: readonly Hex[];
  /** Its bytes, without the newline; undefined where the file does not carry it. */
  readonly line?: Uint8Array | undefined;
  /** The line's hash, where the file states it. */
  readonly leafHash?: Hex | undefined;
  /** The signed note that root and size are from, and the log that it names. */
  readonly checkpoint?: { readonly origin: string; readonly note: string } | undefined;
}

/** Whether this is meant as the proof of a line: a tlog-proof's text, or what the API answers. */
export function isLineProof(document: unknown): boolean {
  return typeof document === "string"
    ? document.startsWith("c2sp.org/tlog-proof")
    : typeof document === "object" && document !== null && "leaf_hash" in document;
}

/**
 * @param document a C2SP tlog-proof's text, or the parsed JSON that `/api/v1/log/inclusion` answers
 * @throws FormatError where it is neither
 */
export function parseLineProof(document: unknown): LineProof {
  if (typeof document === "string") {
    const { checkpoint: note, ...proof } = parseTlogProof(document);
    const { origin, size, root } = parseCheckpoint(parseNote(note).text);
    return { ...proof, size, root, checkpoint: { origin, note } };
  }
  const members = (typeof document === "object" ? document : null) as Record<string, unknown> | null;
  const { index, size, line } = members ?? {};
  if (!isWhole(index) || !isWhole(size))
    throw new FormatError("proof", "must say index and size as whole numbers");
  if (typeof line !== "string") throw new FormatError("proof.line", "must be a text");
  const [root, leafHash] = requireHexList([members?.root, members?.leaf_hash], HASH_BYTES, "proof") as [
    Hex,
    Hex,
  ];
  return {
    ...{ index: BigInt(index), size: BigInt(size), root, leafHash },
    hashes: requireHexList(members?.proof, HASH_BYTES, "proof.proof"),
    line: new TextEncoder().encode(line),
  };
}

const HASH_BYTES = 32;

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Two neighbours and what they hash to. */
export interface RecomputedLine {
  readonly left: Hex;
  readonly right: Hex;
  readonly parent: Hex;
  /** Which of the two the file gives. */
  readonly sibling: "left" | "right";
}

export interface LineRecomputation {
  /** SHA-256 of a byte 0 and the line. */
  readonly leafHash: Hex;
  readonly steps: readonly RecomputedLine[];
  /** Where they lead; null where there are too many or too few of them for the line's place. */
  readonly root: Hex | null;
}

/** It judges nothing; null where the file does not carry the line. */
export function recomputeLine({ line, index, size, hashes }: LineProof): LineRecomputation | null {
  if (!line) return null;
  const leafHash = toHex(logLeafHash(line));
  const steps: RecomputedLine[] = [];
  let hash = leafHash;
  let position = index;
  let last = size - 1n;
  for (const element of hashes) {
    if (last <= 0n) return { leafHash, steps, root: null };
    const isRight = (position & 1n) === 1n || position === last;
    const [left, right]: [Hex, Hex] = isRight ? [element, hash] : [hash, element];
    hash = toHex(logNodeHash(fromHex(left, HASH_BYTES), fromHex(right, HASH_BYTES)));
    steps.push({ left, right, parent: hash, sibling: isRight ? "left" : "right" });
    // Levels at which a last node has no neighbour are passed over.
    while (isRight && (position & 1n) === 0n && position !== 0n) {
      position >>= 1n;
      last >>= 1n;
    }
    position >>= 1n;
    last >>= 1n;
  }
  return { leafHash, steps, root: last === 0n ? hash : null };
}

/**
 * What the file alone can show.
 * @param document as `parseLineProof` takes it
 * @returns the checks `format`, and where it holds `line`, `index`, `path` and `inclusion`
 */
export function verifyLine(document: unknown): Verification {
  let proof: LineProof;
  try {
    proof = parseLineProof(document);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return conclude([{ name: "format", ok: false, detail: error.message }]);
  }
  const { index, size, root, line, leafHash, hashes } = proof;
  const format = { name: "format", ok: true, detail: `proof of line ${index}` };
  const work = recomputeLine(proof);
  if (!line || !work)
    return conclude([format, { name: "line", ok: false, detail: "the file does not carry the line" }]);
  const checks: Check[] = [
    format,
    check(
      "line",
      leafHash === undefined || leafHash === work.leafHash,
      work.leafHash,
      `hashes to ${work.leafHash}`,
    ),
    check("index", index < size, `${index} of ${size}`, `${index} is outside a log of ${size} lines`),
    check(
      "path",
      work.root !== null,
      `${hashes.length} ${hashes.length === 1 ? "step" : "steps"}`,
      `${hashes.length} hashes do not fit the place ${index} of ${size}`,
    ),
    check(
      "inclusion",
      verifyInclusion(line, index, size, hashes, root),
      root,
      `leads to ${work.root ?? "no root"}, the file names ${root}`,
    ),
  ];
  return conclude(checks);
}

function check(name: string, ok: boolean, detail: string, otherwise: string): Check {
  return { name, ok, detail: ok ? detail : otherwise };
}
