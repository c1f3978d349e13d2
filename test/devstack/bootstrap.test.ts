/** The bootstrap in a project of its own, which needs nothing from a registry. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeEach, describe, expect, it } from "vitest";

const BOOTSTRAP = resolve(import.meta.dirname, "../../scripts/bootstrap.mjs");
const root = realpathSync(mkdtempSync(join(tmpdir(), "anchorbook-bootstrap-")));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let project: string;
let projects = 0;

beforeEach(() => {
  project = join(root, String(projects++));
  mkdirSync(join(project, "scripts"), { recursive: true });
  mkdirSync(join(project, "local"));
  cpSync(BOOTSTRAP, join(project, "scripts", "bootstrap.mjs"));
  write("local/package.json", JSON.stringify({ name: "local", version: "1.0.0" }));
  write(
    "package.json",
    JSON.stringify({ name: "project", private: true, dependencies: { local: "file:local" } }),
  );
  const packages = {
    "": { name: "project", dependencies: { local: "file:local" } },
    local: { version: "1.0.0" },
    "node_modules/local": { resolved: "local", link: true },
  };
  write(
    "package-lock.json",
    JSON.stringify({ name: "project", lockfileVersion: 3, requires: true, packages }),
  );
  write(
    "say.ts",
    "const words: string[] = process.argv.slice(2); console.log(words.join(' ')); process.exitCode = 7;",
  );
});

function write(file: string, text: string): void {
  writeFileSync(join(project, file), text);
}

function start(...args: string[]) {
  const child = spawn(process.execPath, ["scripts/bootstrap.mjs", ...args], {
    cwd: project,
    env: { ...process.env, XDG_CACHE_HOME: join(root, "cache"), npm_config_offline: "true" },
  });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk.toString()));
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code ?? signal,
    out: out.join(""),
    err: err.join(""),
  }));
  return { child, ended, out };
}

describe("the bootstrap", () => {
  it("knows which versions of Node are new enough", () => {
    const versions = [
      "18.20.8",
      "20.20.2",
      "22.17.1",
      "22.18.0",
      "23.11.0",
      "24.10.0",
      "24.11.0",
      "25.9.0",
      "26.0.0",
    ];
    const script = `
      const { isNewEnough } = await import(${JSON.stringify(pathToFileURL(BOOTSTRAP).href)});
      console.log(process.argv.slice(1).filter(isNewEnough).join(" "));`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", script, ...versions], {
      encoding: "utf8",
    });
    expect(output.trim()).toBe("22.18.0 24.11.0 26.0.0");
  });

  it("installs once, then runs the file with its arguments and ends with its code; standard output is the program's", async () => {
    const first = await start("say.ts", "a", "b c").ended;
    expect(first).toMatchObject({ code: 7, out: "a b c\n" });
    expect(first.err).toContain("installing packages");
    const second = await start("say.ts").ended;
    expect(second).toMatchObject({ code: 7, out: "\n", err: "" });
  });

  it("installs again when the lock file has changed or the packages are gone", async () => {
    await start("say.ts").ended;
    write("local/package.json", JSON.stringify({ name: "local", version: "1.0.1" }));
    const packages = {
      "": { name: "project", dependencies: { local: "file:local" } },
      local: { version: "1.0.1" },
      "node_modules/local": { resolved: "local", link: true },
    };
    write(
      "package-lock.json",
      JSON.stringify({ name: "project", lockfileVersion: 3, requires: true, packages }),
    );
    rmSync(join(project, "node_modules"), { recursive: true });
    expect((await start("say.ts").ended).err).toContain("installing packages");
    expect(existsSync(join(project, "node_modules", "local"))).toBe(true);
  });

  it("lets one of two at once install and the other wait for it", async () => {
    const both = await Promise.all([start("say.ts", "1").ended, start("say.ts", "2").ended]);
    expect(both.map(({ code, out }) => [code, out])).toEqual([
      [7, "1\n"],
      [7, "2\n"],
    ]);
    expect(both.filter(({ err }) => err.includes("installing packages"))).toHaveLength(1);
  });

  it("passes SIGTERM on and ends with the program's own code", async () => {
    write(
      "wait.ts",
      "process.on('SIGTERM', () => { console.log('told'); process.exit(0); }); setInterval(() => {}, 1000); console.log('waiting');",
    );
    const { child, ended } = start("wait.ts");
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 0, out: "waiting\ntold\n" });
  });

  it("ends with 128 + n where signal n ended the program", async () => {
    write("die.ts", "process.kill(process.pid, 'SIGKILL');");
    expect(await start("die.ts").ended).toMatchObject({ code: 137 });
  });
});
