/**
 * An app over real HTTP on a free port, with the routes a test gives it. Closing
 * it fails where a route answered an error code that its definition does not
 * list, so that the API document cannot fall behind the code.
 */
import { type AppDeps, createApp, createAuthenticate, createLifecycle, listen, type Route } from "#api";
import { createMetrics, type Metrics, silentLog } from "#infra";
import { systemClock, systemIds } from "#kernel";
import { TEST_JWT_SECRET } from "./tokens.ts";

export interface TestApi {
  readonly url: string;
  readonly metrics: Metrics;
  close(): Promise<void>;
}

export async function startApi(
  routes: readonly Route[],
  overrides: Partial<Omit<AppDeps, "routes">> = {},
): Promise<TestApi> {
  const lifecycle = overrides.lifecycle ?? createLifecycle();
  const metrics = overrides.metrics ?? createMetrics();
  const undocumented = new Set<string>();
  const app = createApp({
    authenticate: createAuthenticate({ jwtSecret: TEST_JWT_SECRET }, systemClock),
    clock: systemClock,
    ids: systemIds,
    log: silentLog(),
    rateLimitPerMinute: 0,
    checkResponses: true,
    onUndocumented: (finding) => undocumented.add(finding),
    ...overrides,
    lifecycle,
    metrics,
    routes,
  });
  const server = await listen(app, { host: "127.0.0.1", port: 0, lifecycle });
  const close = async () => {
    await server.close(1_000);
    if (undocumented.size > 0) throw new Error([...undocumented].join("\n"));
  };
  return { url: server.url, metrics, close };
}
