/**
 * What the seeds reached: result codes, refusals, operations, faults. What no
 * seed reached was not tested, so that it is a gap in the generator and fails a
 * run that is large enough to reach everything.
 */
import { ACCOUNT_CODES, TRANSFER_CODES } from "#ledger";
import { FAULTS, type Fault } from "./faults.ts";
import type { Expected } from "./model/model.ts";
import { type Operation, WAYS, type Way } from "./protocol.ts";

const REFUSALS = [
  ...["insufficient_balance", "invalid_amount", "invalid_request", "forbidden", "not_found"],
  ...["already_locked", "not_expired", "tier_not_higher", "not_active", "not_closable", "quota_exceeded"],
  ...["idempotency_key_reused", "unavailable"],
] as const;
const OPERATIONS: readonly Operation["kind"][] = [
  ...([
    "transfers",
    "dry-run",
    "accounts",
    "look",
    "close",
    "tick",
    "grant",
    "lock",
    "release",
    "terminate",
  ] as const),
  ...(["upgrade", "unstake", "reserve", "consume", "hold", "commit", "free", "extend", "expire"] as const),
];

/** By kind of thing: how often each was reached, those that were not included. */
export type Counts = Readonly<Record<string, Readonly<Record<string, number>>>>;

export class Coverage {
  readonly #counts = {
    transfer_codes: zeros(TRANSFER_CODES),
    account_codes: zeros(ACCOUNT_CODES),
    refusals: zeros(REFUSALS),
    operations: zeros(OPERATIONS),
    faults: zeros(FAULTS),
    // Conflicts need somebody who writes without the head, and nobody here does.
    batches: zeros(WAYS.filter((way) => way !== "again_conflict")),
    answers: zeros(["replayed", "denied_by_gate", "lost", "counters_compared"]),
  };

  get counts(): Counts {
    return Object.fromEntries(
      Object.entries(this.#counts).map(([kind, counts]) => [kind, Object.fromEntries(counts)]),
    );
  }

  /** A unit of work that was decided, and answered so. */
  unit(operation: Operation, expected: Expected): void {
    add(this.#counts.operations, operation.kind);
    if (expected.refusal) this.refusal(expected.refusal.code);
    else if (operation.kind === "transfers") this.#codes(this.#counts.transfer_codes, expected.says);
    else if (operation.kind === "accounts") this.#codes(this.#counts.account_codes, expected.says);
  }

  #codes(counts: Map<string, number>, says: unknown): void {
    for (const { code } of says as { code: string }[]) add(counts, code);
  }

  refusal(code: string): void {
    add(this.#counts.refusals, code);
  }

  fault(fault: Fault): void {
    add(this.#counts.faults, fault);
  }

  batch(ways: readonly Way[]): void {
    for (const way of ways) add(this.#counts.batches, way);
  }

  replay(): void {
    add(this.#counts.answers, "replayed");
  }

  gateDenial(): void {
    add(this.#counts.answers, "denied_by_gate");
  }

  lost(): void {
    add(this.#counts.answers, "lost");
  }

  /** Counters in Redis that were held against usage at the end. */
  compared(counters: number): void {
    for (let counter = 0; counter < counters; counter++) add(this.#counts.answers, "counters_compared");
  }
}

export function sumOf(all: readonly Counts[]): Counts {
  const sum: Record<string, Record<string, number>> = {};
  for (const counts of [new Coverage().counts, ...all])
    for (const [kind, members] of Object.entries(counts)) {
      sum[kind] ??= {};
      for (const [name, count] of Object.entries(members)) sum[kind][name] = (sum[kind][name] ?? 0) + count;
    }
  return sum;
}

/** What was never reached, as "kind: name". */
export function gapsIn(counts: Counts): string[] {
  return Object.entries(counts).flatMap(([kind, members]) =>
    Object.entries(members).flatMap(([name, count]) => (count === 0 ? [`${kind}: ${name}`] : [])),
  );
}

function zeros(names: readonly string[]): Map<string, number> {
  return new Map(names.map((name) => [name, 0]));
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
