/** Fenced blocks of a document, and whether what a command printed is what the document says. */
import { readFileSync } from "node:fs";

export interface FencedBlock {
  readonly file: string;
  readonly line: number;
  /** What follows the opening fence, `sh run` say. */
  readonly info: string;
  readonly text: string;
}

export function fencedBlocks(file: string): FencedBlock[] {
  const lines = readFileSync(file, "utf8").split("\n");
  const blocks: FencedBlock[] = [];
  for (let index = 0; index < lines.length; index++) {
    const [, info] = /^```(\w.*)$/.exec(lines[index] ?? "") ?? [];
    if (info === undefined) continue;
    const end = lines.indexOf("```", index + 1);
    if (end < 0) throw new Error(`${file}:${index + 1}: the block has no end`);
    blocks.push({ file, line: index + 1, info, text: lines.slice(index + 1, end).join("\n") });
    index = end;
  }
  return blocks;
}

/** White space apart, each `…` in the document matches anything. */
export function isAsPrinted(actual: string, expected: string): boolean {
  const squeeze = (text: string) => text.replace(/\s+/g, "");
  const pattern = squeeze(expected)
    .split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[\\s\\S]*?");
  return new RegExp(`^${pattern}$`).test(squeeze(actual));
}
