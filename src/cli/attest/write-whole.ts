/** A small file that is there whole and on disk, or as it was before. */
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

export async function writeWhole(path: string, text: string): Promise<void> {
  const aside = `${path}.part`;
  const file = await open(aside, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
