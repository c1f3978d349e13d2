/** The kinds of figures that there are, made in one registry. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Buckets of durations. */
export const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Buckets of how many. */
export const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000, 8000];

export function figuresIn(registry: Registry) {
  const registers = [registry];
  const gauge = <L extends string = string>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge({ name, help, labelNames, registers });
  return {
    gauge,
    counter: <L extends string = string>(name: string, help: string, labelNames: L[] = []) =>
      new Counter({ name, help, labelNames, registers }),
    histogram: <L extends string = string>(
      name: string,
      help: string,
      buckets: number[],
      labelNames: L[] = [],
    ) => new Histogram({ name, help, buckets, labelNames, registers }),
    /** prom-client starts a gauge without labels at 0; here 0 must have been measured. */
    unset: (name: string, help: string) => {
      const made = gauge(name, help);
      made.remove();
      return made;
    },
  };
}
