/** What an audit found: one entry a check, and where the first lie stands. */
import type { Section } from "#proof";

export interface Place {
  readonly epoch?: bigint | undefined;
  readonly section?: Section | undefined;
  readonly index?: bigint | undefined;
  /** A journal line's number. */
  readonly line?: bigint | undefined;
}

export interface AuditCheck extends Place {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Something does not agree. The audit ends with the first one. */
export class Lie extends Error {
  readonly check: string;
  readonly place: Place;
  readonly #what: string;

  constructor(check: string, place: Place, what: string) {
    super(`${placeText(place)}${what}`);
    this.name = "Lie";
    this.check = check;
    this.place = place;
    this.#what = what;
  }

  /** The same, where more is known of its place. */
  in(place: Place): Lie {
    const known = Object.fromEntries(Object.entries(this.place).filter(([, value]) => value !== undefined));
    return new Lie(this.check, { ...place, ...known }, this.#what);
  }
}

export function placeText(place: Place): string {
  const parts = [
    place.epoch === undefined ? "" : `epoch ${place.epoch}`,
    place.section === undefined ? "" : `section ${place.section}`,
    place.index === undefined ? "" : `index ${place.index}`,
    place.line === undefined ? "" : `journal line ${place.line}`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : `${parts.join(", ")}: `;
}
