/** A whole server in this process: real Postgres, real chain, real HTTP; for tests of what spans its parts. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import { listen } from "#api";
import { loadServerConfig } from "#config";
import { connectChain, type DeploymentRecord, deployContracts, silentLog } from "#infra";
import { type Application, compose } from "../../src/compose.ts";
import { type Anvil, startAnvil } from "./anvil.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { expectNoDrift } from "./drift.ts";
import { bearer, TEST_JWT_SECRET } from "./tokens.ts";

export interface ComposedServer {
  readonly url: string;
  readonly application: Application;
  /** Closes this server and not what it stands on. */
  stop(): Promise<void>;
}

export interface ServerWorld {
  readonly database: TestDatabase;
  readonly anvil: Anvil;
  /** `DATA_DIR`. */
  readonly folder: string;
  start(how?: {
    readonly embeddedChain?: boolean;
    /** More of the environment. */
    readonly settings?: Readonly<Record<string, string>>;
  }): Promise<ComposedServer>;
  close(): Promise<void>;
}

/** @param given what another world stands on too; the caller ends it, after this one */
export async function serverWorld(
  given: { readonly database?: TestDatabase; readonly anvil?: Anvil } = {},
): Promise<ServerWorld> {
  const anvil = given.anvil ?? (await startAnvil());
  const database = given.database ?? (await createTestDatabase());
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-server-"));
  const [privateKey] = anvil.privateKeys;
  const chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey });
  const contracts: DeploymentRecord = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  chain.close();
  const start: ServerWorld["start"] = async ({ embeddedChain = true, settings = {} } = {}) => {
    const application = await compose({
      config: loadServerConfig({
        ...{ JWT_SECRET: TEST_JWT_SECRET, DATA_DIR: folder, RATE_LIMIT_PER_MINUTE: "0" },
        ...settings,
      }),
      log: silentLog(),
      stack: {
        databaseUrl: database.appUrl,
        databaseOwnerUrl: database.ownerUrl,
        redisUrl: inject("redisUrl"),
        rpcUrl: anvil.rpcUrl,
        operatorPrivateKey: privateKey,
        embeddedChain,
      },
      contracts,
      schema: database.schema,
      version: "test",
    });
    const { app, lifecycle } = application;
    const server = await listen(app, { host: "127.0.0.1", port: 0, lifecycle });
    const stop = async () => {
      await server.close();
      await application.stop();
      await expectNoDrift(database);
    };
    return { url: server.url, application, stop };
  };
  const close = async () => {
    if (!given.database) await database.drop();
    if (!given.anvil) await anvil.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { database, anvil, folder, start, close };
}

/** As the operator, in a ledger; `null` is the default one. */
export function caller(url: string) {
  return async (
    method: "GET" | "POST",
    path: string,
    ledger: string | null,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: bearer("the-operator", "operator"),
        "content-type": "application/json",
        ...(ledger === null ? {} : { "x-ledger": ledger }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = response.headers.get("content-type")?.includes("json");
    return { status: response.status, body: json ? JSON.parse(text) : text, text, headers: response.headers };
  };
}
