/** Every route of the whole server, attacked by its own definition. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listen } from "#api";
import { loadServerConfig } from "#config";
import { connectChain, deployContracts, silentLog } from "#infra";
import { type Application, compose } from "../../src/compose.ts";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { attackAccess, attackInput } from "../support/attack-routes.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { TEST_JWT_SECRET } from "../support/tokens.ts";

let anvil: Anvil;
let database: TestDatabase;
let folder: string;
let application: Application;
let server: Awaited<ReturnType<typeof listen>>;

beforeAll(async () => {
  anvil = await startAnvil();
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), "anchorbook-routes-"));
  const [privateKey] = anvil.privateKeys;
  const chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey });
  const contracts = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  chain.close();
  application = await compose({
    config: loadServerConfig({
      JWT_SECRET: TEST_JWT_SECRET,
      DATA_DIR: folder,
      RATE_LIMIT_PER_MINUTE: "0",
      TEST_CLOCK: "1",
    }),
    log: silentLog(),
    stack: {
      databaseUrl: database.appUrl,
      databaseOwnerUrl: database.ownerUrl,
      redisUrl: null,
      rpcUrl: anvil.rpcUrl,
      operatorPrivateKey: privateKey,
      embeddedChain: true,
    },
    contracts,
    schema: database.schema,
    version: "test",
  });
  server = await listen(application.app, { host: "127.0.0.1", port: 0, lifecycle: application.lifecycle });
});

afterAll(async () => {
  await server.close();
  await application.stop();
  await database.drop();
  await anvil.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Thousands of requests, one after the other, beside whatever else the machine does. */
const ATTACK = { timeout: 300_000 };

test(
  "no route answers without a token, with a bad one, to the wrong role or to the wrong user",
  ATTACK,
  async () => {
    const report = await attackAccess({ baseUrl: server.url, routes: application.routes });
    expect(report.breaches).toEqual([]);
    expect(report.requests).toBeGreaterThan(500);
  },
);

test("no route answers malformed input with anything but a 4xx that has a stable code", ATTACK, async () => {
  const report = await attackInput({ baseUrl: server.url, routes: application.routes });
  expect(report.breaches).toEqual([]);
  expect(report.requests).toBeGreaterThan(300);
});
