/** A settlement world with its API, and audits of it as a user runs them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { auditRoutes, logRoutes, settlementRoutes } from "#api";
import { runCli } from "#cli";
import { startApi, type TestApi } from "../support/api-app.ts";
import { createWorld, type World } from "./world.ts";

export interface AuditAnswer {
  valid: boolean;
  epochs: number;
  lines: number;
  stopped: string | null;
  checks: { name: string; ok: boolean; detail: string; epoch?: number; section?: string; index?: number }[];
}

export interface AuditWorld extends World {
  readonly api: TestApi;
  /** `anchorbook audit --json` of this world; later options win. */
  audit(...args: string[]): Promise<AuditAnswer & { code: number }>;
  /** A folder of its own that goes with the world. */
  freshFolder(): string;
}

export async function createAuditWorld(create: () => Promise<World> = createWorld): Promise<AuditWorld> {
  const world = await create();
  const folders: string[] = [];
  const api = await startApi([
    ...settlementRoutes({
      ...{ settlement: world.settlement, ledger: world.ledger, publicRpcUrl: world.anvil.rpcUrl },
      findPosition: async () => null,
    }),
    ...auditRoutes(world.settlement),
    ...logRoutes({ log: world.settlement.log, ledger: "default" }),
  ]);
  return {
    ...world,
    api,
    async audit(...args) {
      const given = (name: string) => (args.includes(name) ? [] : [name]);
      const { code, out, err } = await cli(
        ...["audit", "--json", ...args],
        ...given("--api").flatMap((name) => [name, api.url]),
        ...given("--rpc").flatMap((name) => [name, world.anvil.rpcUrl]),
      );
      if (out === "") throw new Error(err);
      return { code, ...(JSON.parse(out) as AuditAnswer) };
    },
    freshFolder() {
      const folder = mkdtempSync(join(tmpdir(), "anchorbook-audit-"));
      folders.push(folder);
      return folder;
    },
    async close() {
      await api.close();
      await world.close();
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const cli = (...args: string[]) => cliWith({}, ...args);

/** @param env what the caller's environment has */
export async function cliWith(
  env: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const stdout = { write: (text: string) => out.push(text) };
  const stderr = { write: (text: string) => err.push(text) };
  const code = await runCli(args, { stdout, stderr, env } as unknown as Parameters<typeof runCli>[1]);
  return { code, out: out.join(""), err: err.join("") };
}
