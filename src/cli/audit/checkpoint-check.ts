/**
 * Checkpoints of the log against the headers on the chain: for every epoch one
 * whose size and root are the header's, signed by the log, and seen by as many of
 * the witnesses that the caller trusts as the caller wants.
 */
import { counted } from "#kernel";
import { FormatError, type Header, type NoteKey, parseVerifierKey } from "#proof";
import { verifyCheckpoint } from "#verifier";
import { type ApiSource, Unserved } from "./api-source.ts";
import { Lie } from "./checks.ts";

export interface LogTrustOptions {
  /** Pinned keys of the log; none: the API's word is taken, and said so. */
  readonly logKeys: readonly NoteKey[];
  readonly witnesses: readonly NoteKey[];
  readonly quorum: number;
}

export class CheckpointCheck {
  readonly #trust: LogTrustOptions;
  #checked = 0;
  #cosignatures = 0;
  #origin = "";

  constructor(trust: LogTrustOptions) {
    this.#trust = trust;
  }

  /** @throws Lie `checkpoints` */
  async epoch(api: ApiSource, { epoch, journalSize, journalRoot }: Header): Promise<void> {
    if (journalSize === 0n) return;
    const lie = (what: string) => new Lie("checkpoints", { epoch }, what);
    const { note, verifierKey } = await served(api, journalSize, epoch);
    const { logKeys, witnesses, quorum } = this.#trust;
    const trusted = logKeys.length > 0 ? logKeys : [keyOf(verifierKey, epoch)];
    const found = await verifyCheckpoint(note, { logKeys: trusted, witnesses, quorum });
    const { checkpoint } = found;
    const failed = found.checks.find(({ ok }) => !ok);
    if (!checkpoint || failed)
      throw lie(
        failed?.name === "witnesses"
          ? `the checkpoint is seen by ${failed.detail}`
          : `${failed?.detail ?? "no checkpoint"}`,
      );
    if (checkpoint.size !== journalSize || checkpoint.root !== journalRoot)
      throw lie(
        `the log's checkpoint is of ${checkpoint.size} lines with the root ${checkpoint.root}, the header on the chain of ${journalSize} with ${journalRoot}: the log shows two views`,
      );
    this.#checked++;
    this.#cosignatures += checkpoint.cosignatures.length;
    this.#origin = checkpoint.origin;
  }

  summary(): string {
    if (this.#checked === 0) return "no new epoch";
    const { logKeys, witnesses } = this.#trust;
    const key = logKeys.length > 0 ? "by the pinned key" : "by the key that the API names (--key pins it)";
    const seen =
      witnesses.length === 0
        ? "no witness asked for"
        : `${counted(this.#cosignatures, "cosignature")} of ${counted(witnesses.length, "witness", "witnesses")}`;
    return `${this.#origin} signs ${counted(this.#checked, "epoch")} ${key}; ${seen}`;
  }
}

async function served(api: ApiSource, size: bigint, epoch: bigint) {
  try {
    return await api.checkpoint(size);
  } catch (error) {
    if (error instanceof Unserved && error.isWithheld)
      throw new Lie("checkpoints", { epoch }, `the server withholds the log's checkpoint of ${size} lines`);
    if (!(error instanceof FormatError)) throw error;
    throw new Lie("checkpoints", { epoch }, error.message);
  }
}

function keyOf(text: string, epoch: bigint): NoteKey {
  try {
    return parseVerifierKey(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new Lie("checkpoints", { epoch }, `the log's key: ${error.message}`);
  }
}
