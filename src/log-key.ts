/**
 * Whose word the journal's checkpoints are: the seed of the key that signs them,
 * and the witnesses that are known. The seed is read here and handed on as bytes;
 * nothing prints or logs it.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Config, ConfigError } from "#config";
import { makeFolder } from "#infra";
import { FormatError, fromHex, type Hex, type NoteKey, parseVerifierKey, toHex } from "#proof";

const SEED_BYTES = 32;
const FILE = "log-private-key";
const OWNER_ALONE = 0o600;

/**
 * From the settings, else from a file in `dataDir`, which is made with a new key where there is none.
 * @throws ConfigError where the file holds no key
 */
export function readLogSeed({
  logPrivateKey,
  dataDir,
}: Pick<Config, "logPrivateKey" | "dataDir">): Uint8Array {
  if (logPrivateKey !== undefined) return fromHex(logPrivateKey as Hex, SEED_BYTES, "LOG_PRIVATE_KEY");
  makeFolder(dataDir);
  const path = join(dataDir, FILE);
  const text = existing(path) ?? made(path);
  try {
    return fromHex(text.trim() as Hex, SEED_BYTES, path);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new ConfigError([
      `${path} must hold the log's key, 0x and 64 hexadecimal digits. Put the right file there, set LOG_PRIVATE_KEY, or remove the file for a new key, which auditors have to be told of`,
    ]);
  }
}

export interface ConfiguredWitness {
  readonly key: NoteKey;
  /** Where it is asked for its cosignature; null: it brings them. */
  readonly url: string | null;
}

/** @throws ConfigError where a key is malformed or there twice */
export function readWitnesses({ logWitnesses }: Pick<Config, "logWitnesses">): ConfiguredWitness[] {
  const witnesses = logWitnesses.map((text) => {
    // A name may hold @, the part behind the key's last + may not.
    const [, key = text, url = null] = /^(.*\+[^+@]*)@(https?:\/\/\S+)$/.exec(text) ?? [];
    try {
      return { key: parseVerifierKey(key), url };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new ConfigError([`LOG_WITNESSES holds "${key}", whose ${error.message}`]);
    }
  });
  const keys = witnesses.map(({ key }) => key);
  // What a witness signs does not name it: under two names one key would count as two.
  if (new Set(keys.map(({ publicKey }) => toHex(publicKey))).size !== keys.length)
    throw new ConfigError(["LOG_WITNESSES holds one key twice; each witness has a key of its own"]);
  return witnesses;
}

function existing(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Two servers may start on one folder: whoever comes second takes what the first made. */
function made(path: string): string {
  const text = `${toHex(randomBytes(SEED_BYTES))}\n`;
  let file: number;
  try {
    file = openSync(path, "wx", OWNER_ALONE);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST")
      return readFileSync(path, "utf8");
    throw error;
  }
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return text;
}
