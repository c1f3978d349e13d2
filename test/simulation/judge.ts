/**
 * Compares what was answered and what was committed with the model. Committed
 * units are told to the model in their order; each must have been answered as
 * the model says, and have told of what the model says. What was answered without
 * a committed unit (a refusal, a look, a dry run) must be right at the place at
 * which it was decided: between the two units that its own server decided before
 * and after it. A denial by the gate must have been right within the last second.
 */
import { isDeepStrictEqual } from "node:util";
import type { DecidedUnit, StoredOutcome } from "./books.ts";
import type { Coverage } from "./coverage.ts";
import type { Expected, Model, Told } from "./model/model.ts";
import type { Answer, Operation, Refusal, Request } from "./protocol.ts";

/** A request as it was sent, and what came of it. */
export interface Sent {
  readonly request: Request;
  readonly server: string;
  readonly sentAtMs: number;
  /** Null where the server died, or answered that it does not know. */
  readonly answer: Answer | null;
}

/** The first way in which reality and model differ. */
export class Disagreement extends Error {}

interface KnownOutcome {
  readonly fingerprint: string;
  readonly expected: Expected;
  /** The answer itself, once somebody got it. */
  actual: { readonly value: unknown; readonly refusal: Refusal | null } | null;
}

/** Answered, but not committed: it has to be right somewhere from `lo` to `hi`. */
interface Loose {
  readonly sent: Sent;
  readonly said: Pick<Answer, "value" | "refusal">;
  readonly now: number;
  readonly lo: number;
  readonly hi: number;
  /** False for a refusal that was made before anything was decided. */
  readonly isStored: boolean;
}

/** How long a denial that Postgres confirmed is believed. */
const TRUSTED_MS = 1_000;
const LONGEST_ROUND_MS = 60_000;
/** Refusals that a key keeps. */
const STORED = new Set([
  ...[
    "insufficient_balance",
    "not_found",
    "already_locked",
    "not_expired",
    "tier_not_higher",
    "not_active",
    "not_closable",
  ],
]);
/** Refused before anything is decided. */
const UNREAD = new Set(["invalid_request", "not_found"]);

export class Judge {
  readonly #model: Model;
  readonly #coverage: Coverage;
  readonly #outcomes = new Map<string, KnownOutcome>();
  /** Ledger time at the end of the round before. */
  #lastNow = 0;
  /** By "user/type": the least that was left of a quota in a round that somebody asked for it, and when the round was over. */
  readonly #lows = new Map<string, { readonly left: number; readonly ms: number }[]>();

  constructor(model: Model, coverage: Coverage) {
    this.#model = model;
    this.#coverage = coverage;
  }

  /**
   * Tells the model of a round that is over.
   * @throws Disagreement
   */
  round(
    all: readonly Sent[],
    units: readonly DecidedUnit[],
    stored: ReadonlyMap<string, StoredOutcome>,
    end: { readonly ms: number; readonly now: number },
  ): void {
    const byNumber = new Map(all.map((sent) => [sent.request.number, sent]));
    const marked = new Set(units.map(({ request }) => request));
    const asked = new Map(
      all.flatMap(({ request }) => askedOf(request.operation)).map((one) => [keyOf(one), one]),
    );
    const lows = new Map<string, number>();
    let waiting = [
      ...all.flatMap((sent) => this.#loose(sent, marked, units)),
      ...this.#lostRefusals(all, marked, units, stored),
    ];
    for (let place = 0; place <= units.length; place++) {
      waiting = waiting.filter((loose) => !this.#isRight(loose, place));
      const over = waiting.find(({ hi }) => hi <= place);
      if (over) throw this.#wrong(over);
      const unit = units[place];
      const times = [units[place - 1]?.time ?? this.#lastNow, unit?.time ?? end.now];
      for (const [key, quota] of asked) {
        const left = times.map((now) => this.#model.access.quotas.left(quota, now));
        lows.set(key, Math.min(lows.get(key) ?? Number.POSITIVE_INFINITY, ...left));
      }
      if (unit) this.#tell(unit, byNumber);
    }
    for (const [key, left] of lows) this.#noteLow(key, { left, ms: end.ms });
    this.#judgeDenials(all.filter(isGateDenial));
    for (const sent of all) this.#judgeReplay(sent);
    this.#compareOutcomes(all, stored);
    this.#lastNow = end.now;
  }

  #tell(unit: DecidedUnit, byNumber: ReadonlyMap<number, Sent>): void {
    const sent = byNumber.get(unit.request);
    if (!sent) throw new Disagreement(`a unit of a request that is over was committed: ${show(unit)}`);
    const { operation, key, fingerprint } = sent.request;
    if (key !== null && this.#outcomes.has(key))
      throw new Disagreement(`the key ${key} acted a second time: ${show(unit)}`);
    const { expected, events } = this.#model.apply(operation, toldBy(unit));
    const told = unit.events.map(({ type, subject }) => [type, subject]);
    if (!isDeepStrictEqual(told, events))
      throw new Disagreement(`${show(sent)} told of ${show(told)}, expected ${show(events)}`);
    if (operation.kind === "expire") {
      if (unit.value !== null && expected.says !== unit.value)
        throw new Disagreement(`${show(unit)}: expected ${show(expected.says)}`);
      this.#coverage.unit(operation, expected);
      return;
    }
    const { answer } = sent;
    if (answer && !answer.replayed) this.#compare(sent, answer, expected);
    this.#coverage.unit(operation, expected);
    if (key === null) return;
    const actual = answer && !answer.replayed ? { value: answer.value, refusal: answer.refusal } : null;
    this.#outcomes.set(key, { fingerprint, expected, actual });
  }

  #compare(sent: Sent, said: Pick<Answer, "value" | "refusal">, expected: Expected): void {
    if (!agrees(said, expected))
      throw new Disagreement(`${show(sent)} was answered ${show(said)}, expected ${show(expected)}`);
  }

  /** What was answered and decided without being committed. */
  #loose(sent: Sent, marked: ReadonlySet<number>, units: readonly DecidedUnit[]): Loose[] {
    const { answer, request } = sent;
    if (!answer || answer.replayed || marked.has(request.number)) return [];
    if (request.operation.kind === "expire" || isGateDenial(sent)) return [];
    const { refusal, order, now } = answer;
    if (refusal?.code === "idempotency_key_reused") return [];
    if (refusal && order === null && UNREAD.has(refusal.code))
      return [{ sent, said: answer, now: 0, lo: 0, hi: units.length, isStored: false }];
    if (order === null || now === null)
      throw new Disagreement(`${show(sent)} was answered ${show(answer)} without being decided`);
    const { kind } = request.operation;
    if (!refusal && kind !== "look" && kind !== "dry-run")
      throw new Disagreement(`${show(sent)} was answered ${show(answer)}, and nothing of it is committed`);
    const [before, after] = [
      units.findLastIndex((unit) => unit.server === sent.server && unit.order < order),
      units.findIndex((unit) => unit.server === sent.server && unit.order > order),
    ];
    const hi = after < 0 ? units.length : after;
    return [{ sent, said: answer, now, lo: before + 1, hi, isStored: true }];
  }

  /** Refusals that were stored under a key by a request whose answer was lost. */
  #lostRefusals(
    all: readonly Sent[],
    marked: ReadonlySet<number>,
    units: readonly DecidedUnit[],
    stored: ReadonlyMap<string, StoredOutcome>,
  ): Loose[] {
    return [...stored.values()].flatMap((outcome) => {
      const { key, fingerprint, time } = outcome;
      const { error } = outcome.outcome;
      if (this.#outcomes.has(key) || !error) return [];
      const mine = all.filter((sent) => sent.request.key === key && sent.request.fingerprint === fingerprint);
      if (
        mine.some(({ answer }) => answer?.refusal && !answer.replayed && answer.refusal.code === error.code)
      )
        return [];
      const lost = mine.find(({ answer, request }) => !answer && !marked.has(request.number));
      if (!lost) throw new Disagreement(`nobody asked for what the key ${key} stands for: ${show(outcome)}`);
      return [
        {
          sent: lost,
          said: { value: null, refusal: error },
          now: time,
          lo: 0,
          hi: units.length,
          isStored: true,
        },
      ];
    });
  }

  #isRight(loose: Loose, place: number): boolean {
    if (place < loose.lo || place > loose.hi) return false;
    const { request } = loose.sent;
    const expected = this.#model.ask(request.operation, { now: loose.now, id: "", holding: null });
    if (!agrees(loose.said, expected)) return false;
    this.#coverage.unit(request.operation, expected);
    const { key, fingerprint } = request;
    const isStored = loose.isStored && expected.refusal !== null && STORED.has(expected.refusal.code);
    if (key !== null && isStored && !this.#outcomes.has(key))
      this.#outcomes.set(key, {
        fingerprint,
        expected,
        actual: { value: loose.said.value, refusal: loose.said.refusal },
      });
    return true;
  }

  #wrong({ sent, said, now }: Loose): Disagreement {
    const expected = this.#model.ask(sent.request.operation, { now, id: "", holding: null });
    return new Disagreement(
      `${show(sent)} was answered ${show(said)}, which is right nowhere; at the last place expected ${show(expected)}`,
    );
  }

  #judgeReplay({ request, answer }: Sent): void {
    if (!answer || request.key === null) return;
    const known = this.#outcomes.get(request.key);
    if (answer.refusal?.code === "idempotency_key_reused") {
      if (!known || known.fingerprint === request.fingerprint)
        throw new Disagreement(`${show(request)} was refused its key, which is free or its own`);
      this.#coverage.refusal("idempotency_key_reused");
      return;
    }
    if (!answer.replayed) return;
    if (!known) throw new Disagreement(`${show(request)} was answered by a key that nothing was done under`);
    if (known.fingerprint !== request.fingerprint)
      throw new Disagreement(`${show(request)} got the answer of another request`);
    const said = { value: answer.value, refusal: answer.refusal };
    if (known.actual ? !isSame(said, known.actual) : !agrees(said, known.expected))
      throw new Disagreement(
        `${show(request)} was answered ${show(said)} again, at first ${show(known.actual ?? known.expected)}`,
      );
    known.actual = said;
    this.#coverage.replay();
  }

  /** Every key that acted is stored, and no other. */
  #compareOutcomes(all: readonly Sent[], stored: ReadonlyMap<string, StoredOutcome>): void {
    for (const { request } of all) {
      if (request.key === null || stored.has(request.key) === this.#outcomes.has(request.key)) continue;
      throw new Disagreement(
        `the key ${request.key} ${stored.has(request.key) ? "is stored, and nothing" : "is not stored, but something"} was done under it`,
      );
    }
  }

  #noteLow(key: string, low: { readonly left: number; readonly ms: number }): void {
    const lows = this.#lows.get(key) ?? [];
    this.#lows.set(key, [...lows.filter(({ ms }) => low.ms - ms <= LONGEST_ROUND_MS), low]);
  }

  /** Right is a denial that this round justifies, or one that did within the second before it was asked for. */
  #judgeDenials(denials: readonly Sent[]): void {
    for (const sent of denials) {
      const asked = askedOf(sent.request.operation)[0];
      if (!asked) throw new Disagreement(`${show(sent)} was denied by the gate`);
      this.#coverage.refusal("quota_exceeded");
      this.#coverage.gateDenial();
      const lows = this.#lows.get(keyOf(asked)) ?? [];
      if (lows.some(({ left, ms }) => left < asked.units && sent.sentAtMs - ms <= TRUSTED_MS)) continue;
      throw new Disagreement(
        `${show(sent)} was denied by the gate, though there was quota for a second or more`,
      );
    }
  }
}

interface Asked {
  readonly userId: string;
  readonly entityType: number;
  readonly units: number;
}

/** What the gate may deny. */
function askedOf(operation: Operation): Asked[] {
  if (operation.kind === "consume") return [{ ...operation, units: 1 }];
  return operation.kind === "hold" ? [operation] : [];
}

function keyOf({ userId, entityType }: Asked): string {
  return `${userId}/${entityType}`;
}

function isGateDenial({ answer }: Sent): boolean {
  return answer?.order === null && answer.refusal?.code === "quota_exceeded";
}

/** The id of what the unit made, from the events that it told. */
function toldBy(unit: DecidedUnit): Told {
  const made = unit.events.findLast(({ type }) => /^(lock|stake|compute)\./.test(type))?.data;
  const id = made?.lock_id ?? made?.stake_id ?? made?.reservation_id ?? unit.holding;
  return { now: unit.time, holding: unit.holding, id: typeof id === "string" ? id : "" };
}

function agrees({ value, refusal }: Pick<Answer, "value" | "refusal">, expected: Expected): boolean {
  if (expected.refusal) {
    const { code, details } = expected.refusal;
    return refusal?.code === code && (details === undefined || isSame(refusal.details, details));
  }
  return refusal === null && includes(value, expected.says);
}

/** Every member that is expected is there; others, such as random ids, may be too. */
function includes(value: unknown, expected: unknown): boolean {
  if (Array.isArray(expected))
    return (
      Array.isArray(value) &&
      value.length === expected.length &&
      expected.every((item, place) => includes(value[place], item))
    );
  if (typeof expected !== "object" || expected === null) return value === expected;
  if (typeof value !== "object" || value === null) return false;
  const members = value as Record<string, unknown>;
  return Object.entries(expected).every(([name, item]) => includes(members[name], item));
}

function isSame(left: unknown, right: unknown): boolean {
  return isDeepStrictEqual(left ?? null, right ?? null);
}

export function show(value: unknown): string {
  return JSON.stringify(value, (_, member) => (typeof member === "bigint" ? String(member) : member));
}
