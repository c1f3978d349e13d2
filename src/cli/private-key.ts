/** Private keys do not come from the command line, where everybody on the machine could read them. */
import { readFile } from "node:fs/promises";

/** @throws Error where the file does not hold one */
export async function readPrivateKey(path: string): Promise<string> {
  const key = await readFile(path, "utf8").then(
    (text) => text.trim(),
    (error: NodeJS.ErrnoException) => {
      throw new Error(`${path} cannot be read (${error.code}); it should hold a private key`);
    },
  );
  if (!isPrivateKey(key)) throw new Error(`${path} holds no private key: 0x and 64 hex digits`);
  return key;
}

export function isPrivateKey(text: string): boolean {
  return /^0x[0-9a-fA-F]{64}$/.test(text);
}
