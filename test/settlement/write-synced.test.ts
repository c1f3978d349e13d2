import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "anchorbook-write-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MODULE = new URL("../../src/settlement/write-synced.ts", import.meta.url).href;
const PIECE = "0123456789abcde\n".repeat(64);

/** Writes three pieces of 1 KiB in a process whose files may hold so many blocks of 512 or 1,024 bytes. */
async function writeUnderLimit(path: string, blocks: string): Promise<string> {
  const script = `
    const { writeSynced } = await import(${JSON.stringify(MODULE)});
    async function* pieces() { for (let n = 0; n < 3; n++) yield ${JSON.stringify(PIECE)}; }
    await writeSynced(${JSON.stringify(path)}, pieces()).then(() => console.log("written"), (error) => console.log(error.code));`;
  const command = `ulimit -f ${blocks}; exec "$0" --input-type=module -e "$1"`;
  const { stdout } = await promisify(execFile)("sh", ["-c", command, process.execPath, script]);
  return stdout.trim();
}

describe("a file that is published", () => {
  it("is all there", async () => {
    const path = join(folder, "whole");
    expect(await writeUnderLimit(path, "unlimited")).toBe("written");
    expect(readFileSync(path, "utf8")).toBe(PIECE.repeat(3));
  });

  it("is not there at all where the disk takes a part of it", async () => {
    const path = join(folder, "part");
    expect(await writeUnderLimit(path, "1")).toBe("EFBIG");
    expect(existsSync(path)).toBe(false);
  });
});
