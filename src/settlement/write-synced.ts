/** Writes a file that is read only once it is whole and on disk. */
import { open, rename } from "node:fs/promises";

export type Pieces = AsyncIterable<string> | Iterable<string>;

/**
 * Under another name until all of it is synced. What stands there already is
 * replaced in one step.
 * @throws Error where not every byte could be written; then there is no such file
 */
export async function writeSynced(path: string, text: Pieces): Promise<void> {
  const aside = `${path}.part`;
  const file = await open(aside, "w");
  try {
    // Not `write`, which may write less than it was given and says so in its answer alone.
    for await (const piece of text) await file.appendFile(piece);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
}
