/** SQL as text beside the code: read once, prepared under its file's name. */
import { readFileSync } from "node:fs";

export interface Statement {
  readonly name: string;
  readonly text: string;
}

export function statement(file: string): Statement {
  return { name: file, text: readFileSync(new URL(`./sql/${file}.sql`, import.meta.url), "utf8") };
}
