/** Work that several benchmarks of one run share, done when the first of them asks. */
import type { BenchContext } from "./benchmark.ts";
import type { BenchStack } from "./stack.ts";

export function perRun<T>(
  work: (context: BenchContext) => Promise<T>,
): (context: BenchContext) => Promise<T> {
  const done = new WeakMap<BenchStack, Promise<T>>();
  return (context) => {
    const known = done.get(context.stack) ?? work(context);
    done.set(context.stack, known);
    return known;
  };
}
