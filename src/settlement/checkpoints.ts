/**
 * Checkpoints of the journal's log: signed when an epoch is closed, in that
 * transaction, and read with what witnesses added. A checkpoint is never changed
 * and never taken back; one that was signed is true for good.
 */
import type { UnixSeconds } from "#kernel";
import {
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  fromHex,
  type Hex,
  parseNote,
  parseSignatureLine,
  toHex,
} from "#proof";
import type { LogSigner } from "./log-signer.ts";
import { firstRow, type Queryable, rows, SQL } from "./sql.ts";

export interface CheckpointView {
  /** How many lines. */
  readonly size: number;
  readonly root: Hex;
  /** The signed note, with the log's signature and those of witnesses. */
  readonly note: string;
  /** The key of the log's signature, as text. */
  readonly verifierKey: string;
  readonly signedAt: UnixSeconds;
  /** Signature lines of witnesses, by name. */
  readonly cosignatures: readonly string[];
}

interface CheckpointRow {
  size: number;
  root: Uint8Array;
  note: string;
  verifier_key: string;
  signed_at: number;
  cosignatures: string[];
}

const ROOT_BYTES = 32;
/** Above every size. */
const NO_SIZE = Number.MAX_SAFE_INTEGER;

/** @throws Error where there is one of this size with another root */
export async function signCheckpoint(
  db: Queryable,
  signer: LogSigner,
  { size, root, now }: { size: bigint; root: Hex; now: UnixSeconds },
): Promise<void> {
  const text = formatCheckpoint({ origin: signer.origin, size, root });
  const note = formatNote({ text, signatures: [signer.sign(text)] });
  const values = [`${size}`, fromHex(root, ROOT_BYTES), note, formatVerifierKey(signer.key), now];
  const { rowCount } = await db.query(SQL.insertCheckpoint, values);
  if (rowCount === 1) return;
  const there = await firstRow<CheckpointRow>(db, SQL.checkpoints, [`${size}`, `${size + 1n}`, 1]);
  if (!there || toHex(there.root) !== root)
    throw new Error(`the log was signed with another root at ${size}`);
}

/** Newest first, of sizes below `below` where that is given. */
export async function checkpointsBelow(
  db: Queryable,
  below: number | null,
  limit: number,
): Promise<CheckpointView[]> {
  return (await rows<CheckpointRow>(db, SQL.checkpoints, [0, below ?? NO_SIZE, limit])).map(viewOf);
}

export async function latestCheckpoint(db: Queryable): Promise<CheckpointView | null> {
  return (await checkpointsBelow(db, null, 1))[0] ?? null;
}

export async function checkpointOfSize(db: Queryable, size: number): Promise<CheckpointView | null> {
  const row = await firstRow<CheckpointRow>(db, SQL.checkpoints, [size, size + 1, 1]);
  return row ? viewOf(row) : null;
}

function viewOf({ size, root, note, verifier_key, signed_at, cosignatures }: CheckpointRow): CheckpointView {
  const { text, signatures } = parseNote(note);
  return {
    ...{ size, root: toHex(root), verifierKey: verifier_key, signedAt: signed_at, cosignatures },
    note: formatNote({ text, signatures: [...signatures, ...cosignatures.map(parseSignatureLine)] }),
  };
}
