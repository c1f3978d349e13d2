/** The rules of a quota and its holds, said as plainly as possible: a list of holds, and a look at all of them each time. */
import { SECONDS_PER_DAY } from "#kernel";

export interface PlainHold {
  readonly id: string;
  readonly day: number;
  readonly units: number;
  readonly expiresAt: number;
  readonly status: "open" | "committed" | "released" | "expired";
  readonly committed: number | null;
}

/** What the real one answers: `ok`, or the code of its refusal. */
export type Code = string;

export class PlainQuota {
  limit: number;
  readonly #used = new Map<number, number>();
  readonly #holds = new Map<string, PlainHold>();

  constructor(limit: number) {
    this.limit = limit;
  }

  holdOf(id: string): PlainHold {
    const hold = this.#holds.get(id);
    if (!hold) throw new Error(`there is no hold ${id}`);
    return hold;
  }

  /** Today's, after what is due has expired. */
  today(now: number): { used: number; held: number } {
    return this.#ofDay(this.#at(now));
  }

  consume(now: number, units: number): Code {
    const day = this.#at(now);
    if (units > this.#free(day, day)) return "quota_exceeded";
    this.#use(day, units);
    return "ok";
  }

  reserve(now: number, id: string, units: number, ttlSeconds: number): Code {
    const day = this.#at(now);
    if (units > this.#free(day, day)) return "quota_exceeded";
    this.#holds.set(id, { id, day, units, expiresAt: now + ttlSeconds, status: "open", committed: null });
    return "ok";
  }

  commit(now: number, id: string, asked: number | undefined): Code {
    const today = this.#at(now);
    const hold = this.holdOf(id);
    const units = asked ?? hold.committed ?? hold.units;
    if (hold.status === "committed" && hold.committed === units) return "ok";
    if (hold.status !== "open") return "not_active";
    if (units > hold.units + this.#free(hold.day, today)) return "quota_exceeded";
    this.#holds.set(id, { ...hold, status: "committed", committed: units });
    this.#use(hold.day, units);
    return "ok";
  }

  release(now: number, id: string): Code {
    this.#at(now);
    const hold = this.holdOf(id);
    if (hold.status === "committed") return "not_active";
    if (hold.status === "open") this.#holds.set(id, { ...hold, status: "released" });
    return "ok";
  }

  extend(now: number, id: string, ttlSeconds: number, asked: number | undefined): Code {
    const today = this.#at(now);
    const hold = this.holdOf(id);
    const units = asked ?? hold.units;
    if (hold.status !== "open") return "not_active";
    if (units > hold.units && units > hold.units + this.#free(hold.day, today)) return "quota_exceeded";
    this.#holds.set(id, { ...hold, units, expiresAt: Math.max(hold.expiresAt, now + ttlSeconds) });
    return "ok";
  }

  #at(now: number): number {
    for (const hold of this.#holds.values())
      if (hold.status === "open" && hold.expiresAt <= now)
        this.#holds.set(hold.id, { ...hold, status: "expired" });
    return Math.floor(now / SECONDS_PER_DAY);
  }

  #ofDay(day: number): { used: number; held: number } {
    const open = [...this.#holds.values()].filter((hold) => hold.day === day && hold.status === "open");
    return { used: this.#used.get(day) ?? 0, held: open.reduce((sum, hold) => sum + hold.units, 0) };
  }

  /** A day that is over has nothing free; a limit below what is taken leaves nothing either. */
  #free(day: number, today: number): number {
    const { used, held } = this.#ofDay(day);
    return day === today ? Math.max(0, this.limit - used - held) : 0;
  }

  #use(day: number, units: number): void {
    this.#used.set(day, (this.#used.get(day) ?? 0) + units);
  }
}
