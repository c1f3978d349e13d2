/**
 * Checks what the journal's log says, by keys that whoever asks trusts: that a
 * checkpoint is signed, seen by enough witnesses, continues an earlier one, and
 * holds a line. Never throws for what it is given: whatever is wrong with it is a
 * check that failed.
 */
import {
  type Checkpoint,
  FormatError,
  type Hex,
  type NoteKey,
  type OpenCheckpoint,
  openCheckpoint,
  parseTlogProof,
  type TlogProof,
  verifyConsistency,
  verifyInclusion,
} from "#proof";
import { type Check, conclude, type Verification } from "./verify-proof.ts";

export interface LogTrust {
  /** Of type 0x01, named as the log is. */
  readonly logKeys: readonly NoteKey[];
  /** Of type 0x04. */
  readonly witnesses: readonly NoteKey[];
  /** How many of the witnesses must have signed. */
  readonly quorum: number;
}

export interface CheckpointVerification extends Verification {
  /** Where the note's signature holds. */
  readonly checkpoint?: OpenCheckpoint;
}

/** @returns the checks `checkpoint` and, where witnesses are asked for, `witnesses` */
export async function verifyCheckpoint(note: string, trust: LogTrust): Promise<CheckpointVerification> {
  let checkpoint: OpenCheckpoint;
  try {
    checkpoint = await openCheckpoint(note, trust.logKeys, trust.witnesses);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return conclude([{ name: "checkpoint", ok: false, detail: error.message }]);
  }
  const { origin, size, root } = checkpoint;
  const checks = [
    { name: "checkpoint", ok: true, detail: `${origin} signs ${size} lines with the root ${root}` },
    ...witnessChecks(checkpoint, trust),
  ];
  return { ...conclude(checks), checkpoint };
}

function witnessChecks({ cosignatures }: OpenCheckpoint, { witnesses, quorum }: LogTrust): Check[] {
  if (witnesses.length === 0 && quorum === 0) return [];
  const names = cosignatures.map(({ key, time }) => `${key.name} at ${time}`).join(", ");
  const detail = `${cosignatures.length} of ${witnesses.length} known witnesses${names && ` (${names})`}, ${quorum} needed`;
  return [{ name: "witnesses", ok: cosignatures.length >= quorum, detail }];
}

/** @returns the check `consistency`: whether the later log begins with the earlier one */
export function verifyContinuity(earlier: Checkpoint, later: Checkpoint, proof: readonly Hex[]): Check {
  const name = "consistency";
  if (earlier.origin !== later.origin)
    return { name, ok: false, detail: `${later.origin} is another log than ${earlier.origin}` };
  const from = `${earlier.size} lines`;
  const to = `${later.size} lines`;
  let ok: boolean;
  try {
    ok = verifyConsistency(earlier.size, later.size, proof, earlier.root, later.root);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    ok = false;
  }
  return {
    ...{ name, ok },
    detail: ok
      ? `the log of ${to} begins with that of ${from}`
      : `the log of ${to} does not begin with that of ${from}`,
  };
}

/**
 * @param file a C2SP tlog-proof
 * @param line the line, where the file does not carry it or must not be asked
 * @returns the checks `format`, those of the checkpoint, and `inclusion`
 */
export async function verifyLogProof(
  file: string,
  trust: LogTrust,
  line?: string | Uint8Array,
): Promise<Verification> {
  let proof: TlogProof;
  try {
    proof = parseTlogProof(file);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return conclude([{ name: "format", ok: false, detail: error.message }]);
  }
  const format = { name: "format", ok: true, detail: `proof of line ${proof.index}` };
  const { checks, checkpoint } = await verifyCheckpoint(proof.checkpoint, trust);
  if (!checkpoint) return conclude([format, ...checks]);
  const bytes = line ?? proof.line;
  return conclude([format, ...checks, inclusionCheck(proof, checkpoint, bytes)]);
}

function inclusionCheck(
  { index, hashes }: TlogProof,
  { size, root }: Checkpoint,
  line: string | Uint8Array | undefined,
): Check {
  const name = "inclusion";
  if (line === undefined)
    return { name, ok: false, detail: "the proof does not carry the line, and none was given" };
  const ok = verifyInclusion(line, index, size, hashes, root);
  return {
    ...{ name, ok },
    detail: ok
      ? `the line is number ${index} of ${size}`
      : `the proof does not lead from this line at ${index} to the root of ${size} lines`,
  };
}
