/** The key of a user's own wallet, from the environment or a file; it is used here and goes nowhere else. */
import { isPrivateKey, readPrivateKey } from "./private-key.ts";

export const WALLET_KEY = "WALLET_PRIVATE_KEY";

/**
 * @param file where `--key-file` was given
 * @returns undefined where neither holds one
 * @throws Error where what is there is no key; it does not show it
 */
export async function readWalletKey(
  env: Readonly<Record<string, string | undefined>>,
  file: string | undefined,
): Promise<string | undefined> {
  if (file !== undefined) return readPrivateKey(file);
  const key = env[WALLET_KEY]?.trim();
  if (key === undefined || key === "") return undefined;
  if (!isPrivateKey(key)) throw new Error(`${WALLET_KEY} must be 0x and 64 hex digits`);
  return key;
}
