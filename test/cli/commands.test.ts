import { tmpdir } from "node:os";
import { join } from "node:path";
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

  it("names in the usage of each command every option that it explains", async () => {
    const { out } = await run([]);
    for (const [, name = ""] of out.matchAll(/^ {2}(\S+)/gm)) {
      const help = (await run([name, "--help"])).out;
      const [usage = ""] = help.split("\n\n");
      const explained = [...help.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, option = ""]) => option);
      expect(explained, name).toContain("--json");
      expect([name, explained.filter((option) => !usage.includes(option))]).toEqual([name, []]);
    }
  });

  it("says in its own words what is wrong with options and arguments, in every command alike", async () => {
    for (const [args, says] of [
      [["deploy", "--window", "-5"], "--window is a time of at most 3 days"],
      [["proof", "locks", "x", "--epoch", "-1"], "--epoch must be a whole number from 1"],
      [["claim", "--timeout", "-1"], "--timeout must be a whole number of seconds"],
      [["audit", "--finality-depth", "-1"], "--finality-depth must be a whole number"],
      [["log", "checkpoint", "--size=-1"], "--size must be a whole number"],
      [["reconcile", "journal.csv", "--tolerance", "-.5"], "--tolerance"],
      [["withdraw", "5", "--asset"], "--asset needs a value"],
      [["withdraw", "5", "--asset", "--json"], "--asset needs a value"],
      [["settle", "--json=yes"], "--json takes no value"],
      [["settle", "--now"], "there is no option --now"],
      [["token", "-s", "user_a"], "there is no option -s"],
      [["settle", "constructor"], '"constructor" is one argument too many'],
      [["settle", "--constructor"], "there is no option --constructor"],
      [["settle", "-5"], '"-5" is one argument too many'],
      [["log", "verify", "file", "--key", "foo"], "--key must be name+id+base64, as the log publishes it"],
      [["audit", "--witness", "foo"], "--witness must be name+id+base64, as the witness publishes it"],
      [["audit", "--rpc", "http://"], "--rpc must be an http(s) URL"],
      [["settle", "--api", "localhost:3000"], "--api must be an http(s) URL"],
      [
        ["exit", "--wallet", `0x${"12".repeat(20)}`, "--rpc", "http://x", "--api", "x"],
        "--api must be an http(s) URL",
      ],
    ] as const)
      expect([args, await run(args)]).toEqual([
        args,
        { code: 2, out: "", err: expect.stringContaining(`anchorbook ${args[0]}: ${says}`) },
      ]);
    // A value that begins with a sign is one where it is written as one.
    expect((await run(["token", "--sub=-5", "--json"])).out).toContain('"sub":"-5"');
    expect((await run(["token", "--sub", "-5", "--json"])).out).toContain('"sub":"-5"');
  });

  it("takes no empty value, as a variable that is not set leaves it, for any option or argument", async () => {
    const { out } = await run([]);
    let options = 0;
    for (const [, name = ""] of out.matchAll(/^ {2}(\S+)/gm)) {
      const { out: help } = await run([name, "--help"]);
      const action = { ledger: ["list"], log: ["checkpoint"] }[name] ?? [];
      for (const [, option = ""] of help.matchAll(/^ {2}(--[a-z-]+) [A-Z]/gm)) {
        options++;
        for (const args of [[option, ""], [`${option}=`]])
          expect([option, await run([name, ...action, ...args])]).toEqual([
            option,
            {
              ...{ code: 2, out: "" },
              err: `anchorbook ${name}: ${option} is empty, and needs a value\nTry: anchorbook ${name} --help\n`,
            },
          ]);
      }
    }
    expect(options).toBeGreaterThan(50);
    for (const args of [
      ["verify", ""],
      ["import", ""],
      ["log", "verify", ""],
      ["withdraw", ""],
    ])
      expect(await run(args)).toMatchObject({
        code: 2,
        err: expect.stringContaining(": an argument is empty\n"),
      });
  });

  it("says of which command a user's own token is", async () => {
    for (const args of [["withdraw", "5"], ["claim"]]) {
      const says = "ANCHORBOOK_TOKEN=$(npx anchorbook token --sub USER)";
      for (const env of [{}, { ANCHORBOOK_TOKEN: "nobody's" }])
        expect(await run(args, env)).toMatchObject({ code: 1, out: "", err: expect.stringContaining(says) });
    }
  });

  it("answers 2 wherever a file that is named cannot be read", async () => {
    const address = `0x${"12".repeat(20)}`;
    const rpc = ["--rpc", "http://127.0.0.1:1"];
    for (const args of [
      ["verify", "FILE"],
      ["import", "FILE"],
      ["reconcile", "FILE"],
      ["exit", "--key-file", "FILE", ...rpc],
      ["attest", "--key-file", "FILE", "--state", tmpdir(), "--registry", address, ...rpc],
    ]) {
      const named = (path: string) => run(args.map((arg) => (arg === "FILE" ? path : arg)));
      const command = `anchorbook ${args[0]}`;
      expect(await named("/nowhere/file")).toEqual({
        ...{ code: 2, out: "" },
        err: `${command}: there is no folder /nowhere\nTry: ${command} --help\n`,
      });
      expect(await named(tmpdir())).toMatchObject({
        ...{
          code: 2,
          err: `${command}: ${tmpdir()} is a folder, and a file is needed\nTry: ${command} --help\n`,
        },
      });
      const below = join(import.meta.filename, "it");
      expect(await named(below)).toMatchObject({
        ...{ code: 2, err: expect.stringContaining(`${below} is below a file, and not below a folder\n`) },
      });
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
      ["detach", "north", "--api", "http://127.0.0.1:1"],
    ]) {
      const { code, out, err } = await run(["ledger", ...args]);
      expect([args, code, out, err]).toEqual([
        args,
        2,
        "",
        expect.stringContaining("anchorbook ledger --help"),
      ]);
    }
    for (const amount of ["-5", "-.5", "0", "0.00"])
      expect(await run(["withdraw", amount])).toMatchObject({
        ...{ code: 2, err: expect.stringContaining(`"${amount}" is no amount above 0, such as 10 or 0.5`) },
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

it("answers 2 of a setting that cannot be used, as of an option", async () => {
  const says = "ANCHORBOOK_TIMEOUT_SECONDS must be a whole number from 1 to 300";
  for (const args of [
    ["settle"],
    ["audit"],
    ["withdraw", "5"],
    ["log", "checkpoint"],
    ["token", "--sub", "a"],
  ])
    for (const seconds of ["0", "soon"])
      expect(await run(args, { ANCHORBOOK_TIMEOUT_SECONDS: seconds })).toEqual({
        ...{ code: 2, out: "" },
        err: `anchorbook ${args[0]}: The settings cannot be used:\n  - ${says}\n`,
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
  for (const [code, ...args] of [
    [1, "config"],
    [2, "deploy", "--asset", "GIGS"],
  ] as const)
    expect(await run(args, env)).toMatchObject({ code, err: expect.stringContaining("BOOKS_FILE") });
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
