/** Folders that a user names, also where none can be made. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

it("says which folder cannot be made, and why", () => {
  const file = join(root, "file");
  writeFileSync(file, "");
  expect(() => makeFolder(file)).toThrow(`no folder can be made at ${file}: EEXIST: file already exists`);
  expect(() => makeFolder(join(file, "below", "it"))).toThrow(`no folder can be made at ${file}: EEXIST`);
});

// In Node's own way it would try for ever.
it("ends where the system lets nobody make a folder", async () => {
  expect(() => makeFolder("/proc/none/below")).toThrow(
    /^no folder can be made at \/proc(\/none)?: E[A-Z]+: /,
  );
  const state = ["--state", "/proc/none/below"];
  expect(await cli("audit", "--api", "http://127.0.0.1:1", ...state)).toMatchObject({
    ...{ code: 1, err: expect.stringMatching(/^anchorbook audit: no folder can be made at \/proc/) },
  });
});
