/**
 * The journal as a transparency log, as far as epochs have closed over it: its
 * checkpoints, proofs against them, its tiles and entries, and what witnesses add.
 * Everything in it may be seen by anybody. A proof is checked before it leaves
 * this file: damage to what is stored can cost an error, never a wrong proof.
 */
import { type Clock, DomainError } from "#kernel";
import {
  cosignatureTime,
  FormatError,
  fromHex,
  type Hex,
  isKeyOf,
  logLeafHash,
  type NoteKey,
  type NoteSignature,
  parseNote,
  parseSignatureLine,
  TILE_WIDTH,
  type TileName,
  tileWidth,
  toHex,
  verifyConsistency,
  verifyInclusion,
  verifyNoteSignature,
} from "#proof";
import { type CheckpointView, checkpointOfSize, checkpointsBelow, latestCheckpoint } from "./checkpoints.ts";
import { journalLines } from "./journal-lines.ts";
import type { LogSigner } from "./log-signer.ts";
import { proveConsistency, proveInclusion, tileHashes } from "./log-tiles.ts";
import { type Queryable, SQL } from "./sql.ts";

export interface InclusionProof {
  readonly index: number;
  readonly size: number;
  readonly root: Hex;
  /** The line itself, without its newline. */
  readonly line: string;
  readonly leafHash: Hex;
  /** Leaf level first. */
  readonly proof: readonly Hex[];
}

export interface ConsistencyProof {
  readonly from: { readonly size: number; readonly root: Hex };
  readonly to: { readonly size: number; readonly root: Hex };
  readonly proof: readonly Hex[];
}

export interface JournalLog {
  /** Which log; null where the ledger settles nowhere and so signs nothing. */
  readonly signer: Pick<LogSigner, "origin" | "key"> | null;
  readonly witnesses: readonly NoteKey[];
  latest(): Promise<CheckpointView | null>;
  checkpoint(size: number): Promise<CheckpointView | null>;
  /** Newest first. */
  checkpoints(below: number | null, limit: number): Promise<CheckpointView[]>;
  /** In the log of `size` lines, the newest checkpoint's where null. @throws DomainError `not_found` */
  inclusion(index: number, size: number | null): Promise<InclusionProof>;
  /** @throws DomainError `not_found` or `invalid_request` */
  consistency(from: number, to: number | null): Promise<ConsistencyProof>;
  /** The first `width` hashes of a tile. @throws DomainError `not_found` where it has not so many */
  tile(tile: TileName, width: number): Promise<Uint8Array>;
  /** The first `width` lines of the bundle of 256, each after its length in two bytes. @throws DomainError `not_found` */
  entries(index: bigint, width: number): Promise<Uint8Array>;
  /**
   * Takes a witness's signature line of a checkpoint.
   * @throws DomainError `invalid_request`, `forbidden` for a witness that is not known, `not_found`
   */
  cosign(size: number, line: string): Promise<CheckpointView>;
}

export interface JournalLogParts {
  readonly db: Queryable;
  readonly signer: LogSigner;
  /** Whose cosignatures are taken; nobody else's are. */
  readonly witnesses: readonly NoteKey[];
  /** Wall time. */
  readonly clock: Clock;
}

/** A witness's clock may be so far ahead of ours. */
const MAX_AHEAD_SECONDS = 300n;
const MAX_ENTRY_BYTES = 65_535;
const ENTRY_LENGTH_BYTES = 2;

export function createJournalLog({ db, signer, witnesses, clock }: JournalLogParts): JournalLog {
  const newestSize = async () => (await latestCheckpoint(db))?.size ?? 0;
  const haveWidth = async (tile: TileName, width: number) => {
    if (tileWidth(BigInt(await newestSize()), tile) < width)
      throw notFound("The log is not so long yet: there is no such tile");
  };
  return {
    ...{ signer: { origin: signer.origin, key: signer.key }, witnesses },
    latest: () => latestCheckpoint(db),
    checkpoint: (size) => checkpointOfSize(db, size),
    checkpoints: (below, limit) => checkpointsBelow(db, below, limit),
    inclusion: async (index, size) => includedIn(db, index, sizeWithin(size, await newestSize())),
    consistency: async (from, to) => consistentWith(db, from, sizeWithin(to, await newestSize())),
    async tile(tile, width) {
      await haveWidth(tile, width);
      return tileHashes(db, tile, width);
    },
    async entries(index, width) {
      await haveWidth({ level: 0, index }, width);
      return entryBundle(db, Number.parseInt(`${index * BigInt(TILE_WIDTH)}`, 10), width);
    },
    cosign: (size, line) => takeCosignature({ db, witnesses, clock }, size, line),
  };
}

/** Of a ledger that settles nowhere. */
export function noJournalLog(): JournalLog {
  const nothing = async (): Promise<never> => {
    throw notFound("This ledger settles nowhere, so nothing of its journal is published");
  };
  return {
    ...{ signer: null, witnesses: [] },
    latest: async () => null,
    checkpoint: async () => null,
    checkpoints: async () => [],
    ...{ inclusion: nothing, consistency: nothing, tile: nothing, entries: nothing, cosign: nothing },
  };
}

function sizeWithin(size: number | null, newest: number): number {
  if (newest === 0) throw notFound("No epoch is closed yet, so the log has no checkpoint");
  if (size !== null && size > newest) throw notFound(`The log's newest checkpoint is of ${newest} lines`);
  return size ?? newest;
}

async function includedIn(db: Queryable, index: number, size: number): Promise<InclusionProof> {
  if (index >= size) throw notFound(`There is no line ${index} among the first ${size}`);
  const { proof, root } = await proveInclusion(db, BigInt(index), BigInt(size));
  await assertSigned(db, size, root);
  for await (const [line = ""] of journalLines(db, index, index + 1)) {
    if (!verifyInclusion(line, BigInt(index), BigInt(size), proof, root)) break;
    return { index, size, root, line, leafHash: toHex(logLeafHash(line)), proof };
  }
  throw new Error(`the stored log does not hold line ${index} as it is`);
}

async function consistentWith(db: Queryable, from: number, to: number): Promise<ConsistencyProof> {
  if (from > to)
    throw new DomainError("invalid_request", "from must not be above to", { details: { member: "from" } });
  const { proof, oldRoot, root } = await proveConsistency(db, BigInt(from), BigInt(to));
  await assertSigned(db, from, oldRoot);
  await assertSigned(db, to, root);
  if (!verifyConsistency(BigInt(from), BigInt(to), proof, oldRoot, root))
    throw new Error(`the stored log of ${to} lines does not continue that of ${from}`);
  return { from: { size: from, root: oldRoot }, to: { size: to, root }, proof };
}

/** What was signed of this size, if anything, is what stands. */
async function assertSigned(db: Queryable, size: number, root: Hex): Promise<void> {
  const checkpoint = await checkpointOfSize(db, size);
  if (checkpoint && checkpoint.root !== root)
    throw new Error(`the stored log has another root at ${size} lines than was signed`);
}

async function entryBundle(db: Queryable, first: number, width: number): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  for await (const lines of journalLines(db, first, first + width))
    for (const line of lines) {
      const entry = Buffer.from(line);
      if (entry.length > MAX_ENTRY_BYTES) throw new Error(`a journal line has ${entry.length} bytes`);
      const length = Buffer.alloc(ENTRY_LENGTH_BYTES);
      length.writeUInt16BE(entry.length);
      pieces.push(length, entry);
    }
  return Buffer.concat(pieces);
}

async function takeCosignature(
  { db, witnesses, clock }: Pick<JournalLogParts, "db" | "witnesses" | "clock">,
  size: number,
  line: string,
): Promise<CheckpointView> {
  const { signature, time } = readCosignature(line);
  const key = witnesses.find((known) => isKeyOf(known, signature));
  if (!key) throw new DomainError("forbidden", "This log knows no witness with this name and key");
  const checkpoint = await checkpointOfSize(db, size);
  if (!checkpoint) throw notFound(`There is no checkpoint of ${size} lines`);
  if (time * 1000n > BigInt(Math.floor(clock.nowMs())) + MAX_AHEAD_SECONDS * 1000n)
    throw badCosignature("is of a time to come");
  if (!(await verifyNoteSignature(parseNote(checkpoint.note).text, key, signature)))
    throw badCosignature("does not sign this checkpoint");
  const values = [size, key.name, fromHex(key.keyId, 4), `${time}`, line];
  await db.query(SQL.writeCosignature, values);
  return (await checkpointOfSize(db, size)) ?? checkpoint;
}

function readCosignature(line: string): { signature: NoteSignature; time: bigint } {
  try {
    const signature = parseSignatureLine(line);
    return { signature, time: cosignatureTime(signature) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw badCosignature(`cannot be read: ${error.message}`);
  }
}

function badCosignature(what: string): DomainError {
  return new DomainError("invalid_request", `The cosignature ${what}`, {
    details: { member: "cosignature" },
  });
}

function notFound(message: string): DomainError {
  return new DomainError("not_found", message);
}
