/** Has the witnesses that have an address cosign the newest checkpoint. What nobody is asked for costs one read. */
import type { WitnessAsker } from "#settlement";

/** Every quarter of a minute, at a second of its own. */
export const ASK_WITNESSES_CRON = "8,23,38,53 * * * * *";

/** @throws AggregateError with what the witnesses said that did not cosign */
export function askWitnesses(witnesses: Pick<WitnessAsker, "ask">): Promise<void> {
  return witnesses.ask();
}
