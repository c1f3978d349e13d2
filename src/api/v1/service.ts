/**
 * The service about itself: alive, ready, its figures and its own description.
 * Ready means that requests can be answered: only the database and its
 * migrations decide it. Counters, chain and settlement lag are told as
 * `degraded`, because users can act without them.
 */
import { z } from "zod";
import type { Metrics } from "#infra";
import { DomainError } from "#kernel";
import { docsRoutes } from "../docs-page.ts";
import type { Lifecycle } from "../lifecycle.ts";
import { buildOpenApi, type OpenApiDocument } from "../openapi.ts";
import { RawContent } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { verifyPageRoute } from "../verify-page.ts";

export interface Probe {
  /** `database`, `migrations`, `counters`, `chain`, `epoch_lag` … */
  readonly name: string;
  /** True: where it fails the service is not ready. False: it is degraded. */
  readonly critical: boolean;
  /** Resolves with a word for the reader where all is well, rejects where it is not. */
  check(): Promise<string>;
}

export interface ServiceDeps {
  /** Asked at each look: what there is to ask for may change. */
  readonly probes: readonly Probe[] | (() => readonly Probe[]);
  readonly lifecycle: Lifecycle;
  readonly metrics: Metrics;
  /** The text of `/metrics`; that of `metrics` where left out. */
  readonly figures?: () => Promise<string>;
  readonly version: string;
  /** All routes of the app, these included; asked when the document is first served. */
  readonly allRoutes: () => readonly Route[];
}

const PROBE_TIMEOUT_MS = 2_000;
const auth = { public: true, ignoreToken: true } as const;
const tags = ["Service"] as const;

const checkSchema = z.strictObject({ status: z.enum(["ok", "failed"]), detail: z.string() });
const readySchema = z.strictObject({
  status: z.enum(["ready", "degraded"]),
  checks: z.record(z.string(), checkSchema),
});
type Check = z.infer<typeof checkSchema>;

export function serviceRoutes(deps: ServiceDeps): Route[] {
  return [livez(), readyz(deps), metricsRoute(deps), openApi(deps), ...docsRoutes(), verifyPageRoute()];
}

function livez(): Route {
  return defineRoute({
    method: "get",
    path: "/livez",
    summary: "The process answers",
    tags,
    auth,
    rateLimited: false,
    response: z.strictObject({ status: z.literal("alive") }),
    handler: () => ({ status: "alive" as const }),
  });
}

function readyz({ probes, lifecycle, metrics }: ServiceDeps): Route {
  return defineRoute({
    method: "get",
    path: "/readyz",
    summary: "Requests can be answered",
    description:
      "503 only where the database or its migrations fail, or the server is stopping. Where another check has `failed` (counters, chain, settlement and more), it is 200 and `degraded`.",
    tags,
    auth,
    rateLimited: false,
    response: readySchema,
    handler: async () => {
      if (lifecycle.isDraining()) throw new DomainError("unavailable", "The server is stopping");
      const asked = typeof probes === "function" ? probes() : probes;
      const results = await Promise.all(asked.map((probe) => runProbe(probe, metrics)));
      const checks = Object.fromEntries(results.map(({ probe, check }) => [probe.name, check]));
      const failed = results.filter(({ check }) => check.status === "failed");
      if (failed.some(({ probe }) => probe.critical)) {
        const names = failed.map(({ probe }) => probe.name).join(", ");
        throw new DomainError("unavailable", `Not ready: ${names}`, { details: { checks } });
      }
      return { status: failed.length > 0 ? ("degraded" as const) : ("ready" as const), checks };
    },
  });
}

async function runProbe(probe: Probe, metrics: Metrics): Promise<{ probe: Probe; check: Check }> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(reject, PROBE_TIMEOUT_MS, new ProbeTimeout());
  });
  let check: Check;
  try {
    check = { status: "ok", detail: await Promise.race([probe.check(), timeout]) };
  } catch (error) {
    // A driver's message can hold addresses and names; only what we worded ourselves goes out.
    const isOurs = error instanceof DomainError || error instanceof ProbeTimeout;
    check = { status: "failed", detail: isOurs ? error.message : "does not answer" };
  } finally {
    clearTimeout(timer);
  }
  metrics.dependencyUp.set({ dependency: probe.name }, check.status === "ok" ? 1 : 0);
  return { probe, check };
}

class ProbeTimeout extends Error {
  constructor() {
    super(`does not answer within ${PROBE_TIMEOUT_MS} ms`);
  }
}

function metricsRoute({ metrics: { registry }, figures = () => registry.metrics() }: ServiceDeps): Route {
  return defineRoute({
    method: "get",
    path: "/metrics",
    summary: "Figures in Prometheus text format",
    tags,
    auth,
    rateLimited: false,
    responseType: "text/plain",
    handler: async () => new RawContent(await figures(), registry.contentType),
  });
}

function openApi({ allRoutes, version }: ServiceDeps): Route {
  let document: OpenApiDocument | undefined;
  return defineRoute({
    method: "get",
    path: "/openapi.json",
    summary: "This description",
    tags,
    auth,
    response: z.looseObject({ openapi: z.string() }),
    handler: () => {
      document ??= buildOpenApi(allRoutes(), version);
      return { ...document };
    },
  });
}
