/** SQL as text beside the code, read once. */
import { readFileSync } from "node:fs";

export function sqlText(file: string): string {
  return readFileSync(new URL(`./sql/${file}.sql`, import.meta.url), "utf8");
}
