import { describe, expect, it } from "vitest";
import { createBatchRead } from "../../src/quota/batch-read.ts";

/** Queries that are answered when the test says so. */
function batchedNumbers(maxKeys = 100) {
  const queries: { keys: readonly string[]; answer: PromiseWithResolvers<ReadonlyMap<string, number>> }[] =
    [];
  const reads = createBatchRead<string, number>({
    maxKeys,
    textOf: (key) => key,
    query: (keys) => {
      const answer = Promise.withResolvers<ReadonlyMap<string, number>>();
      queries.push({ keys, answer });
      return answer.promise;
    },
  });
  return { queries, reads };
}

const nextTurn = () => new Promise<void>((done) => setImmediate(done));

describe("reads in batches", () => {
  it("asks once for all that arrives together, each key once", async () => {
    const { queries, reads } = batchedNumbers();
    const answers = ["a", "b", "a", "c"].map((key) => reads.read(key));
    await nextTurn();
    expect(queries.map((query) => query.keys)).toEqual([["a", "b", "c"]]);
    queries[0]?.answer.resolve(
      new Map([
        ["a", 1],
        ["c", 3],
      ]),
    );
    expect(await Promise.all(answers)).toEqual([1, undefined, 1, 3]);
  });

  it("never answers from a query that began before the question", async () => {
    const { queries, reads } = batchedNumbers();
    const early = reads.read("a");
    await nextTurn();
    const late = reads.read("a");
    queries[0]?.answer.resolve(new Map([["a", 1]]));
    expect(await early).toBe(1);
    await nextTurn();
    queries[1]?.answer.resolve(new Map([["a", 2]]));
    expect(await late).toBe(2);
  });

  it("tells all who wait when a query fails, and goes on with the next one", async () => {
    const { queries, reads } = batchedNumbers(2);
    const answers = ["a", "b", "c"].map((key) => reads.read(key));
    const outcomes = Promise.allSettled(answers);
    await nextTurn();
    queries[0]?.answer.reject(new Error("gone"));
    await nextTurn();
    queries[1]?.answer.resolve(new Map([["c", 3]]));
    expect((await outcomes).map((outcome) => outcome.status)).toEqual(["rejected", "rejected", "fulfilled"]);
    const again = reads.read("a");
    await nextTurn();
    queries[2]?.answer.resolve(new Map([["a", 1]]));
    expect(await again).toBe(1);
  });
});
