/** Folders that a user names, also where none can be made. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, expect, it } from "vitest";
import { makeFolder } from "#infra";
import { cli } from "../settlement/audit-world.ts";

const root = mkdtempSync(join(tmpdir(), "anchorbook-make-folder-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

it("makes a folder with those above it, and leaves what is there", () => {
  const folder = join(root, "one", "two", "three");
  makeFolder(folder, 0o700);
  expect([folder, join(root, "one")].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700]);
  writeFileSync(join(folder, "file"), "kept");
  makeFolder(folder);
  expect(existsSync(join(folder, "file"))).toBe(true);
});

it("lets processes make the same folders at once: each finds them there, and none fails", async () => {
  const [processes, rounds] = [4, 300];
  const below = join(root, "at-once");
  const child = `
    import { readSync, statSync } from "node:fs";
    import { makeFolder } from ${JSON.stringify(new URL("../../src/infra/make-folder.ts", import.meta.url).href)};
    process.stdout.write("ready");
    readSync(0, Buffer.alloc(1));
    for (let round = 0; round < ${rounds}; round++) {
      const folder = ${JSON.stringify(below)} + "/" + round + "/one/two";
      makeFolder(folder);
      if (!statSync(folder).isDirectory()) throw new Error(folder + " is not there");
    }`;
  const running = Array.from({ length: processes }, () =>
    spawn(process.execPath, ["--input-type=module", "-e", child], { stdio: "pipe" }),
  );
  const ended = running.map(async (one) => {
    const complaint = text(one.stderr);
    const [code] = await once(one, "close");
    return { code, complaint: (await complaint).replaceAll(/^.*Warning.*$\n?/gm, "") };
  });
  // All of them begin at one moment, so that they meet.
  await Promise.all(running.map((one) => Promise.race([once(one.stdout, "data"), once(one, "close")])));
  for (const { stdin } of running) stdin.end(" ");
  expect(await Promise.all(ended)).toEqual(running.map(() => ({ code: 0, complaint: "" })));
  expect(readdirSync(below)).toHaveLength(rounds);
});

it("says which folder cannot be made, and what to do", async () => {
  const file = join(root, "file");
  writeFileSync(file, "");
  const isFile = `no folder can be made at ${file}: there is a file of that name; name another folder`;
  for (const folder of [file, join(file, "below", "it")]) {
    expect(() => makeFolder(folder)).toThrow(isFile);
    expect(await cli("audit", "--api", "http://127.0.0.1:1", "--state", folder)).toMatchObject({
      ...{ code: 1, err: `anchorbook audit: ${isFile}\n` },
    });
  }
});

// In Node's own way it would try for ever.
it("ends where the system lets nobody make a folder", async () => {
  expect(() => makeFolder("/proc/none/below")).toThrow(
    /^no folder can be made at \/proc(\/none)?: the system lets nobody make one there; name another folder$/,
  );
  const state = ["--state", "/proc/none/below"];
  expect(await cli("audit", "--api", "http://127.0.0.1:1", ...state)).toMatchObject({
    ...{ code: 1, err: expect.stringMatching(/^anchorbook audit: no folder can be made at \/proc/) },
  });
});
