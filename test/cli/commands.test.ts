import { describe, expect, it } from "vitest";
import { createAuthenticate } from "#api";
import { runCli } from "#cli";
import { DEVELOPMENT_JWT_SECRET } from "#config";
import { systemClock } from "#kernel";

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const written: { out: string[]; err: string[] } = { out: [], err: [] };
  const into = (lines: string[]) => ({ write: (text: string | Uint8Array) => lines.push(String(text)) > 0 });
  const io = { stdout: into(written.out), stderr: into(written.err), env };
  const code = await runCli(args, io);
  return { code, out: written.out.join(""), err: written.err.join("") };
}

describe("anchorbook", () => {
  it("lists its commands, and explains each with --help", async () => {
    const { code, out } = await run([]);
    expect(code).toBe(0);
    const names = [...out.matchAll(/^ {2}(\S+)/gm)].map((match) => match[1] ?? "");
    expect(names).toContain("verify");
    for (const name of names) {
      const help = await run([name, "--help"]);
      expect(help).toMatchObject({ code: 0, err: "" });
      expect(help.out).toContain(`Usage: anchorbook ${name}`);
    }
  });

  it("answers 2 to a command it does not know and to options a command does not have", async () => {
    expect(await run(["nonsense"])).toMatchObject({ code: 2, out: "" });
    expect(await run(["config", "--nonsense"])).toMatchObject({ code: 2, out: "" });
    expect(await run(["token"])).toMatchObject({ code: 2, out: "" });
    for (const args of [
      [],
      ["create"],
      ["create", "A-b"],
      ["move", "default"],
      ["list", "north"],
      ["remove", "north"],
    ]) {
      const { code, out, err } = await run(["ledger", ...args]);
      expect([args, code, out, err]).toEqual([
        args,
        2,
        "",
        expect.stringContaining("anchorbook ledger --help"),
      ]);
    }
    for (const amount of ["-5", "-.5"])
      expect(await run(["withdraw", amount])).toMatchObject({
        ...{ code: 2, err: expect.stringContaining(`"${amount}" is no amount such as 10 or 0.5`) },
      });
    expect(await run(["log", "prove", "-1"])).toMatchObject({
      ...{ code: 2, err: expect.stringContaining('"-1" is no line: they are counted from 0') },
    });
    expect(await run(["token", "--sub", "a", "--roles", "king"])).toMatchObject({ code: 2, out: "" });
    expect(await run(["token", "--sub", "a", "--expires", "soon"])).toMatchObject({ code: 2, out: "" });
  });
});

describe("anchorbook config", () => {
  it("prints effective settings without any secret", async () => {
    const env = {
      JWT_SECRET: "hunter2-hunter2-hunter2-hunter2-hunter2",
      DATABASE_URL: "postgresql://app:hunter2@db/ledger",
      RPC_URL: "https://node.example/v3/hunter2",
      OPERATOR_PRIVATE_KEY: `0x${"ab".repeat(32)}`,
      CONTRACTS_FILE: "contracts.json",
      ANCHORBOOK_TOKEN: "hunter2",
    };
    for (const args of [["config"], ["config", "--json"]]) {
      const { code, out } = await run(args, env);
      expect(code).toBe(0);
      expect(out).toContain("postgresql://app:********@db/ledger");
      expect(out).not.toMatch(/hunter2|abab/);
    }
  });

  it("answers 1 and names every setting that cannot be used", async () => {
    const { code, err } = await run(["config"], { PORT: "http", TEST_CLOCK: "maybe" });
    expect(code).toBe(1);
    expect(err).toContain("PORT must be");
    expect(err).toContain("TEST_CLOCK must be");
  });
});

it("needs the list of books for no command that has nothing to do with them", async () => {
  const env = { BOOKS_FILE: "/nowhere/books.json", RPC_URL: "http://127.0.0.1:1" };
  expect(await run(["token", "--sub", "user_a"], env)).toMatchObject({ code: 0, err: "" });
  const api = ["--api", "http://127.0.0.1:1"];
  for (const args of [
    ["audit", ...api],
    ["log", "checkpoint", ...api],
    ["withdraw", "5"],
  ]) {
    const { code, err } = await run(args, env);
    expect([args, code, err]).toEqual([args, 1, expect.not.stringContaining("BOOKS_FILE")]);
  }
  for (const args of [["config"], ["deploy", "--asset", "GIGS"]])
    expect(await run(args, env)).toMatchObject({ code: 1, err: expect.stringContaining("BOOKS_FILE") });
});

describe("anchorbook token", () => {
  const authenticate = createAuthenticate({ jwtSecret: DEVELOPMENT_JWT_SECRET }, systemClock);

  it("signs what a server of the same settings accepts", async () => {
    const { out } = await run(["token", "--sub", "user_a", "--roles", "user,operator"]);
    const identity = await authenticate(`Bearer ${out.trim()}`);
    expect(identity).toMatchObject({
      kind: "principal",
      principal: { sub: "user_a", roles: ["user", "operator"] },
    });
  });

  it("is refused by a server with another secret", async () => {
    const { out } = await run(["token", "--sub", "user_a"], {
      JWT_SECRET: "another-secret-of-at-least-32-letters",
    });
    expect(await authenticate(`Bearer ${out.trim()}`)).toMatchObject({ kind: "refused" });
  });
});
