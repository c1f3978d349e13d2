/**
 * What an operator alarms on, as one typed object. Each part sets its own; there
 * is no logic here but the conversion of exact integers to the doubles that
 * Prometheus knows. A gauge that was never set is not exposed as zero where zero
 * would mean "all is well" (trial balance, drift, lag): its absence is a finding.
 */
import { collectDefaultMetrics, type Gauge, Registry } from "prom-client";
import { ledgerMetrics } from "./ledger.ts";
import { operationsMetrics } from "./operations.ts";
import { settlementMetrics } from "./settlement.ts";

export type Metrics = Readonly<ReturnType<typeof createMetrics>>;

/**
 * A registry of its own each time, so that two apps in one process do not share figures.
 * @param labels on every figure, for one of several ledgers; the process's own figures are then left to another
 */
export function createMetrics(labels?: Readonly<Record<string, string>>) {
  const registry = new Registry();
  if (labels) registry.setDefaultLabels(labels);
  else collectDefaultMetrics({ register: registry, prefix: "anchorbook_" });
  return {
    registry,
    ...ledgerMetrics(registry),
    ...settlementMetrics(registry),
    ...operationsMetrics(registry),
  };
}

/** Of one more book: what tells of its settlement and its chain, and nothing else. */
export function createBookMetrics(asset: string): Metrics {
  const metrics = createMetrics({ asset });
  const own = new Registry();
  settlementMetrics(own);
  const kept = new Set([...own.getMetricsAsArray().map(({ name }) => name), "anchorbook_dependency_up"]);
  for (const { name } of metrics.registry.getMetricsAsArray())
    if (!kept.has(name)) metrics.registry.removeSingleMetric(name);
  return metrics;
}

/** The text of several registries as one: each figure is described once, as the format wants it. */
export async function mergedMetrics(all: readonly Pick<Metrics, "registry">[]): Promise<string> {
  const [first, ...rest] = await Promise.all(all.map(({ registry }) => registry.metrics()));
  if (first === undefined || rest.length === 0) return first ?? "";
  const samples = new Map<string, string[]>();
  for (const block of [first, ...rest].flatMap((text) => text.trimEnd().split("\n\n"))) {
    const [help = "", type = "", ...lines] = block.split("\n");
    const head = `${help}\n${type}`;
    samples.set(head, [...(samples.get(head) ?? []), ...lines]);
  }
  return `${[...samples].map(([head, lines]) => [head, ...lines].join("\n")).join("\n\n")}\n`;
}

/**
 * Sets a gauge from an exact integer. Beyond 2^53 the double is rounded, but what
 * is not zero never becomes zero.
 */
export function setExact<T extends string>(
  gauge: Gauge<T>,
  value: bigint,
  labels: Partial<Record<T, string | number>> = {},
): void {
  gauge.set(labels, Number(value));
}
