/**
 * Counters against the truth: reads both and mends what differs. Only a state that
 * denies is brought to Redis, so a counter may be absent or behind; it differs where
 * it denies what the truth would admit, where its numbers are not those of its
 * version, and where the truth does not know its version yet. One that moved while
 * it was compared does not differ.
 */
import type { DataSource } from "typeorm";
import { admits, isNewer, type QuotaState, targetText } from "./model.ts";
import type { Publisher } from "./publisher.ts";
import { type Counter, GateAway, type RedisGate } from "./redis-gate.ts";
import { readStates } from "./truth.ts";

export interface Drift {
  readonly compared: number;
  /** Not one of them should stay over two comparisons. */
  readonly differing: number;
}

export interface DriftOptions {
  readonly gate: RedisGate;
  readonly publisher: Publisher;
  readonly dataSource: DataSource;
  readonly sample: number;
}

/** `null` where Redis is away. */
export async function measureDrift({
  gate,
  publisher,
  dataSource,
  sample,
}: DriftOptions): Promise<Drift | null> {
  const targets = publisher.recent(sample);
  const before = await readStates(dataSource, targets);
  await publisher.settled();
  let counters: (Counter | null)[];
  try {
    counters = await Promise.all(targets.map((target) => gate.read(target)));
  } catch (error) {
    if (error instanceof GateAway) return null;
    throw error;
  }
  const after = await readStates(dataSource, targets);

  let differing = 0;
  for (const [place, target] of targets.entries()) {
    const counter = counters[place];
    const [earlier, later] = [before.get(targetText(target)), after.get(targetText(target))];
    if (!counter || !earlier || !later || !differs(counter, earlier, later)) continue;
    differing++;
    await publisher.publish(later, { replaces: counter });
  }
  return { compared: targets.length, differing };
}

function differs(counter: Counter, earlier: QuotaState, later: QuotaState): boolean {
  if (counter.day < later.day) return false;
  if (isNewer(counter, later)) return true;
  // Time alone gave the units of due holds back, without a version of their own.
  if (isNewer(earlier, counter)) return denies(counter) && admits(earlier, 1) && earlier.lapsed === 0;
  return [earlier, later].some((state) => isSameVersion(state, counter) && !isSame(state, counter));
}

function denies({ used, held, limit }: Counter): boolean {
  return used + held >= limit;
}

function isSameVersion(state: QuotaState, counter: Counter): boolean {
  return state.day === counter.day && state.version === counter.version;
}

/** Of the units that lapsed since the row was written, the counter may have known some. */
export function isSame(state: QuotaState, counter: Counter): boolean {
  return (
    isSameVersion(state, counter) &&
    state.used === counter.used &&
    counter.held >= state.held &&
    counter.held <= state.held + state.lapsed &&
    state.limit === counter.limit
  );
}
