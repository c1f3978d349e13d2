/**
 * Has witnesses cosign the newest checkpoint of the journal's log, each at its own address. What one answers is believed by
 * its signature alone. A witness that does not answer holds up nobody, neither settlement nor another witness, and is asked
 * less and less often.
 */
import { askWitness } from "#infra";
import type { Clock } from "#kernel";
import { isKeyOf, type NoteKey, parseSignatureLine } from "#proof";
import type { CheckpointView } from "./checkpoints.ts";
import type { JournalLog } from "./journal-log.ts";

export interface ReachableWitness {
  readonly key: NoteKey;
  /** The prefix at which it takes checkpoints (c2sp.org/tlog-witness). */
  readonly url: string;
}

export interface WitnessAsker {
  /** @throws AggregateError with what each witness said that was asked and did not cosign */
  ask(): Promise<void>;
  /** Ends what is under way. */
  stop(): void;
}

export interface WitnessAskerParts {
  readonly log: Pick<JournalLog, "latest" | "consistency" | "cosign">;
  readonly witnesses: readonly ReachableWitness[];
  /** Wall time. */
  readonly clock: Clock;
}

/** After the first failure; twice as long after each that follows. */
const FIRST_PAUSE_MS = 15_000;
const LONGEST_PAUSE_MS = 15 * 60_000;

export function createWitnessAsker({ log, witnesses, clock }: WitnessAskerParts): WitnessAsker {
  const stopped = new AbortController();
  const pauses = new Map<ReachableWitness, { failures: number; untilMs: number }>();

  async function askOne(witness: ReachableWitness, checkpoint: CheckpointView): Promise<void> {
    const { failures } = pauses.get(witness) ?? { failures: 0 };
    try {
      for (const line of await cosignaturesOf(witness, checkpoint)) await log.cosign(checkpoint.size, line);
      pauses.delete(witness);
    } catch (error) {
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
      pauses.set(witness, { failures: failures + 1, untilMs: clock.nowMs() + pauseMs });
      throw error;
    }
  }

  async function cosignaturesOf({ key, url }: ReachableWitness, checkpoint: CheckpointView) {
    const { note, size } = checkpoint;
    const lines = await askWitness({
      ...{ url, note, size: BigInt(size), signal: stopped.signal },
      consistencyFrom: async (from) => (await log.consistency(Number.parseInt(`${from}`, 10), size)).proof,
    });
    const own = lines.filter((line) => isKeyOf(key, parseSignatureLine(line)));
    if (own.length === 0) throw new Error(`the witness at ${url} signs with another key than ${key.name}`);
    return own;
  }

  return {
    async ask() {
      const checkpoint = witnesses.length === 0 ? null : await log.latest();
      if (!checkpoint || stopped.signal.aborted) return;
      const due = witnesses.filter(
        (witness) =>
          !isCosigned(checkpoint, witness.key) && clock.nowMs() >= (pauses.get(witness)?.untilMs ?? 0),
      );
      const asked = await Promise.allSettled(due.map((witness) => askOne(witness, checkpoint)));
      const failures = asked.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
      if (failures.length > 0 && !stopped.signal.aborted)
        throw new AggregateError(failures, `${failures.length} of ${due.length} witnesses did not cosign`);
    },
    stop: () => stopped.abort(),
  };
}

function isCosigned({ cosignatures }: CheckpointView, key: NoteKey): boolean {
  return cosignatures.some((line) => isKeyOf(key, parseSignatureLine(line)));
}
