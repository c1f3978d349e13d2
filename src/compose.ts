/**
 * Puts the services of one server together from the addresses it was given. All
 * wiring is here and nothing else is: no rule, no SQL, no reading of settings.
 */
import {
  createApp,
  createAuthenticate,
  createLifecycle,
  type Lifecycle,
  type Route,
  serviceRoutes,
} from "#api";
import type { Config } from "#config";
import type { DevStack } from "#devstack";
import { createMetrics, createPool, type DeploymentRecord, type Log } from "#infra";
import { systemClock, systemIds } from "#kernel";

export interface Surroundings {
  config: Config;
  log: Log;
  stack: Omit<DevStack, "stop" | "describe">;
  contracts: DeploymentRecord;
  /** The ledger's schema. */
  schema: string;
  version: string;
}

export interface Application {
  readonly app: ReturnType<typeof createApp>;
  readonly lifecycle: Lifecycle;
  /** Starts what works by itself: schedules, watchers. Called once the API listens. */
  start(): Promise<void>;
  /** Ends schedules, lets work under way end, closes connections. The API takes no requests any more. */
  stop(): Promise<void>;
}

const READ_POOL_SIZE = 10;

/** @throws where a part cannot be reached; what was opened until then is closed again */
export async function compose(surroundings: Surroundings): Promise<Application> {
  const { config, log, stack, schema, version } = surroundings;
  const lifecycle = createLifecycle();
  const metrics = createMetrics();
  const pool = createPool({
    url: stack.databaseUrl,
    schema,
    applicationName: "anchorbook-api",
    max: READ_POOL_SIZE,
    log,
  });
  const routes: Route[] = [];
  routes.push(
    ...serviceRoutes({
      probes: [
        {
          name: "database",
          critical: true,
          check: async () => {
            await pool.query("SELECT 1");
            return "answers";
          },
        },
      ],
      lifecycle,
      metrics,
      version,
      allRoutes: () => routes,
    }),
  );
  const app = createApp({
    routes,
    authenticate: createAuthenticate(
      config.jwtJwksUrl ? { jwksUrl: config.jwtJwksUrl } : { jwtSecret: config.jwtSecret },
      systemClock,
    ),
    clock: systemClock,
    ids: systemIds,
    log,
    metrics,
    lifecycle,
    rateLimitPerMinute: config.rateLimitPerMinute,
    checkResponses: config.nodeEnv !== "production",
  });
  return { app, lifecycle, start: async () => {}, stop: () => pool.end() };
}
