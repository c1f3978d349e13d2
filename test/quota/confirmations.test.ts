import { describe, expect, it } from "vitest";
import { SECONDS_PER_DAY } from "#kernel";
import { Confirmations } from "../../src/quota/confirmations.ts";
import type { QuotaState } from "../../src/quota/model.ts";

const DAY = 20_000;
const NOON = DAY * SECONDS_PER_DAY + SECONDS_PER_DAY / 2;
const state: QuotaState = {
  userId: "u",
  entityType: 1,
  limit: 5,
  used: 5,
  held: 0,
  lapsed: 0,
  nextExpiry: null,
  day: DAY,
  version: 7,
  now: NOON,
};

describe("a confirmed denial", () => {
  it("is trusted for less than a second from the question on", () => {
    const confirmed = new Confirmations();
    confirmed.add(state, 10_000);
    expect(confirmed.get(state, 10_999)).toBe(state);
    expect(confirmed.get(state, 11_000)).toBeNull();
    expect(confirmed.get({ ...state, entityType: 2 }, 10_000)).toBeNull();
  });

  it("is not trusted where the clock was set back", () => {
    const confirmed = new Confirmations();
    confirmed.add(state, 10_000);
    expect(confirmed.get(state, 9_999)).toBeNull();
  });

  it("does not reach into the next day", () => {
    const confirmed = new Confirmations();
    const midnight = (DAY + 1) * SECONDS_PER_DAY;
    confirmed.add({ ...state, now: midnight - 1 }, 10_000);
    expect(confirmed.get(state, 10_000)).toBeNull();
    confirmed.add({ ...state, now: midnight - 2 }, 20_000);
    expect(confirmed.get(state, 20_999)).not.toBeNull();
  });

  it("is not replaced by an older one that arrives late, but by any once it is no longer trusted", () => {
    const confirmed = new Confirmations();
    confirmed.add(state, 10_000);
    confirmed.add({ ...state, version: 6 }, 10_001);
    expect(confirmed.get(state, 10_002)?.version).toBe(7);
    confirmed.add({ ...state, version: 6 }, 12_000);
    expect(confirmed.get(state, 12_000)?.version).toBe(6);
  });

  it("is forgotten when ledger time was moved", () => {
    const confirmed = new Confirmations();
    confirmed.add(state, 10_000);
    confirmed.clear();
    expect(confirmed.get(state, 10_000)).toBeNull();
  });
});
