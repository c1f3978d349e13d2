/**
 * How the tests run: two files at a time, in processes that go from file to file, so that each loads what the files share
 * once and not 180 times. A file must therefore leave its process as it found it: what it starts it ends, and what it puts
 * in the place of a global it puts back.
 */
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The longest, longest first: begun last, one of them would go on alone while the other process has nothing left to do. */
const LONG = [
  "test/devstack/server.test.ts",
  "test/bench/bench.test.ts",
  "test/simulation/simulate.test.ts",
  "test/e2e/fire.test.ts",
  "test/ledgers/exactly-once.test.ts",
  "test/settlement/twelve-lies.test.ts",
  "test/events/stream.test.ts",
  "test/settlement/audit.test.ts",
  "test/ledgers/ledgers.test.ts",
  "test/ledgers/move.test.ts",
  "test/e2e/webhooks.test.ts",
  "test/e2e/full-disk.test.ts",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONG.findIndex((name) => moduleId.endsWith(name));
      return place < 0 ? LONG.length : place;
    };
    return (await super.sort(files)).toSorted((left, right) => rank(left) - rank(right));
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    pool: "forks",
    isolate: false,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    passWithNoTests: false,
    retry: 0,
  },
});
