/** The log's key: made once, for its owner's eyes, and refused where it is none. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ConfigError } from "#config";
import { formatVerifierKey, NOTE_COSIGNATURE, noteKey, toHex } from "#proof";
import { readLogSeed, readWitnesses } from "../src/log-key.ts";

const folder = mkdtempSync(join(tmpdir(), "anchorbook-log-key-"));
const dataDir = join(folder, "data", "below");
const file = join(dataDir, "log-private-key");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the log's key", () => {
  it("is made on the first start, and the same ever after", () => {
    const seed = readLogSeed({ dataDir });
    expect(seed.length).toBe(32);
    expect(readFileSync(file, "utf8")).toBe(`${toHex(seed)}\n`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readLogSeed({ dataDir })).toEqual(seed);
    expect(readLogSeed({ dataDir: join(folder, "elsewhere") })).not.toEqual(seed);
  });

  it("is what the settings say where they say it", () => {
    const logPrivateKey = `0x${"ab".repeat(32)}`;
    expect(toHex(readLogSeed({ dataDir, logPrivateKey }))).toBe(logPrivateKey);
  });

  it.each(["", "0x12\n", "secret words"])(
    "is no other text (%j), and the refusal does not repeat it",
    (text) => {
      writeFileSync(file, text);
      let refusal = "";
      try {
        readLogSeed({ dataDir });
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
        refusal = String(error);
      }
      expect(refusal).toContain(file);
      if (text !== "") expect(refusal).not.toContain(text.trim());
    },
  );
});

describe("witnesses", () => {
  const key = (name: string, fill: number) =>
    formatVerifierKey(noteKey(name, NOTE_COSIGNATURE, new Uint8Array(32).fill(fill)));

  it("are read from their keys", () => {
    const logWitnesses = [key("w.example/1", 1), key("w.example/2", 2)];
    const read = readWitnesses({ logWitnesses });
    expect(read.map(({ key, url }) => [formatVerifierKey(key), url])).toEqual(
      logWitnesses.map((text) => [text, null]),
    );
    expect(readWitnesses({ logWitnesses: [] })).toEqual([]);
    const named = key("me@w.example/1", 1);
    const [asked] = readWitnesses({ logWitnesses: [`${named}@https://w.example/log@home`] });
    expect(asked).toMatchObject({ key: { name: "me@w.example/1" }, url: "https://w.example/log@home" });
    const [beside] = readWitnesses({ logWitnesses: [`${named}@http://127.0.0.1:8080`] });
    expect(beside?.url).toBe("http://127.0.0.1:8080");
  });

  it("are refused with an id that is not the key's, and with one key under two names", () => {
    const [good, other] = [key("w.example/1", 1), key("w.example/2", 1)];
    const forged = good.replace("w.example/1", "w.example/3");
    expect(() => readWitnesses({ logWitnesses: [forged] })).toThrow(ConfigError);
    expect(() => readWitnesses({ logWitnesses: [good, other] })).toThrow(/one key twice/);
  });
});
