/** The lock on a folder, between real processes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, it } from "vitest";
import { FolderInUse, lockFolder } from "#infra";

const root = mkdtempSync(join(tmpdir(), "anchorbook-folder-lock-"));
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/**
 * Another process that tries to lock the folder and, where it does, holds it until it is killed, whatever is collected meanwhile.
 * @param before runs there first
 */
async function contender(folder: string, before = ""): Promise<{ said: string; child: ChildProcess }> {
  const module = new URL("../../src/infra/folder-lock.ts", import.meta.url).href;
  const code = `
    import { setFlagsFromString } from "node:v8";
    import { runInNewContext } from "node:vm";
    import { lockFolder } from ${JSON.stringify(module)};
    setFlagsFromString("--expose-gc");
    ${before}
    try {
      lockFolder(${JSON.stringify(folder)});
      runInNewContext("gc")();
      console.log("holds it");
      setInterval(() => {}, 60_000);
    } catch (error) {
      console.log(error.name + ": " + error.message);
    }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const [said] = await once(child.stdout, "data");
  return { said: String(said).trim(), child };
}

it("refuses a second holder in the same process and names the first, until it is released", async () => {
  const folder = join(root, "same/process");
  const first = lockFolder(folder);
  expect(() => lockFolder(folder)).toThrow(FolderInUse);
  expect(() => lockFolder(folder)).toThrow(`another Anchorbook (process ${process.pid})`);
  // Having asked in vain has let nobody else in.
  expect((await contender(folder)).said).toMatch(/^FolderInUse: /);
  first.release();
  first.release();
  lockFolder(folder).release();
  expect(readdirSync(folder)).toEqual(["folder.lock"]);
});

it("lets one of many processes in, whatever is said about who that is, and the next one once it is killed", async () => {
  const folder = join(root, "processes");
  const asked = await Promise.all([1, 2, 3].map(() => contender(folder)));
  const holders = asked.filter(({ said }) => said === "holds it");
  expect(holders).toHaveLength(1);
  for (const { said } of asked.filter(({ said }) => said !== "holds it"))
    expect(said).toMatch(/^FolderInUse: /);

  // As from another container: a process of that number is not here, or is another one.
  for (const pid of [process.pid, 999_999_999]) {
    writeFileSync(join(folder, "folder.lock.json"), JSON.stringify({ pid, host: "elsewhere" }));
    expect(() => lockFolder(folder)).toThrow(`process ${pid} on elsewhere`);
  }
  rmSync(join(folder, "folder.lock.json"));
  expect(() => lockFolder(folder)).toThrow(FolderInUse);

  const [holder] = holders;
  holder?.child.kill("SIGKILL");
  await once(holder?.child as ChildProcess, "exit");
  const own = lockFolder(folder);
  expect((await contender(folder)).said).toContain(`(process ${process.pid})`);
  own.release();
  expect((await contender(folder)).said).toBe("holds it");
});

it("takes no file for locked that can only be read", async () => {
  const folder = join(root, "read-only");
  lockFolder(folder).release();
  chmodSync(join(folder, "folder.lock"), 0o444);
  for (const path of [root, folder]) chmodSync(path, 0o777);
  // Root may write to any file.
  const { said } = await contender(folder, "if (process.getuid() === 0) process.setuid(65534);");
  expect(said).toMatch(
    /^Error: nothing can be written in the folder .*read-only: this user may not; name another/,
  );
});

it("says so where there can be no lock", () => {
  const folder = join(root, "none");
  lockFolder(folder).release();
  writeFileSync(
    join(folder, "folder.lock"),
    "this is no file of ours, and it is longer than a header of SQLite's".repeat(20),
  );
  expect(() => lockFolder(folder)).toThrow(
    /none cannot be locked: .*folder\.lock is no lock of Anchorbook's; remove it/,
  );
});
