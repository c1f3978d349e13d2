/**
 * The simulation as it runs before a change is accepted: 20,000 steps over ten
 * seeds, which have to reach every result code, every refusal and every fault.
 * More of it: `npm run simulate`, docs/simulation.md.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Counts, gapsIn, sumOf } from "./coverage.ts";
import { SeedFailed, simulateSeed } from "./simulation.ts";
import { type Stack, startStack } from "./stack.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const STEPS = 2_000;
const SEED_TIMEOUT_MS = 10 * 60_000;

describe("whatever clients ask and whatever breaks", () => {
  let stack: Stack;
  const counts: Counts[] = [];

  beforeAll(async () => {
    stack = await startStack();
  });
  afterAll(() => stack.close());

  test.each(SEEDS)(
    "ledger and model agree: seed %d",
    async (seed) => {
      try {
        counts.push((await simulateSeed(stack, seed, { steps: STEPS })).counts);
      } catch (error) {
        if (!(error instanceof SeedFailed)) throw error;
        const file = join(mkdtempSync(join(tmpdir(), "anchorbook-simulation-failed-")), `seed-${seed}.jsonl`);
        writeFileSync(file, `${error.log.join("\n")}\n`);
        throw new Error(`${error.message}\nIts last rounds: ${file}`, { cause: error });
      }
    },
    SEED_TIMEOUT_MS,
  );

  test("every code, refusal, operation and fault was reached", () => {
    expect(counts.length).toBe(SEEDS.length);
    expect(gapsIn(sumOf(counts))).toEqual([]);
  });
});
