/** Private keys do not come from the command line, where everybody on the machine could read them. */
import { readInput } from "./files.ts";

/** @throws Error where the file does not hold one; it does not show it */
export async function readPrivateKey(path: string): Promise<string> {
  const key = (await readInput(path)).trim();
  if (!isPrivateKey(key)) throw new Error(`${path} holds no private key: 0x and 64 hex digits`);
  return key;
}

export function isPrivateKey(text: string): boolean {
  return /^0x[0-9a-fA-F]{64}$/.test(text);
}
